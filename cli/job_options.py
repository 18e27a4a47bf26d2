"""What the commands about jobs share: which jobs are meant, and where they ask."""

from __future__ import annotations

import shlex
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Annotated, Any
from urllib.parse import quote, urlencode

import typer

from cli.durations import seconds_of

JOBS = "/api/v1/jobs"
MAX_LISTED = 500

Ids = Annotated[
    list[str] | None, typer.Argument(metavar="ID", show_default=False, help="Jobs, by id.")
]
Id = Annotated[str, typer.Argument(metavar="ID", show_default=False, help="A job's id.")]
Priority = Annotated[
    str | None,
    typer.Option(
        "--priority", metavar="high|normal|low", show_default=False, help="Only of this priority."
    ),
]
DeadReason = Annotated[
    str | None,
    typer.Option(
        "--reason",
        metavar="unprocessable|failed",
        show_default=False,
        help="Only those that can never succeed, or that ran out of attempts or time.",
    ),
]
Code = Annotated[
    str | None,
    typer.Option(
        "--code",
        metavar="CODE",
        show_default=False,
        help="Only with this error, as in photo_unavailable.",
    ),
]
Engine = Annotated[
    str | None,
    typer.Option(
        "--engine", metavar="ENGINE", show_default=False, help="Only where it was asked for."
    ),
]
CorrelationId = Annotated[
    str | None,
    typer.Option(
        "--correlation-id", metavar="ID", show_default=False, help="Only with this id in the log."
    ),
]
Since = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="2h|TIME",
        show_default=False,
        help="Only accepted since: so long ago (s, min, h, d), or 2025-01-31T12:00:00Z.",
    ),
]
Until = Annotated[
    str | None,
    typer.Option(
        "--until", metavar="2h|TIME", show_default=False, help="Only accepted before, likewise."
    ),
]
Before = Annotated[
    str | None,
    typer.Option(
        "--before", metavar="ID", show_default=False, help="Only those accepted before this one."
    ),
]
Why = Annotated[
    str, typer.Option("--why", metavar="TEXT", show_default=False, help="Why, for the audit.")
]
All = Annotated[bool, typer.Option("--all", help="Every one, up to --limit.")]
Most = Annotated[
    int, typer.Option("--limit", min=1, max=10_000, metavar="N", help="How many at most.")
]
Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask back.")]


def job_path(job_id: str) -> str:
    return f"{JOBS}/{quote(job_id, safe='')}"


def jobs_query(**query: object) -> str:
    """The path of a list, without what is None; a list is one parameter for each of its values."""
    said = urlencode({key: one for key, one in query.items() if one not in (None, [])}, doseq=True)
    return f"{JOBS}?{said}" if said else JOBS


def chosen(
    *,
    reason: str | None,
    code: str | None,
    engine: str | None,
    priority: str | None,
    correlation_id: str | None,
    since: str | None,
    until: str | None,
) -> dict[str, Any]:
    """The filter as REST has it, without what was not said. Raises BadParameter."""
    said = {
        "dead": one_of(reason, ("unprocessable", "failed"), "--reason"),
        "code": code,
        "engine": engine,
        "priority": one_of(priority, ("high", "normal", "low"), "--priority"),
        "correlation_id": correlation_id,
        "created_after": moment_of(since, "--since"),
        "created_before": moment_of(until, "--until"),
    }
    return {key: value for key, value in said.items() if value is not None}


def as_options(wanted: Mapping[str, Any]) -> str:
    """A filter as it is typed."""
    names = {
        "dead": "--reason",
        "correlation_id": "--correlation-id",
        "created_after": "--since",
        "created_before": "--until",
    }
    said = (
        f"{names.get(key, f'--{key}')} {shlex.quote(str(value))}" for key, value in wanted.items()
    )
    return " ".join(said) if wanted else "--all"


def one_of(value: str | None, words: tuple[str, ...], option: str) -> str | None:
    if value is not None and value not in words:
        hint = "; why you do it goes to --why" if option == "--reason" else ""
        raise typer.BadParameter(
            f"{value!r} is none of {', '.join(words)}{hint}", param_hint=option
        )
    return value


def moment_of(text: str | None, option: str, now: datetime | None = None) -> str | None:
    """The moment that was so long ago, or that was named, in UTC. Raises BadParameter."""
    if text is None:
        return None
    ago_s = seconds_of(text)
    try:
        if ago_s is not None:
            at = (now or datetime.now(UTC)) - timedelta(seconds=ago_s)
        else:
            # Without a zone it is this terminal's own.
            at = datetime.fromisoformat(text).astimezone()
        return at.astimezone(UTC).isoformat()
    except (ValueError, OverflowError):
        raise typer.BadParameter(
            f"{text!r} is neither so long ago, as in 2h, nor a time, as in 2025-01-31T12:00:00Z",
            param_hint=option,
        ) from None
