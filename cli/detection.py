"""``detect``: photos to the control plane, answers to the terminal, pictures to a folder."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.failure import UNREACHABLE, complain
from cli.options import DEFAULT_URL, AsJson, Token, Url

if TYPE_CHECKING:
    from cli.submission import Outcome

PRIORITIES = ("high", "normal", "low")


Photos = Annotated[
    list[Path],
    typer.Argument(metavar="PHOTO", show_default=False, help="JPEG, PNG or WebP files."),
]
Types = Annotated[
    str | None,
    typer.Option(
        "--types",
        metavar="A,B",
        show_default="all",
        help="Engines to ask, as in damage,materials,volume.",
    ),
]
Priority = Annotated[
    str, typer.Option("--priority", metavar="high|normal|low", help="How urgent it is.")
]
Annotate = Annotated[
    Path | None,
    typer.Option(
        "--annotate",
        metavar="DIR",
        show_default=False,
        help="Write DIR/<photo>.annotated.jpg with what was found drawn on it.",
    ),
]
Releases = Annotated[
    list[str] | None,
    typer.Option(
        "--release",
        metavar="ENGINE=RELEASE",
        show_default=False,
        help="Ask a certain release: a version, stable or canary. May be repeated.",
    ),
]
Timeout = Annotated[
    float | None,
    typer.Option(
        "--timeout",
        min=0.001,
        max=3600,
        metavar="S",
        show_default="the control plane's",
        help="Seconds that each photo may take.",
    ),
]
Concurrency = Annotated[
    int,
    typer.Option("--concurrency", min=1, max=64, metavar="N", help="Photos under way at a time."),
]

IsAsync = Annotated[
    bool,
    typer.Option(
        "--async", help="Do not wait: print the ids under which the answers will be found."
    ),
]
DeadlineS = Annotated[
    float | None,
    typer.Option(
        "--deadline",
        min=0.001,
        metavar="S",
        show_default="the control plane's",
        help="With --async, seconds in which each photo has to be done.",
    ),
]
IdempotencyKey = Annotated[
    str | None,
    typer.Option(
        "--idempotency-key",
        metavar="KEY",
        show_default=False,
        help="The same key and photo is the same detection, however often it is sent. What is "
        "sent is KEY:DIGEST, with the first 16 hex digits of the photo's SHA-256.",
    ),
]


def detect(
    photos: Photos,
    types: Types = None,
    priority: Priority = "normal",
    annotate: Annotate = None,
    release: Releases = None,
    timeout: Timeout = None,
    concurrency: Concurrency = 4,
    is_async: IsAsync = False,
    deadline: DeadlineS = None,
    idempotency_key: IdempotencyKey = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Detect what is on photos: roof damage, materials, volumes.

    A photo that is refused costs only itself. With --json, one JSON object per photo and
    line. Exit status 1 when a photo, or one of the engines asked about it, failed.

    With --async the photos are kept for good and worked on when there is room; `tidegate jobs
    watch ID` follows one.
    """
    from cli.client import ControlPlane
    from cli.submission import Question, Submission

    if priority not in PRIORITIES:
        raise typer.BadParameter(
            f"{priority!r} is none of {', '.join(PRIORITIES)}", param_hint="--priority"
        )
    if is_async and (timeout is not None or annotate is not None):
        raise typer.BadParameter(
            "nobody waits for the answer; leave out --timeout and --annotate, or give a --deadline",
            param_hint="--async",
        )
    if deadline is not None and not is_async:
        raise typer.BadParameter(
            "goes with --async; who waits gives a --timeout", param_hint="--deadline"
        )
    question = Question(
        detection_types=() if types is None else _types(types),
        priority=priority,
        releases=_releases(release or []),
        timeout_s=deadline if is_async else timeout,
        is_async=is_async,
        idempotency_key=idempotency_key,
    )
    submission = Submission(
        ControlPlane(url, token), question, annotate_into=annotate, concurrency=concurrency
    )
    report = _Report(as_json=as_json, is_async=is_async)
    submission.run(photos, report.tell)
    raise typer.Exit(0 if report.is_all_well else 1)


