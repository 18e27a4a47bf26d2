"""Log lines: one pipeline for structlog's loggers and the standard library's.

On a terminal a line is for a person, elsewhere it is one JSON object. Whatever is bound
to ``structlog.contextvars`` (the correlation id) is in every line. What is named like a secret or
looks like one (:mod:`control_plane.core.redaction`) is in none, tracebacks included. Called once,
by bootstrap and the command line.
"""

from __future__ import annotations

import io
import logging
import re
import sys
from typing import Any, Literal, TextIO, cast

import orjson
import structlog
from structlog.typing import EventDict, Processor, WrappedLogger

from control_plane.core.printable import printable
from control_plane.core.redaction import without_secrets
from control_plane.ports import LevelName

MASK = "**********"
SECRET_KEY = re.compile(
    r"authorization|passw|secret|cookie|credential|api[-_]?key|(^|[-_])token$", re.IGNORECASE
)
DEEPEST = 6
# They log every request at INFO, for which Tidegate writes its own line; or every start, and
# every step of their tables, of which there are sixty.
CHATTY = ("uvicorn.access", "uvicorn.error", "httpx", "httpcore", "asyncio", "alembic", "mlflow")

# At debug they write what they send: passwords and session tokens, whole messages, rows.
TELLTALE = (
    *("aio_pika", "aiobotocore", "aiohttp", "aiormq", "aiosqlite", "boto3", "botocore", "pamqp"),
    *("requests", "s3transfer", "urllib3"),
)

# Written here and not by others, over many lines.
OWN_LINES = frozenset({"stack", "exception"})

LEVELS: dict[LevelName, int] = {
    "debug": logging.DEBUG,
    "info": logging.INFO,
    "warning": logging.WARNING,
    "error": logging.ERROR,
}


def set_up_logs(
    level: LevelName = "info",
    format: Literal["auto", "console", "json"] = "auto",
    stream: TextIO | None = None,
) -> Lines:
    """Sends every log line of the process to ``stream``, standard error if None.

    format: ``auto`` is console on a terminal and JSON elsewhere. Safe to call again.
    """
    lines = Lines(sys.stderr if stream is None else stream)
    is_terminal = lines.isatty()
    is_console = format == "console" or (format == "auto" and is_terminal)
    enrich: list[Processor] = [
        structlog.contextvars.merge_contextvars,
        structlog.processors.add_log_level,
        structlog.processors.TimeStamper(fmt="iso", utc=True),
        structlog.processors.StackInfoRenderer(),
        mask_secrets,
    ]
    render = _console(has_colors=is_terminal) if is_console else _json()
    structlog.configure(
        processors=[*enrich, *render],
        wrapper_class=_leveled(LEVELS[level]),
        logger_factory=structlog.WriteLoggerFactory(cast(TextIO, lines)),
        cache_logger_on_first_use=False,
    )
    _route_standard_logging(LEVELS[level], lines, enrich, render)
    return lines


class ProcessLevel:
    """The level of every logger of the process, changed while it runs. Keeps ``LogLevels``.

    structlog's loggers have their level in their class, which is why a line that is not written
    costs nothing. Some are bound long before the change. So the methods of that class are
    exchanged, and every logger has the new ones at once; the hot path pays nothing for it.
    """

    def level(self) -> LevelName:
        number = logging.getLogger().level
        return next(name for name, level in LEVELS.items() if level >= number)

    def set_level(self, level: LevelName) -> None:
        leveled = structlog.get_config()["wrapper_class"]
        if not issubclass(leveled, _Leveled):
            raise RuntimeError("the logs of this process are not set up")  # noqa: TRY004 - no argument
        for name, method in vars(structlog.make_filtering_bound_logger(LEVELS[level])).items():
            if not name.startswith("__"):
                setattr(leveled, name, method)
        _set_standard_levels(LEVELS[level])


class _Leveled:
    """Marks the class that is ours, and may be changed."""


def _leveled(level: int) -> type[Any]:
    return type("Leveled", (structlog.make_filtering_bound_logger(level), _Leveled), {})


