"""Jobs on the terminal: tables of many, and one with everything."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.fleet_picture import time_of
from cli.job_words import (
    PRIORITIES,
    Job,
    age_of,
    error_of,
    photo_of,
    remedy_of,
    state_of,
)
from cli.printing import listed, style_of, table
from cli.rollout_words import duration
from cli.wording import failure_of, findings_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table

ID_CHARACTERS = 36
TABLE_COLUMNS = 140
"""Of a terminal: on a narrower one a table is mostly letters below each other."""


def jobs_picture(jobs: Iterable[Job], now: datetime, columns: int) -> RenderableType:
    """Many jobs: a line each, or on a narrow terminal some."""
    if columns >= TABLE_COLUMNS:
        return _jobs_table(jobs, now)
    return _below_each_other(
        (
            str(job["id"]),
            f"{state_of(job)}, {job['priority']}, {_age_and_attempts(job, now)}",
            f"{listed(job['engines'])}: {_code(job)}" if job.get("error") else "",
        )
        for job in jobs
    )


def dead_picture(jobs: Sequence[Job], now: datetime, columns: int) -> RenderableType:
    """Dead letters: a line each, or on a narrow terminal some."""
    if columns >= TABLE_COLUMNS:
        return _dead_table(jobs, now)
    return _below_each_other(
        (
            str(job["id"]),
            f"{job.get('dead') or '-'}: {_code(job)}, {_age_and_attempts(job, now)}",
            f"photo: {photo_of(job)}",
            f"what to do: {remedy_of(job)}",
        )
        for job in jobs
    )


def _jobs_table(jobs: Iterable[Job], now: datetime) -> Table:
    return _with_whole_ids(
        ["id", "state", "priority", "engines", "age", "attempts", "error"],
        [
            [
                str(job["id"]),
                state_of(job),
                str(job["priority"]),
                listed(job["engines"]),
                age_of(job["created_at"], now),
                str(job["attempts"]),
                _code(job),
            ]
            for job in jobs
        ],
    )


def _dead_table(jobs: Sequence[Job], now: datetime) -> Table:
    return _with_whole_ids(
        ["id", "reason", "code", "attempts", "age", "photo", "what to do"],
        [
            [
                str(job["id"]),
                str(job.get("dead") or "-"),
                _code(job),
                str(job["attempts"]),
                age_of(job["created_at"], now),
                photo_of(job),
                remedy_of(job),
            ]
            for job in jobs
        ],
    )


def job_picture(job: Job, now: datetime) -> RenderableType:
    """One job with everything."""
    from rich.console import Group
    from rich.text import Text

    state = str(job["state"])
    head = Text.assemble((str(job["id"]), "bold"), "  ", (state_of(job), style_of(state)))
    if job.get("dead"):
        head.append(f"  dead letter: {job['dead']}")
    facts = _table_of({name: value for name, value in _facts(job, now) if value})
    parts: list[RenderableType] = [head, facts]
    if job.get("raw"):
        # As it came, with whatever was wrong in it marked rather than obeyed.
        parts += ["", Text("the message as it came", style="bold"), Text(str(job["raw"]))]
    if job.get("dead"):
        parts += ["", Text(f"what to do: {remedy_of(job)}", style="yellow")]
    return Group(*parts)


def figures_picture(figures: Mapping[str, Any]) -> RenderableType:
    from rich.console import Group
    from rich.text import Text

    queue = figures.get("queue")
    by_priority = table(
        ["priority", "waiting", "in the queue", "oldest"],
        [
            [
                one,
                str(figures["waiting"].get(one, 0)),
                "-" if queue is None else str(queue.get(one, 0)),
                _age(figures["oldest_age_s"].get(one, 0.0)),
            ]
            for one in PRIORITIES
        ],
    )
    by_state = table(
        ["state", "jobs"],
        [
            *([state, str(count)] for state, count in figures["states"].items()),
            *([f"dead: {reason}", str(count)] for reason, count in figures["dead"].items()),
            # A control plane of before may answer.
            ["results on their way", str(figures.get("sending", "-"))],
            ["undelivered", str(figures["undelivered"])],
        ],
    )
    away: list[RenderableType] = (
        [] if queue is not None else ["", Text("the queue does not answer", style="bold red")]
    )
    return Group(by_priority, "", by_state, *away)


def _below_each_other(entries: Iterable[tuple[str, ...]]) -> RenderableType:
    """Each entry's first line is what it is, the others are what there is to say of it."""
    from rich.console import Group
    from rich.padding import Padding
    from rich.text import Text

    lines: list[RenderableType] = []
    for name, *facts in entries:
        lines.append(Text(name, style="bold", overflow="fold"))
        lines += [Padding(Text(fact, overflow="fold"), (0, 0, 0, 2)) for fact in facts if fact]
    return Group(*lines)


