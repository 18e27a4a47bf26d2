"""Jobs in their table. All functions work within the transaction that they are handed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from sqlalchemy import (
    ColumnElement,
    RowMapping,
    bindparam,
    case,
    delete,
    func,
    insert,
    select,
    update,
)
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import clock, now_s
from control_plane.adapters.stores.job_columns import (
    DUE_COLUMNS,
    Row,
    answer_text,
    columns_of,
    engines_of,
    job_of,
    raw_text,
)
from control_plane.adapters.stores.state_rows import INSERTS, can_be_name
from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason, Job, JobFigures
from control_plane.ports import Due

_JOBS = tables.jobs.c
_WHOLE = (_JOBS.document, _JOBS.answer, _JOBS.raw)
_UPDATE = update(tables.jobs).where(_JOBS.job_id == bindparam("of_job"))
# Not every database takes as many values at once as somebody may ask for.
_AT_ONCE = 500


async def insert_job(connection: AsyncConnection, job: Job) -> bool:
    """Whether it is new. One that is being stored by somebody else is waited for."""
    row = columns_of(job) | {"answer": answer_text(job.answer), "raw": raw_text(job.raw)}
    new = INSERTS[connection.dialect.name](tables.jobs).on_conflict_do_nothing()
    number = (await connection.execute(new.returning(_JOBS.number), row)).scalar_one_or_none()
    if number is None:
        return False
    rows = [
        {"number": number, "engine_digest": engine, "created_at_s": job.created_at_s}
        for engine in engines_of(job)
    ]
    if rows:
        await connection.execute(insert(tables.job_engines), rows)
    return True


async def read_same(connection: AsyncConnection, job: Job) -> Job | None:
    """What is stored under the id or the idempotency key of this one; the id goes first."""
    same = [_JOBS.job_id == job.job_id]
    if (key_digest := columns_of(job)["key_digest"]) is not None:
        same.append(_JOBS.key_digest == key_digest)
    for condition in same:
        found = (await connection.execute(select(*_WHOLE).where(condition))).mappings().first()
        if found is not None:
            return job_of(_plain(found))
    return None


async def read_job(connection: AsyncConnection, job_id: str) -> Job | None:
    if not can_be_name(job_id):
        return None
    wanted = select(*_WHOLE).where(_JOBS.job_id == job_id)
    found = (await connection.execute(wanted)).mappings().one_or_none()
    return None if found is None else job_of(_plain(found))


async def lock_job(connection: AsyncConnection, job_id: str) -> tuple[Job, float] | None:
    """A job that nobody else changes before this transaction is over, and the time."""
    if not can_be_name(job_id):
        return None
    locked = select(*_WHOLE).where(_JOBS.job_id == job_id).with_for_update().subquery()
    # Asked for outside of it, the time is that of the lock, and not of when it was waited for.
    wanted = select(*locked.c, clock(connection).label("now_s"))
    found = (await connection.execute(wanted)).mappings().one_or_none()
    return None if found is None else (job_of(_plain(found)), float(found["now_s"]))


def _plain(found: RowMapping) -> Row:
    return dict(found)


async def update_job(connection: AsyncConnection, job: Job, *, before: Job) -> None:
    """before: the job as it was read in this transaction."""
    values = columns_of(job)
    # What is large is written when it changes, and not with each sign of life.
    if job.answer is not before.answer:
        values["answer"] = answer_text(job.answer)
    if job.raw is not before.raw:
        values["raw"] = raw_text(job.raw)
    await connection.execute(_UPDATE, values | {"of_job": before.job_id})


async def read_due(
    connection: AsyncConnection, what: Due, *, since_s: float, limit: int
) -> tuple[str, ...]:
    column = _JOBS[DUE_COLUMNS[what]]
    until_s = await now_s(connection) - since_s
    wanted = select(_JOBS.job_id).where(column <= until_s).order_by(column).limit(limit)
    return tuple(await connection.scalars(wanted))


async def read_states(
    connection: AsyncConnection, job_ids: Sequence[str]
) -> Mapping[str, tuple[str, float]]:
    states: dict[str, tuple[str, float]] = {}
    for some in in_parts([one for one in job_ids if can_be_name(one)]):
        wanted = select(_JOBS.job_id, _JOBS.state, _JOBS.updated_at_s)
        for row in await connection.execute(wanted.where(_JOBS.job_id.in_(some))):
            states[row.job_id] = row.state, row.updated_at_s
    return states


async def delete_old(
    connection: AsyncConnection, *, finished_s: float, dead_s: float, limit: int
) -> tuple[str, ...]:
    now = await now_s(connection)
    rows = await _old(connection, _JOBS.finished_at_s, now - finished_s, limit)
    rows |= await _old(connection, _JOBS.dead_since_s, now - dead_s, limit - len(rows))
    for some in in_parts(list(rows)):
        await connection.execute(delete(tables.jobs).where(_JOBS.number.in_(some)))
    return tuple(rows.values())


async def _old(
    connection: AsyncConnection, column: ColumnElement[Any], until_s: float, limit: int
) -> dict[int, str]:
    """Ids by number, the oldest first, locked."""
    if limit <= 0:
        return {}
    wanted = select(_JOBS.number, _JOBS.job_id).where(column <= until_s)
    # Those that another one is deleting or replaying are left to it.
    wanted = wanted.order_by(column).limit(limit).with_for_update(skip_locked=True)
    return {row.number: row.job_id for row in await connection.execute(wanted)}


async def read_figures(connection: AsyncConnection) -> JobFigures:
    now = await now_s(connection)
    is_due = _JOBS.queued_due_at_s <= now
    waiting = await connection.execute(
        select(
            _JOBS.priority,
            func.count().label("jobs"),
            func.min(case((is_due, _JOBS.created_at_s))).label("oldest_s"),
        )
        .where(_JOBS.queued_due_at_s.is_not(None))
        .group_by(_JOBS.priority)
    )
    queued = {Priority(row.priority): (row.jobs, row.oldest_s) for row in waiting}
    dead = await connection.execute(
        select(_JOBS.dead, func.count().label("jobs"))
        .where(_JOBS.dead.is_not(None))
        .group_by(_JOBS.dead)
    )
    buried = {DeadReason(row.dead): row.jobs for row in dead}
    numbers = {one: queued.get(one, (0, None))[0] for one in Priority}
    oldest = {one: queued.get(one, (0, None))[1] for one in Priority}
    return JobFigures(
        waiting=numbers,
        oldest_age_s={one: max(0.0, now - (oldest[one] or now)) for one in Priority},
        states={
            DetectionStatus.QUEUED: sum(numbers.values()),
            DetectionStatus.PROCESSING: await _count_set(connection, _JOBS.claim_expires_at_s),
        },
        dead={one: buried.get(one, 0) for one in DeadReason},
        undelivered=await _count_set(connection, _JOBS.is_undelivered),
        sending=await _count_set(connection, _JOBS.handover_due_at_s),
    )


async def _count_set(connection: AsyncConnection, column: ColumnElement[Any]) -> int:
    """In how many jobs it is not empty: no more than its index has."""
    counted = select(func.count()).select_from(tables.jobs).where(column.is_not(None))
    return int((await connection.execute(counted)).scalar_one())


def in_parts(values: Sequence[Any]) -> Iterator[Sequence[Any]]:
    """As many at once as any database takes in one statement."""
    for at in range(0, len(values), _AT_ONCE):
        yield values[at : at + _AT_ONCE]
