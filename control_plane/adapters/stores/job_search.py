"""Pages of jobs, the latest first: quick also among a million that are over.

One condition leads, the one that leaves the fewest jobs as a rule, and its index gives them in
their order; the others are looked at row by row. They are written so that no database takes one
of them for the leader: SQLite, which knows nothing of what a column holds, would.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, Select, func, select, tuple_
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.job_columns import digest, job_of
from control_plane.core.jobs import DeadReason, Job, JobFilter

_JOBS, _ENGINES = tables.jobs.c, tables.job_engines.c


@dataclass(frozen=True, slots=True)
class _Condition:
    """One of a filter. column: None where it is no column of a job: the engine.

    values: a job has one of them.
    """

    column: ColumnElement[Any] | None
    values: tuple[Any, ...]


async def find_jobs(
    connection: AsyncConnection, wanted: JobFilter, *, limit: int
) -> tuple[Job, ...]:
    before = None
    if wanted.before is not None:
        before = await _age_of(connection, wanted.before)
        if before is None:
            return ()
    conditions = list(_conditions(wanted))
    leader, others = (conditions[0], conditions[1:]) if conditions else (None, [])
    pages = []
    # One query for each value: the index gives each in its order, but not all of them.
    for value in leader.values if leader is not None else (None,):
        rows = _led_by(leader, value).where(*map(_is_met, others), *_more(wanted))
        page = _page(rows, leader, wanted, before).limit(limit)
        pages.append((await connection.execute(page)).all())
    merged = heapq.merge(*pages, key=lambda row: (row.created_at_s, row.number), reverse=True)
    rows_found = [row for row, _ in zip(merged, range(limit), strict=False)]
    return tuple(job_of({"document": row.document}) for row in rows_found)


async def _age_of(connection: AsyncConnection, job_id: str) -> tuple[float, int] | None:
    found = select(_JOBS.created_at_s, _JOBS.number).where(_JOBS.job_id == job_id)
    row = (await connection.execute(found)).one_or_none()
    return None if row is None else (row.created_at_s, row.number)


def _conditions(wanted: JobFilter) -> Iterator[_Condition]:
    """Those that have an index, the one that leaves the fewest first."""
    if wanted.correlation_id is not None:
        yield _Condition(_JOBS.correlation_digest, (digest(wanted.correlation_id),))
    if wanted.is_undelivered:
        yield _Condition(_JOBS.is_undelivered, (True,))
    if wanted.dead is not None:
        yield _Condition(_JOBS.dead, (wanted.dead.value,))
    elif wanted.is_dead:
        yield _Condition(_JOBS.dead, tuple(reason.value for reason in DeadReason))
    if wanted.code is not None:
        yield _Condition(_JOBS.error_code, (wanted.code.value,))
    if wanted.engine is not None:
        yield _Condition(None, (digest(wanted.engine),))
    if wanted.states is not None:
        yield _Condition(_JOBS.state, tuple(sorted(state.value for state in wanted.states)))
    if wanted.priority is not None:
        yield _Condition(_JOBS.priority, (wanted.priority.value,))


def _led_by(leader: _Condition | None, value: Any) -> Select[Any]:
    rows = select(_JOBS.created_at_s, _JOBS.number, _JOBS.document)
    if leader is None:
        return rows
    if leader.column is None:
        joined = tables.job_engines.join(tables.jobs, _ENGINES.number == _JOBS.number)
        return rows.select_from(joined).where(_ENGINES.engine_digest == value)
    return rows.where(leader.column == value)


def _is_met(condition: _Condition) -> ColumnElement[bool]:
    """Such that no index helps."""
    if condition.column is None:
        asked = select(_ENGINES.number).where(
            _ENGINES.number == _JOBS.number, _ENGINES.engine_digest.in_(condition.values)
        )
        return asked.exists()
    return func.coalesce(condition.column, condition.column).in_(condition.values)


def _more(wanted: JobFilter) -> Iterator[ColumnElement[bool]]:
    """What has no index, because nearly all jobs are so."""
    if wanted.is_undelivered is False:
        yield _JOBS.is_undelivered.is_(None)
    if wanted.is_dead is False:
        yield _JOBS.dead.is_(None)


def _page(
    rows: Select[Any],
    leader: _Condition | None,
    wanted: JobFilter,
    before: tuple[float, int] | None,
) -> Select[Any]:
    """In their order, within the times, by the columns of the leader's table."""
    of = _ENGINES if leader is not None and leader.column is None else _JOBS
    if wanted.created_after_s is not None:
        rows = rows.where(of.created_at_s > wanted.created_after_s)
    if wanted.created_before_s is not None:
        rows = rows.where(of.created_at_s < wanted.created_before_s)
    if before is not None:
        rows = rows.where(tuple_(of.created_at_s, of.number) < before)
    return rows.order_by(of.created_at_s.desc(), of.number.desc())
