from __future__ import annotations

import errno
import io
import json
import logging
import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import structlog

from control_plane.adapters.logs import MASK, ProcessLevel, mask_secrets, set_up_logs
from control_plane.ports import LevelName


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture(autouse=True)
def leave_logging_as_it_was() -> Iterator[None]:
    root = logging.getLogger()
    handlers, level = list(root.handlers), root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)
    structlog.reset_defaults()
    structlog.contextvars.clear_contextvars()


def lines(stream: io.StringIO) -> list[dict[str, Any]]:
    return [json.loads(line) for line in stream.getvalue().splitlines()]


def test_a_line_is_json_away_from_a_terminal() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)

    structlog.get_logger().info("served", engine="damage", when={1, 2})

    (line,) = lines(stream)
    assert line["event"] == "served"
    assert line["engine"] == "damage"
    assert line["level"] == "info"
    assert line["timestamp"].endswith("Z")


def test_a_line_is_for_people_on_a_terminal() -> None:
    stream = Terminal()
    set_up_logs(stream=stream)

    structlog.get_logger().info("served")

    assert "served" in stream.getvalue()
    assert not stream.getvalue().startswith("{")


def test_the_format_can_be_forced() -> None:
    terminal, pipe = Terminal(), io.StringIO()
    set_up_logs(format="json", stream=terminal)
    structlog.get_logger().info("one")
    set_up_logs(format="console", stream=pipe)
    structlog.get_logger().info("two")

    assert lines(terminal)[0]["event"] == "one"
    assert "\x1b" not in pipe.getvalue()
    assert "two" in pipe.getvalue()


def test_what_others_say_is_one_line_that_does_not_command_a_terminal() -> None:
    stream = io.StringIO()
    set_up_logs(format="console", stream=stream)
    structlog.get_logger().info("probe", reason="INTERNAL: \x1b[2J boom\n2026-01-01 all is well")
    logging.getLogger("grpc").error("\x9b31m theirs")

    ours, theirs = stream.getvalue().splitlines()
    assert "INTERNAL: ?[2J boom 2026-01-01 all is well" in ours
    assert "?31m theirs" in theirs


def test_standard_error_is_where_lines_go(capsys: pytest.CaptureFixture[str]) -> None:
    set_up_logs()

    structlog.get_logger().warning("here")

    captured = capsys.readouterr()
    assert "here" in captured.err
    assert captured.out == ""


def test_the_correlation_id_is_in_every_line() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)

    with structlog.contextvars.bound_contextvars(correlation_id="c-1"):
        structlog.get_logger().info("ours")
        logging.getLogger("uvicorn.error").warning(
            "theirs %d", 1, extra={"port": 9000, "color_message": "theirs"}
        )

    ours, theirs = lines(stream)
    assert ours["correlation_id"] == theirs["correlation_id"] == "c-1"
    assert theirs["event"] == "theirs 1"
    assert theirs["logger"] == "uvicorn.error"
    assert theirs["port"] == 9000
    assert "color_message" not in theirs


def test_the_level_holds_for_both() -> None:
    stream = io.StringIO()
    set_up_logs("warning", stream=stream)

    structlog.get_logger().info("no")
    logging.getLogger("grpc").info("no")
    logging.getLogger("uvicorn.access").info("no")
    logging.getLogger("grpc").warning("yes")

    assert [line["event"] for line in lines(stream)] == ["yes"]


@pytest.mark.parametrize("name", ["alembic.runtime.migration", "mlflow.store.db.utils"])
@pytest.mark.parametrize("level", ["debug", "info"])
def test_who_tells_every_start_of_its_tables_is_heard_when_something_is_wrong(
    name: str, level: Any
) -> None:
    stream = io.StringIO()
    set_up_logs(level, stream=stream)

    logging.getLogger(name).info("Context impl SQLiteImpl.")
    logging.getLogger(name).warning("the table is gone")

    assert [line["event"] for line in lines(stream)] == ["the table is gone"]


