"""The state store in a database: SQLite for one machine, Postgres for several.

What is promised is said by the ports; here each operation is one transaction. The rows are the
business of ``state_rows``, ``lease_rows`` and ``evidence_rows``.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from pathlib import Path

from control_plane.adapters.stores import evidence_rows, lease_rows, state_rows, traffic_rows
from control_plane.adapters.stores.bounds import DEFAULT_BOUNDS, Bounds
from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.location import locate
from control_plane.adapters.stores.schema import migrate
from control_plane.core.drift import Reference
from control_plane.core.rollout import Assessment, Rollout
from control_plane.core.state import AuditRecord, Change, KeyedUnit, Lease, PlaneReport, State
from control_plane.core.traffic import ToldSlot
from control_plane.ports import OwnSlot, RolloutCounts, StaleRevision

DEFAULT_TIMEOUT_S = 5.0
DEFAULT_POOL_SIZE = 10


@asynccontextmanager
async def open_store(
    location: str | Path,
    *,
    timeout_s: float = DEFAULT_TIMEOUT_S,
    pool_size: int = DEFAULT_POOL_SIZE,
    bounds: Bounds = DEFAULT_BOUNDS,
) -> AsyncIterator[SqlStore]:
    """A store with its tables as they should be, until the context ends.

    location: SQLite's file, made when needed, or a URL: ``sqlite:///path`` or
        ``postgresql://user:password@host/database``, which has to be there.
    timeout_s: how long one operation may take, waiting included.

    Raises ConfigurationError for a place that can be no store and for a database that a newer
    Tidegate made; StoreUnavailable when it does not answer.
    """
    database = Database(locate(location), timeout_s=timeout_s, pool_size=pool_size)
    try:
        await database.prepare()
        await migrate(database)
        yield SqlStore(database, bounds)
    finally:
        await database.dispose()


class SqlStore:
    """StateStore, AuditLog, Leases, Planes, CountStore, EvidenceLog, TrafficShare and References.

    Raises StoreUnavailable.

    After StoreUnavailable a write may have been done all the same, if its answer was lost; the
    revision says so. ValueError is for what cannot be stored: numbers that are not finite.
    """

    def __init__(self, database: Database, bounds: Bounds = DEFAULT_BOUNDS) -> None:
        self._database = database
        self._bounds = bounds

    def __repr__(self) -> str:
        return f"<SqlStore on {self._database!r}>"

    @property
    def database(self) -> Database:
        """Open as long as the store is. Jobs and the queue have their tables in it, too."""
        return self._database

    async def revision(self) -> int:
        async with self._database.reading() as connection:
            return await state_rows.read_revision(connection)

    async def read(self) -> State:
        async with self._database.reading() as connection:
            return await state_rows.read_state(connection)

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> State:
        async with self._database.writing() as connection:
            # Always in this order, so that no two writers wait for each other.
            revision = await state_rows.lock_revision(connection)
            if epoch is not None:
                await lease_rows.check_epoch(connection, epoch)
            if revision != expected:
                raise StaleRevision(f"the state is at revision {revision}, not at {expected}")
            await state_rows.apply(connection, change, revision=revision)
            for engine in change.engines:
                await evidence_rows.forget_old(connection, engine, self._bounds)
            return await state_rows.read_state(connection)

    async def rollouts(self, *, engine: str | None = None, limit: int = 50) -> tuple[Rollout, ...]:
        async with self._database.reading() as connection:
            return await state_rows.read_rollouts(connection, engine=engine, limit=limit)

    async def entries(
        self,
        *,
        engine: str | None = None,
        rollout_id: str | None = None,
        before: int | None = None,
        limit: int = 100,
    ) -> tuple[AuditRecord, ...]:
        async with self._database.reading() as connection:
            return await state_rows.read_audit(
                connection, engine=engine, rollout_id=rollout_id, before=before, limit=limit
            )

    async def acquire(self, holder: str, *, ttl_s: float) -> Lease | None:
        async with self._database.writing() as connection:
            return await lease_rows.acquire(connection, holder, ttl_s=ttl_s)

    async def release(self, lease: Lease) -> None:
        async with self._database.writing() as connection:
            await lease_rows.give_back(connection, lease)

    async def report(self, report: PlaneReport, *, ttl_s: float) -> None:
        async with self._database.writing() as connection:
            await lease_rows.put_report(connection, report, ttl_s=ttl_s)

    async def reports(self) -> tuple[PlaneReport, ...]:
        async with self._database.reading() as connection:
            return await lease_rows.read_reports(connection)

    async def tell_slots(self, plane: str, slots: Sequence[OwnSlot], *, keep_s: float) -> None:
        async with self._database.writing() as connection:
            await traffic_rows.put_slots(connection, plane, slots, keep_s=keep_s)

    async def told_slots(self, plane: str, *, since_s: float) -> tuple[ToldSlot, ...]:
        async with self._database.reading() as connection:
            return await traffic_rows.read_slots(connection, plane, since_s=since_s)

    async def references(self) -> Mapping[str, Reference]:
        async with self._database.reading() as connection:
            return await traffic_rows.read_references(connection)

    async def freeze(self, engine: str, reference: Reference) -> None:
        async with self._database.writing() as connection:
            await traffic_rows.freeze(connection, engine, reference)

    async def put_counts(self, rollout_id: str, plane: str, counts: RolloutCounts) -> None:
        async with self._database.writing() as connection:
            await evidence_rows.put_counts(connection, rollout_id, plane, counts)

    async def counts(self, rollout_id: str) -> Mapping[str, RolloutCounts]:
        async with self._database.reading() as connection:
            return await evidence_rows.read_counts(connection, rollout_id)

    async def add_keyed(self, rollout_id: str, plane: str, units: Sequence[KeyedUnit]) -> None:
        async with self._database.writing() as connection:
            await evidence_rows.add_keyed(connection, rollout_id, plane, units, self._bounds)

    async def keyed(
        self, rollout_id: str, *, after: int = 0, limit: int = 10_000
    ) -> tuple[tuple[int, KeyedUnit], ...]:
        async with self._database.reading() as connection:
            return await evidence_rows.read_keyed(connection, rollout_id, after=after, limit=limit)

    async def add_assessment(self, rollout_id: str, assessment: Assessment) -> None:
        async with self._database.writing() as connection:
            await evidence_rows.add_assessment(connection, rollout_id, assessment, self._bounds)

    async def assessments(self, rollout_id: str, *, limit: int = 2000) -> tuple[Assessment, ...]:
        async with self._database.reading() as connection:
            return await evidence_rows.read_assessments(connection, rollout_id, limit=limit)
