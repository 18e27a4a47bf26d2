"""Jobs in this process: gone with it. For tests and simulations.

It keeps the promises of the ports to the letter, proved by the same tests as the database. What
it is handed is kept as its documents, so it refuses what a database would refuse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from control_plane.adapters.stores.job_columns import (
    DUE_COLUMNS,
    answer_text,
    columns_of,
    digest,
    engines_of,
    job_of,
    raw_text,
)
from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason, Job, JobFigures, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Due


class MemoryJobs:
    """JobStore and JobUpkeep. now_s: seconds since the epoch, on any clock that goes forward."""

    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self._number = 0
        self._rows: dict[str, dict[str, Any]] = {}
        self._by_key: dict[str, str] = {}

    def __repr__(self) -> str:
        return f"<MemoryJobs, {len(self._rows)} of them>"

    async def add(self, make: Callable[[float], Job]) -> tuple[Job, bool]:
        job = make(self._now_s())
        row = _row(job)
        known = job.job_id if job.job_id in self._rows else self._by_key.get(row["key_digest"])
        if known is not None:
            return job_of(self._rows[known]), False
        self._number += 1
        self._rows[job.job_id] = row | {"number": self._number}
        if row["key_digest"] is not None:
            self._by_key[row["key_digest"]] = job.job_id
        return job_of(row), True

    async def change(self, job_id: str, decide: Callable[[Job, float], Job]) -> Job:
        if job_id not in self._rows:
            raise ControlPlaneError(ErrorCode.NOT_FOUND, f"there is no job {job_id:.80}")
        job = decide(job_of(self._rows[job_id]), self._now_s())
        self._rows[job_id] |= _row(job)
        return job

    async def get(self, job_id: str) -> Job | None:
        row = self._rows.get(job_id)
        return None if row is None else job_of(row)

    async def find(self, wanted: JobFilter, *, limit: int = 50) -> tuple[Job, ...]:
        if wanted.before is not None and wanted.before not in self._rows:
            return ()
        rows = [row for row in self._rows.values() if self._is_wanted(row, wanted)]
        rows.sort(key=_age, reverse=True)
        return tuple(job_of({"document": row["document"]}) for row in rows[:limit])

    def _is_wanted(self, row: Mapping[str, Any], wanted: JobFilter) -> bool:
        after_s, before_s = wanted.created_after_s, wanted.created_before_s
        is_before = wanted.before is None or _age(row) < _age(self._rows[wanted.before])
        return (
            is_before
            and (wanted.states is None or row["state"] in wanted.states)
            and wanted.priority in (None, row["priority"])
            and wanted.dead in (None, row["dead"])
            and wanted.is_dead in (None, row["dead"] is not None)
            and wanted.is_undelivered in (None, row["is_undelivered"] is True)
            and (wanted.engine is None or digest(wanted.engine) in row["engines"])
            and wanted.code in (None, row["error_code"])
            and (
                wanted.correlation_id is None
                or digest(wanted.correlation_id) == row["correlation_digest"]
            )
            and (after_s is None or row["created_at_s"] > after_s)
            and (before_s is None or row["created_at_s"] < before_s)
        )

    async def due(self, what: Due, *, since_s: float, limit: int) -> tuple[str, ...]:
        return self._longest(DUE_COLUMNS[what], since_s, limit)

    def _longest(self, column: str, since_s: float, limit: int) -> tuple[str, ...]:
        until_s = self._now_s() - since_s
        found = [
            (row[column], row["number"], job_id)
            for job_id, row in self._rows.items()
            if row[column] is not None and row[column] <= until_s
        ]
        return tuple(job_id for _, _, job_id in sorted(found)[:limit])

    async def states_of(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, float]]:
        found = {job_id: self._rows[job_id] for job_id in job_ids if job_id in self._rows}
        return {job_id: (row["state"], row["updated_at_s"]) for job_id, row in found.items()}

    async def forget(self, *, finished_s: float, dead_s: float, limit: int) -> tuple[str, ...]:
        gone = self._longest("finished_at_s", finished_s, limit)
        gone += self._longest("dead_since_s", dead_s, limit - len(gone))
        for job_id in gone:
            row = self._rows.pop(job_id)
            self._by_key.pop(row["key_digest"], None)
        return gone

    async def figures(self) -> JobFigures:
        now_s = self._now_s()
        rows = self._rows.values()
        queued = [row for row in rows if row["queued_due_at_s"] is not None]
        waiting = Counter(row["priority"] for row in queued)
        dead = Counter(row["dead"] for row in rows if row["dead"] is not None)
        working = sum(row["claim_expires_at_s"] is not None for row in rows)
        ages_s = dict.fromkeys(Priority, 0.0)
        for row in queued:
            if row["queued_due_at_s"] <= now_s:
                priority = Priority(row["priority"])
                ages_s[priority] = max(ages_s[priority], now_s - row["created_at_s"])
        return JobFigures(
            waiting={one: waiting[one] for one in Priority},
            oldest_age_s=ages_s,
            states={
                DetectionStatus.QUEUED: len(queued),
                DetectionStatus.PROCESSING: working,
            },
            dead={one: dead[one] for one in DeadReason},
            undelivered=sum(row["is_undelivered"] is True for row in rows),
            sending=sum(row["handover_due_at_s"] is not None for row in rows),
        )


def _row(job: Job) -> dict[str, Any]:
    return columns_of(job) | {
        "engines": engines_of(job),
        "answer": answer_text(job.answer),
        "raw": raw_text(job.raw),
    }


def _age(row: Mapping[str, Any]) -> tuple[float, int]:
    return row["created_at_s"], row["number"]