def test_setting_up_again_does_not_write_twice() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)
    set_up_logs(stream=stream)

    logging.getLogger("somewhere").error("once")

    assert len(lines(stream)) == 1


def test_foreign_handlers_of_uvicorn_are_taken_away() -> None:
    stream, elsewhere = io.StringIO(), io.StringIO()
    logger = logging.getLogger("uvicorn")
    logger.addHandler(logging.StreamHandler(elsewhere))
    logger.propagate = False

    set_up_logs(stream=stream)
    logger.error("once")

    assert len(lines(stream)) == 1
    assert elsewhere.getvalue() == ""


@pytest.mark.parametrize("format", ["json", "console"])
def test_a_traceback_shows_no_local_variables(format: Any) -> None:
    stream = io.StringIO()
    set_up_logs(format=format, stream=stream)

    def fail() -> None:
        hidden = "hunter" + "2"
        raise ValueError(len(hidden))

    try:
        fail()
    except ValueError:
        structlog.get_logger().exception("ours")
        logging.getLogger("grpc").exception("theirs")

    assert stream.getvalue().count("ValueError: 7") == 2
    assert "hunter2" not in stream.getvalue()


@pytest.mark.parametrize(
    "key",
    [
        "authorization",
        "Authorization",
        "token",
        "access_token",
        "x-token",
        "password",
        "passwd",
        "client_secret",
        "x-api-key",
        "api_key",
        "set-cookie",
        "credentials",
    ],
)
def test_what_is_named_like_a_secret_is_masked(key: str) -> None:
    event = {
        key: "hunter2",
        "headers": {key: "hunter2", "host": "h"},
        "metadata": ((key, "hunter2"), (key.encode(), b"hunter2"), ("x-routing-key", "r")),
        "deep": [{"deeper": [{key: "hunter2"}]}],
    }

    masked = mask_secrets(None, "info", event)

    assert "hunter2" not in repr(masked)
    assert masked[key] == MASK
    assert masked["headers"]["host"] == "h"
    assert ["x-routing-key", "r"] in masked["metadata"]


def test_what_is_not_a_secret_stays() -> None:
    event = {"event": "the token bucket", "tokens": 3, "routing_key": "r", "boxes": [(1, 2)]}

    masked = mask_secrets(None, "info", dict(event))

    assert masked == {**event, "boxes": [[1, 2]]}


def test_a_value_that_contains_itself_ends() -> None:
    endless: dict[str, Any] = {}
    endless["again"] = endless

    assert mask_secrets(None, "info", {"value": endless})


def say_all() -> None:
    structlog.get_logger().error("ours")
    logging.getLogger("grpc").error("theirs")


def test_a_full_disk_costs_the_lines_and_nothing_else(capsys: pytest.CaptureFixture[str]) -> None:
    full = open("/dev/full", "w", buffering=1)  # noqa: SIM115  closing it fails too
    lines = set_up_logs(stream=full)

    say_all()

    assert lines.dropped == 2
    assert capsys.readouterr().err == ""
    with pytest.raises(OSError, match="No space left"):
        full.close()


def test_a_reader_that_went_away_costs_the_lines_and_nothing_else() -> None:
    reading, writing = os.pipe()
    os.close(reading)
    pipe = os.fdopen(writing, "w", buffering=1)
    lines = set_up_logs(stream=pipe)

    say_all()

    assert lines.dropped == 2
    with pytest.raises(BrokenPipeError):
        pipe.close()


def test_a_closed_stream_costs_the_lines_and_nothing_else() -> None:
    stream = io.StringIO()
    stream.close()
    lines = set_up_logs(stream=stream)

    say_all()

    assert lines.dropped == 2


def test_no_standard_error_at_all_costs_the_lines_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("sys.stderr", None)
    lines = set_up_logs()

    say_all()

    assert lines.dropped == 2