class Lines:
    """Where all lines go. One that cannot be written is counted in ``dropped``, never raised.

    A full disk or a reader that went away must not end the work that the line tells of.
    """

    def __init__(self, stream: TextIO | None) -> None:
        self._stream = stream  # None: the process was started without a standard error
        self.dropped = 0

    def isatty(self) -> bool:
        try:
            return self._stream is not None and self._stream.isatty()
        except (OSError, ValueError):
            return False

    def write(self, line: str) -> None:
        """Writes and flushes, so that a line is either out or counted once."""
        if self._stream is None:
            self.dropped += 1
            return
        try:
            self._stream.write(line)
            self._stream.flush()
        except (OSError, ValueError):  # ValueError: closed, or not to be encoded
            self.dropped += 1

    def flush(self) -> None:
        """Nothing is kept back here; both kinds of loggers call it after each line."""


def mask_secrets(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """A structlog processor: blanks what is named like a secret, and hides what looks like one."""
    del logger, method
    return {key: _masked(key, value, DEEPEST) for key, value in event.items()}


def _masked(key: object, value: Any, depth: int) -> Any:
    if isinstance(key, str) and SECRET_KEY.search(key):
        return MASK
    if isinstance(value, str):
        return without_secrets(value)
    if depth == 0 or not isinstance(value, (dict, list, tuple)):
        return value
    if isinstance(value, dict):
        return {inner: _masked(inner, part, depth - 1) for inner, part in value.items()}
    # exc_info is a tuple that must stay itself; gRPC metadata is a sequence of pairs.
    if key == "exc_info":
        return value
    if len(value) == 2 and isinstance(value[0], (str, bytes)):
        name = value[0].decode("latin-1") if isinstance(value[0], bytes) else value[0]
        return [without_secrets(name), _masked(name, value[1], depth - 1)]
    return [_masked(None, part, depth - 1) for part in value]


def _drop_coloured_copy(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Uvicorn adds its message a second time, with terminal colours."""
    del logger, method
    event.pop("color_message", None)
    return event


def _disarm(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """Keeps the words of others to one line, and from commanding the terminal, as JSON does."""
    del logger, method
    return {
        key: printable(value).replace("\n", " ")
        if isinstance(value, str) and key not in OWN_LINES
        else value
        for key, value in event.items()
    }


def _console(*, has_colors: bool) -> list[Processor]:
    # Plain tracebacks: the pretty ones print local variables, and so secrets.
    return [
        _disarm,
        structlog.dev.ConsoleRenderer(colors=has_colors, exception_formatter=_traceback),
    ]


def _traceback(stream: TextIO, exc_info: structlog.typing.ExcInfo) -> None:
    written = io.StringIO()
    structlog.dev.plain_traceback(written, exc_info)
    stream.write(without_secrets(written.getvalue()))


def _hide_in_traceback(logger: WrappedLogger, method: str, event: EventDict) -> EventDict:
    """It was made after secrets were masked, and quotes what the errors say."""
    del logger, method
    if isinstance(found := event.get("exception"), str):
        event["exception"] = without_secrets(found)
    return event


def _json() -> list[Processor]:
    return [
        structlog.processors.format_exc_info,
        _hide_in_traceback,
        structlog.processors.JSONRenderer(serializer=_to_json),
    ]


def _to_json(event: Any, **_: Any) -> str:
    options = orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY
    return orjson.dumps(event, default=str, option=options).decode()


def _route_standard_logging(
    level: int, lines: Lines, enrich: list[Processor], render: list[Processor]
) -> None:
    handler = logging.StreamHandler(lines)
    handler.setFormatter(
        structlog.stdlib.ProcessorFormatter(
            foreign_pre_chain=[
                structlog.stdlib.add_logger_name,
                structlog.stdlib.ExtraAdder(),
                _drop_coloured_copy,
                *enrich,
            ],
            processors=[structlog.stdlib.ProcessorFormatter.remove_processors_meta, *render],
        )
    )
    root = logging.getLogger()
    for old in [h for h in root.handlers if _is_ours(h)]:
        root.removeHandler(old)
    root.addHandler(handler)
    for name in ("uvicorn", "uvicorn.error", "uvicorn.access", "grpc", "alembic", "mlflow"):
        logger = logging.getLogger(name)
        logger.handlers.clear()
        logger.propagate = True
    _set_standard_levels(level)


def _set_standard_levels(level: int) -> None:
    logging.getLogger().setLevel(level)
    for name in CHATTY:
        logging.getLogger(name).setLevel(max(level, logging.WARNING))
    for name in TELLTALE:
        logging.getLogger(name).setLevel(max(level, logging.INFO))


def _is_ours(handler: logging.Handler) -> bool:
    return isinstance(handler.formatter, structlog.stdlib.ProcessorFormatter)