def _types(value: str) -> tuple[str, ...]:
    names = tuple(name.strip() for name in value.split(",") if name.strip())
    if not names:
        raise typer.BadParameter("name at least one engine", param_hint="--types")
    return names


def _releases(values: list[str]) -> dict[str, str]:
    releases: dict[str, str] = {}
    for value in values:
        engine, separator, release = value.partition("=")
        if not (engine and separator and release):
            raise typer.BadParameter(f"{value!r} is not ENGINE=RELEASE", param_hint="--release")
        releases[engine] = release
    return releases


class _Report:
    """Prints each outcome as it comes and remembers whether all went well."""

    def __init__(self, *, as_json: bool, is_async: bool) -> None:
        self.is_all_well = True
        self._as_json = as_json
        self._is_async = is_async
        self._complaints: set[str] = set()

    def tell(self, outcome: Outcome) -> None:
        from cli.printing import print_json

        self.is_all_well = self.is_all_well and outcome.is_well
        if self._as_json:
            print_json(outcome.as_json(), is_line=True)
        elif outcome.answer is not None:
            self._print(outcome.photo, outcome.answer, outcome.annotated)
        for line in failures_of(outcome):
            complain(line)
        for refusal in outcome.refusals:
            # A control plane that is down is told once, not once for each photo.
            where = "" if refusal.code == UNREACHABLE else f"{outcome.photo}: "
            line = where + refusal.line()
            if line not in self._complaints:
                self._complaints.add(line)
                complain(line)

    def _print(self, photo: Path, answer: Mapping[str, Any], annotated: Path | None) -> None:
        # What is sent again under its key may be done already; its id was asked for all the same.
        request_id = str(answer.get("request_id")) if self._is_async else None
        _print_answer(photo, answer, annotated, request_id)


def failures_of(outcome: Outcome) -> list[str]:
    """A line for each engine that failed; the other engines' findings are the answer's."""
    from cli.wording import failure_of

    answer = outcome.answer or {}
    mark = f" [correlation id {answer.get('correlation_id')}]"
    return [
        f"{outcome.photo}: {engine} failed: {failure_of(failure)}{mark}"
        for engine, failure in (answer.get("errors") or {}).items()
    ]


def _in_place_of(answer: Mapping[str, Any], engine: str) -> str:
    """Which release could not answer, where another one did."""
    served = (answer.get("served_by") or {}).get(engine) or {}
    chosen = served.get("fallback_from")
    return f" for v{chosen}" if chosen else ""


def _print_answer(
    photo: Path, answer: Mapping[str, Any], annotated: Path | None, request_id: str | None
) -> None:
    from rich.table import Table
    from rich.text import Text

    from cli.printing import console, style_of
    from cli.wording import findings_of

    status = str(answer.get("status"))
    if status in ("queued", "processing"):
        console().print(Text.assemble((str(photo), "bold"), f"  {status}  {request_id}"))
        return
    elapsed_ms = float(answer.get("processing_time_ms") or 0)
    out = console()
    head = Text.assemble(
        (str(photo), "bold"), "  ", (status, style_of(status)), f"  {elapsed_ms:.0f} ms"
    )
    if request_id is not None:
        head.append(f"  {request_id}")
    out.print(head)
    rows = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    versions = answer.get("model_versions") or {}
    for engine, findings in (answer.get("results") or {}).items():
        version = str(versions.get(engine, "")) + _in_place_of(answer, engine)
        rows.add_row("", engine, version, Text(findings_of(engine, findings)))
    for engine, failure in (answer.get("errors") or {}).items():
        rows.add_row(
            "", engine, Text("failed", style="bold red"), Text(str(failure.get("code", "")))
        )
    if annotated is not None:
        rows.add_row("", "picture", "", Text(str(annotated)))
    # By which `tidegate feedback` finds the answer.
    rows.add_row("", "request", "", Text(str(answer.get("request_id", "-"))))
    rows.add_row("", "correlation", "", Text(str(answer.get("correlation_id", "-"))))
    out.print(rows)
