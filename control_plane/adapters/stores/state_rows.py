"""The state in its tables: read as one value, changed by one write.

All functions work within the transaction of the connection that they are handed.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sqlalchemy import ColumnElement, Insert, Table, delete, insert, select, update
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import now_s
from control_plane.adapters.stores.documents import from_json, to_json
from control_plane.core.rollout import Rollout
from control_plane.core.routing import RoutingTable, Trial
from control_plane.core.state import (
    AuditEntry,
    AuditRecord,
    Change,
    EngineState,
    Hold,
    State,
)

INSERTS: Mapping[str, Any] = {"sqlite": sqlite.insert, "postgresql": postgresql.insert}


async def read_revision(connection: AsyncConnection) -> int:
    return int((await connection.execute(select(tables.state.c.revision))).scalar_one())


async def lock_revision(connection: AsyncConnection) -> int:
    """The revision, which nobody else can change before this transaction is over."""
    row = select(tables.state.c.revision).with_for_update()
    return int((await connection.execute(row)).scalar_one())


async def read_state(connection: AsyncConnection) -> State:
    state = tables.state
    found = (await connection.execute(select(state.c.revision, state.c.routing_table))).one()
    engines = await connection.execute(
        select(
            tables.engines.c.engine,
            tables.engines.c.stable,
            tables.engines.c.trial,
            tables.rollouts.c.document,
        )
        .select_from(tables.engines.outerjoin(tables.rollouts))
        .order_by(tables.engines.c.engine)
    )
    holds = await connection.execute(select(tables.holds).order_by(tables.holds.c.instance))
    return State(
        revision=found.revision,
        engines={
            row.engine: EngineState(
                row.stable,
                None if row.document is None else from_json(Rollout, row.document),
                None if row.trial is None else from_json(Trial, row.trial),
            )
            for row in engines
        },
        table=from_json(RoutingTable, found.routing_table),
        holds={row.instance: from_json(Hold, row.document) for row in holds},
    )


def can_be_name(text: str) -> bool:
    """Whether a column takes it: not every text is UTF-8, and Postgres stores no NUL."""
    return not any(character == "\0" or "\ud800" <= character <= "\udfff" for character in text)


async def apply(connection: AsyncConnection, change: Change, *, revision: int) -> None:
    """The change, the next revision and the audit.

    revision: the one before, as it was locked. Raises ValueError for what cannot be stored.
    """
    for name in _names(change):
        if not can_be_name(name):
            raise ValueError(f"{name!r:.80} cannot be a name")
    for engine, wanted in change.engines.items():
        await _put_engine(connection, engine, wanted)
    for instance, hold in change.holds.items():
        if hold is None:
            held = tables.holds.c.instance == instance
            await connection.execute(delete(tables.holds).where(held))
        else:
            await put(connection, tables.holds, instance=instance, document=to_json(hold))
    values: dict[str, Any] = {"revision": revision + 1}
    if change.table is not None:
        values["routing_table"] = to_json(change.table)
    await connection.execute(update(tables.state).values(values))
    if change.audit:
        at_s = await now_s(connection)
        rows = [_audit_row(entry, at_s) for entry in change.audit]
        await connection.execute(insert(tables.audit), rows)


def _names(change: Change) -> Iterator[str]:
    """What goes into columns of its own, and not into a document."""
    for engine, state in change.engines.items():
        yield from (engine, state.stable)
        if state.rollout is not None:
            yield from (state.rollout.rollout_id, state.rollout.engine)
    yield from change.holds
    for entry in change.audit:
        yield from (entry.engine, entry.rollout_id)


async def _put_engine(connection: AsyncConnection, engine: str, wanted: EngineState) -> None:
    rollout = wanted.rollout
    if rollout is not None:
        known = tables.rollouts.c.rollout_id == rollout.rollout_id
        document = to_json(rollout)
        changed = await connection.execute(
            update(tables.rollouts).where(known).values(document=document)
        )
        # Not "insert or update": that would take a number for each update, and leave gaps.
        if not changed.rowcount:
            await connection.execute(
                insert(tables.rollouts).values(
                    rollout_id=rollout.rollout_id, engine=rollout.engine, document=document
                )
            )
    await put(
        connection,
        tables.engines,
        engine=engine,
        stable=wanted.stable,
        rollout_id=None if rollout is None else rollout.rollout_id,
        trial=None if wanted.trial is None else to_json(wanted.trial),
    )


def _audit_row(entry: AuditEntry, at_s: float) -> dict[str, Any]:
    return {
        "at_s": at_s,
        "engine": entry.engine,
        "rollout_id": entry.rollout_id,
        "document": to_json(entry),
    }


async def put(connection: AsyncConnection, table: Table, **values: object) -> None:
    """Inserts a row, or replaces what the row of this primary key says."""
    await connection.execute(upsert(connection, table, values, values))


def upsert(
    connection: AsyncConnection,
    table: Table,
    values: Mapping[str, object],
    otherwise: Mapping[str, object],
) -> Insert:
    """otherwise: what to set where a row of this primary key is there."""
    keys = [column.name for column in table.primary_key]
    changed = {name: value for name, value in otherwise.items() if name not in keys}
    statement = INSERTS[connection.dialect.name](table).values(values)
    inserted: Insert = statement.on_conflict_do_update(index_elements=keys, set_=changed)
    return inserted


async def read_rollouts(
    connection: AsyncConnection, *, engine: str | None, limit: int
) -> tuple[Rollout, ...]:
    rows = select(tables.rollouts.c.document)
    if engine is not None:
        if not can_be_name(engine):
            return ()
        rows = rows.where(tables.rollouts.c.engine == engine)
    rows = rows.order_by(tables.rollouts.c.number.desc()).limit(limit)
    return tuple(from_json(Rollout, text) for text in await connection.scalars(rows))


async def read_audit(
    connection: AsyncConnection,
    *,
    engine: str | None,
    rollout_id: str | None,
    before: int | None,
    limit: int,
) -> tuple[AuditRecord, ...]:
    if not can_be_name(f"{engine}{rollout_id}"):
        return ()
    audit = tables.audit.c
    conditions: list[ColumnElement[bool]] = []
    if engine is not None:
        conditions.append(audit.engine == engine)
    if rollout_id is not None:
        conditions.append(audit.rollout_id == rollout_id)
    if before is not None:
        conditions.append(audit.number < before)
    rows = select(audit.number, audit.at_s, audit.document).where(*conditions)
    rows = rows.order_by(audit.number.desc()).limit(limit)
    return tuple(
        AuditRecord(row.number, row.at_s, from_json(AuditEntry, row.document))
        for row in await connection.execute(rows)
    )