def _code(job: Job) -> str:
    return str((job.get("error") or {}).get("code") or "-")


def _age_and_attempts(job: Job, now: datetime) -> str:
    attempts = f"{job['attempts']} attempt{'' if job['attempts'] == 1 else 's'}"
    return f"{attempts}, {age_of(job['created_at'], now)} old"


def _with_whole_ids(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> Table:
    """What is typed again, as an id is, could not be copied from two lines."""
    made = table(headers, rows)
    made.columns[0].min_width = ID_CHARACTERS
    for header, column in zip(headers, made.columns, strict=True):
        column.no_wrap = header not in ("engines", "error", "photo", "what to do")
    return made


def _facts(job: Job, now: datetime) -> Iterable[tuple[str, str]]:
    if job["engines"]:
        yield "asked", listed(job["engines"])
        yield "photo", photo_of(job)
    yield "priority", str(job["priority"])
    yield "photo id", str(job.get("photo_id") or "")
    yield "releases", _pairs(job.get("releases"))
    yield "metadata", _pairs(job.get("metadata"))
    yield "accepted", _when(job["created_at"], now)
    yield "changed", _when(job["updated_at"], now)
    if job["state"] == "queued":
        # A moment that has come is no news.
        is_later = datetime.fromisoformat(job["due_at"]) > now
        yield "next attempt", _when(job["due_at"], now) if is_later else "as soon as it is taken"
        yield "in the queue", "" if job.get("published_at") else "not yet: it will be sent again"
    if job["state"] in ("queued", "processing"):
        yield "deadline", _when(job["deadline_at"], now)
    # As the id of its result counts them, which is how a receiver knows it.
    yield "attempts", f"{job['attempts']} in run {job['run']}"
    claim = job.get("claim")
    if claim:
        yield "worked on by", f"{claim['worker']}, until {_when(claim['expires_at'], now)}"
    if job.get("error"):
        yield "last error", error_of(job)
        yield "field", str(job["error"].get("field") or "")
    yield "result sent", _handover(job, now)
    answer = job.get("answer") or {}
    yield "found", "\n".join(_found(answer))
    yield "answered by", _pairs(answer.get("model_versions"))
    yield "key", str(job.get("idempotency_key") or "")
    yield "correlation", str(job.get("correlation_id") or "")


def _found(answer: Mapping[str, Any]) -> Iterable[str]:
    """A line for each engine: what it found, or why it did not answer."""
    for engine, findings in (answer.get("results") or {}).items():
        yield f"{engine}: {findings_of(engine, findings)}"
    for engine, failure in (answer.get("errors") or {}).items():
        yield f"{engine}: {failure_of(failure)}"


def _handover(job: Job, now: datetime) -> str:
    handover = job.get("handover")
    if not handover:
        return ""
    if handover["state"] == "delivered":
        return _when(handover["delivered_at"], now)
    tries = "1 try" if handover["attempts"] == 1 else f"{handover['attempts']} tries"
    why = f": {handover['error']}" if handover.get("error") else ""
    if handover["state"] == "given_up":
        return f"given up after {tries}{why}; again: tidegate jobs resend {job['id']}"
    return f"waiting, {tries}{why}"


def _table_of(facts: Mapping[str, str]) -> Table:
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, show_header=False, pad_edge=False, padding=(0, 2, 0, 0))
    for name, value in facts.items():
        made.add_row(Text(name, style="dim"), Text(value))
    return made


def _when(at: str, now: datetime) -> str:
    age = age_of(at, now)
    return f"{time_of(at, now)} ({age if age.startswith('in ') else f'{age} ago'})"


def _pairs(values: Mapping[str, Any] | None) -> str:
    return ", ".join(
        f"{key}={value if isinstance(value, str) else json.dumps(value)}"
        for key, value in (values or {}).items()
    )


def _age(seconds: float) -> str:
    return duration(seconds) if seconds else "-"
