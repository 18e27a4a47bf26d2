"""Jobs in a database, the one that has the state: SQLite for one machine, Postgres for several.

What is promised is said by the ports; here each operation is one transaction. The rows are the
business of ``job_rows`` and ``job_search``.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import TypeVar

from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import job_rows
from control_plane.adapters.stores.database import Database, now_s
from control_plane.adapters.stores.job_search import find_jobs
from control_plane.adapters.stores.state_rows import can_be_name
from control_plane.core.jobs import Job, JobFigures, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Due

T = TypeVar("T")

# Deleting more at once would hold up who writes, on SQLite.
MOST_FORGOTTEN_AT_ONCE = 500


class SqlJobs:
    """JobStore and JobUpkeep. Raises StoreUnavailable.

    After StoreUnavailable a write may have been done all the same, if its answer was lost.
    ValueError is for what cannot be stored: numbers that are not finite, odd ids.
    ``forget`` deletes at most MOST_FORGOTTEN_AT_ONCE in a call, whatever its limit.
    """

    def __init__(self, database: Database) -> None:
        self._database = database

    def __repr__(self) -> str:
        return f"<SqlJobs in {self._database!r}>"

    async def add(self, make: Callable[[float], Job]) -> tuple[Job, bool]:
        async def write(connection: AsyncConnection) -> tuple[Job, bool]:
            at_s = await now_s(connection)
            job = _decided(lambda: make(at_s))
            if not can_be_name(job.job_id):
                raise ValueError(f"{job.job_id!r:.80} cannot be an id")
            while not await job_rows.insert_job(connection, job):
                # One that was there a moment ago may be deleted by now.
                if (known := await job_rows.read_same(connection, job)) is not None:
                    return known, False
            return job, True

        return await self._write(write)

    async def change(self, job_id: str, decide: Callable[[Job, float], Job]) -> Job:
        async def write(connection: AsyncConnection) -> Job:
            found = await job_rows.lock_job(connection, job_id)
            if found is None:
                raise ControlPlaneError(ErrorCode.NOT_FOUND, f"there is no job {job_id:.80}")
            job, at_s = found
            changed = _decided(lambda: decide(job, at_s))
            if changed is not job:
                await job_rows.update_job(connection, changed, before=job)
            return changed

        return await self._write(write)

    async def _write(self, write: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """In a transaction in which somebody else's function runs, whose errors are their own."""
        try:
            async with self._database.writing(is_patient=True) as connection:
                return await write(connection)
        except _Refused as refusal:
            refused = refusal.error
        # Out here, so that it is raised as it is, with nothing put before it.
        raise refused

    async def get(self, job_id: str) -> Job | None:
        async with self._database.reading() as connection:
            return await job_rows.read_job(connection, job_id)

    async def find(self, wanted: JobFilter, *, limit: int = 50) -> tuple[Job, ...]:
        if wanted.before is not None and not can_be_name(wanted.before):
            return ()
        async with self._database.reading() as connection:
            return await find_jobs(connection, wanted, limit=limit)

    async def due(self, what: Due, *, since_s: float, limit: int) -> tuple[str, ...]:
        async with self._database.reading() as connection:
            return await job_rows.read_due(connection, what, since_s=since_s, limit=limit)

    async def states_of(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, float]]:
        async with self._database.reading() as connection:
            return await job_rows.read_states(connection, job_ids)

    async def forget(self, *, finished_s: float, dead_s: float, limit: int) -> tuple[str, ...]:
        async with self._database.writing(is_patient=True) as connection:
            return await job_rows.delete_old(
                connection,
                finished_s=finished_s,
                dead_s=dead_s,
                limit=min(limit, MOST_FORGOTTEN_AT_ONCE),
            )

    async def figures(self) -> JobFigures:
        async with self._database.reading() as connection:
            return await job_rows.read_figures(connection)


class _Refused(Exception):
    """Carries what a caller's function raised past who takes such errors for the database's."""

    def __init__(self, error: Exception) -> None:
        super().__init__()
        self.error = error


def _decided(decide: Callable[[], T]) -> T:
    try:
        return decide()
    except Exception as error:
        raise _Refused(error) from None