def test_lines_are_written_again_once_they_can_be() -> None:
    class Filling(io.StringIO):
        """A disk that is full for one line."""

        is_full = True

        def write(self, text: str, /) -> int:
            if self.is_full:
                raise OSError(errno.ENOSPC, "No space left on device")
            return super().write(text)

    stream = Filling()
    written = set_up_logs(stream=stream)
    structlog.get_logger().error("lost")
    stream.is_full = False
    structlog.get_logger().error("kept")

    assert [line["event"] for line in lines(stream)] == ["kept"]
    assert written.dropped == 1


@pytest.mark.parametrize("redirection", ["2>/dev/full", "2>&-", ">/dev/full 2>&1"])
def test_a_process_that_cannot_log_still_ends_well(redirection: str) -> None:
    program = (
        "from control_plane.adapters.logs import set_up_logs; import structlog;"
        "set_up_logs(); structlog.get_logger().error('one'); structlog.get_logger().error('two')"
    )
    script = f'"{sys.executable}" -c "{program}" {redirection}'

    assert subprocess.run(["/bin/sh", "-c", script], check=False).returncode == 0


def test_the_level_changes_for_every_logger_that_exists() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)
    lazy, bound = structlog.get_logger(), structlog.get_logger().bind(instance="triton-0")
    level = ProcessLevel()
    assert level.level() == "info"

    for one in (lazy, bound, logging.getLogger("grpc")):
        one.debug("no")
    level.set_level("debug")
    for one in (lazy, bound, logging.getLogger("grpc")):
        one.debug("yes")
    assert logging.getLogger("control_plane.grpc_api").isEnabledFor(logging.DEBUG)
    level.set_level("error")
    for one in (lazy, bound, logging.getLogger("grpc")):
        one.warning("no")
        one.error("at last")

    assert level.level() == "error"
    assert [line["event"] for line in lines(stream)] == ["yes"] * 3 + ["at last"] * 3


@pytest.mark.parametrize("name", ["botocore.auth", "aiormq.connection", "aio_pika", "aiosqlite"])
def test_those_who_write_passwords_at_debug_do_not(name: str) -> None:
    """As botocore does with a session token, and aiormq with the frame that logs in."""
    stream = io.StringIO()
    set_up_logs("debug", "json", stream)
    ProcessLevel().set_level("debug")
    logging.getLogger(name).debug("x-amz-security-token:%s", "abc")
    assert stream.getvalue() == ""
    logging.getLogger(name).info("yes")
    assert "yes" in stream.getvalue()


def test_those_who_chatter_stay_quiet_at_debug() -> None:
    stream = io.StringIO()
    set_up_logs(stream=stream)

    ProcessLevel().set_level("debug")
    logging.getLogger("uvicorn.access").info("no")
    ProcessLevel().set_level("error")
    logging.getLogger("httpx").warning("no")

    assert lines(stream) == []


def test_a_level_changes_nothing_that_is_not_ours() -> None:
    with pytest.raises(RuntimeError, match="not set up"):
        ProcessLevel().set_level("debug")


@pytest.mark.parametrize("level", ["debug", "info", "warning", "error"])
def test_the_level_that_was_set_is_told(level: LevelName) -> None:
    set_up_logs(level, stream=io.StringIO())

    assert ProcessLevel().level() == level


@pytest.mark.parametrize("format", ["json", "console"])
def test_no_secret_is_in_a_line_wherever_it_stands(format: Literal["json", "console"]) -> None:
    stream = io.StringIO()
    set_up_logs(format=format, stream=stream)
    url = "amqp://ada:pw-one@mq/x?key=pw-two"
    structlog.get_logger().info(
        f"at {url}", at=url, inside={"list": [f"({url})"], "pair": (url, 1)}
    )
    logging.getLogger("grpc").error("theirs: %s", url, extra={"address": url})
    for log in (structlog.get_logger(), logging.getLogger("aiormq")):
        cause, error = OSError(f"cannot reach {url}"), ValueError("Bearer pw-three-and-more")
        error.__cause__ = cause
        log.error("it failed", exc_info=error)

    written = stream.getvalue()
    assert "pw-" not in written
    assert "ada" not in written
    assert written.count("cannot reach amqp://***@mq/x?***") == 2
    assert "ValueError: Bearer ***" in written
