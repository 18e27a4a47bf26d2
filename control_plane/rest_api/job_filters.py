"""Which jobs are meant: a query, or the body of an order, as the job store's filter."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from datetime import datetime
from typing import Annotated

from fastapi import Query

from control_plane.core.detections import ALIASES, DetectionStatus, Priority
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import DeadReason, JobFilter
from control_plane.errors import ErrorCode, InvalidArgument
from control_plane.rest_api.job_schemas import MAX_JOBS, ActOnManyBody, Dead

ANY = "any"


@dataclass(frozen=True, slots=True)
class JobQuery:
    """What a query may say of jobs. FastAPI reads it."""

    state: Annotated[list[DetectionStatus] | None, Query(description="May be repeated.")] = None
    priority: Priority | None = None
    dead: Annotated[
        Dead | None, Query(description="Dead letters alone: of one reason, or `any`.")
    ] = None
    engine: Annotated[str | None, Query(description="That was asked for.")] = None
    code: Annotated[ErrorCode | None, Query(description="Of their error.")] = None
    correlation_id: str | None = None
    undelivered: Annotated[
        bool | None, Query(description="Whether their result was given up on its way.")
    ] = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    limit: Annotated[int, Query(ge=1, le=MAX_JOBS)] = 50
    before: Annotated[
        str | None, Query(description="Only those accepted before the job of this id.")
    ] = None


def filter_of_query(query: JobQuery) -> JobFilter:
    """Raises InvalidArgument for a time without its zone or an engine without its name, NOT_FOUND
    for no id of a job."""
    reason, is_dead = _dead(query.dead)
    return JobFilter(
        states=frozenset(query.state) if query.state else None,
        priority=query.priority,
        dead=reason,
        is_dead=is_dead,
        is_undelivered=query.undelivered,
        engine=_engine(query.engine),
        code=query.code,
        correlation_id=query.correlation_id,
        created_after_s=_seconds(query.created_after, "created_after"),
        created_before_s=_seconds(query.created_before, "created_before"),
        before=None if query.before is None else check_job_id(query.before, "before"),
    )


def filter_of_order(asked: ActOnManyBody, *, is_resend: bool) -> JobFilter:
    """Dead letters alone; is_resend: those alone whose result was given up.

    Raises InvalidArgument where neither some nor all of them are named, and where a reason of
    dead letters is given as the reason of the order.
    """
    # Why it is done is said beside what is meant, and the words are easily mistaken.
    if asked.dead is None and asked.reason in {one.value for one in DeadReason}:
        raise InvalidArgument(
            f"reason says why it is done and chooses nothing; the filter is dead: {asked.reason!r}",
            field="reason",
        )
    reason, is_dead = _dead(asked.dead)
    wanted = JobFilter(
        priority=None if asked.priority is None else Priority(asked.priority),
        dead=reason,
        is_dead=is_dead,
        engine=_engine(asked.engine),
        code=None if asked.code is None else check_code(asked.code),
        correlation_id=asked.correlation_id,
        created_after_s=_seconds(asked.created_after, "created_after"),
        created_before_s=_seconds(asked.created_before, "created_before"),
    )
    # An empty body is easily sent by mistake.
    if not asked.all and all(getattr(wanted, one.name) is None for one in fields(wanted)):
        what = "result" if is_resend else "dead letter"
        raise InvalidArgument(
            f"no {what} is chosen: say which, or all of them with all: true", field="all"
        )
    if asked.before is not None:
        wanted = replace(wanted, before=check_job_id(asked.before, "before"))
    if is_resend:
        return replace(wanted, is_undelivered=True)
    return replace(wanted, is_dead=True)


def check_code(text: str) -> ErrorCode:
    """Raises InvalidArgument."""
    try:
        return ErrorCode(text)
    except ValueError:
        raise InvalidArgument(
            f"unknown code {text[:80]!r}; known: {', '.join(ErrorCode)}", field="code"
        ) from None


def next_page(ids: Sequence[str], limit: int) -> str | None:
    """Where the next page begins; None after the last."""
    return ids[-1] if len(ids) == limit else None


def _dead(said: str | None) -> tuple[DeadReason | None, bool | None]:
    if said is None:
        return None, None
    return (None if said == ANY else DeadReason(said)), True


def _engine(name: str | None) -> str | None:
    """Raises InvalidArgument for an empty one: a script's variable that nobody set is no leave
    to take every engine's."""
    if name == "":
        raise InvalidArgument("engine is empty; leave it out, or name one", field="engine")
    return None if name is None else ALIASES.get(name, name)


def _seconds(at: datetime | None, name: str) -> float | None:
    if at is None:
        return None
    if at.tzinfo is None:
        raise InvalidArgument(f"{name} has no time zone, as in 2025-01-31T12:00:00Z", field=name)
    return at.timestamp()
