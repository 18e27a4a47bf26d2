"""What was counted and judged of rollouts, in its tables, within its bounds."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, func, insert, select
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.bounds import Bounds
from control_plane.adapters.stores.documents import from_json, to_fields, to_json
from control_plane.adapters.stores.state_rows import put, upsert
from control_plane.core.rollout import Assessment
from control_plane.core.state import KeyedUnit
from control_plane.ports import RolloutCounts

_SIGN = 1 << 63


async def put_counts(
    connection: AsyncConnection, rollout_id: str, plane: str, counts: RolloutCounts
) -> None:
    document = to_json(counts)
    await put(connection, tables.counts, rollout_id=rollout_id, plane=plane, document=document)


async def read_counts(connection: AsyncConnection, rollout_id: str) -> Mapping[str, RolloutCounts]:
    counts = tables.counts.c
    rows = select(counts.plane, counts.document).where(counts.rollout_id == rollout_id)
    rows = rows.order_by(counts.plane)
    found = await connection.execute(rows)
    return {row.plane: from_json(RolloutCounts, row.document) for row in found}


async def add_keyed(
    connection: AsyncConnection,
    rollout_id: str,
    plane: str,
    units: Sequence[KeyedUnit],
    bounds: Bounds,
) -> None:
    rows = [
        {**to_fields(unit), "digest": unit.digest - _SIGN, "rollout_id": rollout_id, "plane": plane}
        for unit in units
    ]
    before = await _reserve(connection, rollout_id, "keyed_units", len(rows)) - len(rows)
    room = max(0, bounds.keyed_units - before)
    numbered = [{**row, "number": n} for n, row in enumerate(rows[:room], before + 1)]
    if numbered:
        await connection.execute(insert(tables.keyed_units), numbered)


async def read_keyed(
    connection: AsyncConnection, rollout_id: str, *, after: int, limit: int
) -> tuple[tuple[int, KeyedUnit], ...]:
    units = tables.keyed_units.c
    rows = select(tables.keyed_units).where(units.rollout_id == rollout_id, units.number > after)
    return tuple(
        (
            row.number,
            KeyedUnit(
                digest=row.digest + _SIGN,
                step=row.step,
                weight_bp=row.weight_bp,
                confidence_centre=row.confidence_centre,
                is_canary=row.is_canary,
                is_error=row.is_error,
                is_slow=row.is_slow,
                confidence_bucket=row.confidence_bucket,
            ),
        )
        for row in await connection.execute(rows.order_by(units.number).limit(limit))
    )


async def add_assessment(
    connection: AsyncConnection, rollout_id: str, assessment: Assessment, bounds: Bounds
) -> None:
    rows, document = tables.assessments, to_json(assessment)
    number = await _reserve(connection, rollout_id, "assessments", 1)
    mine = rows.c.rollout_id == rollout_id
    kept = (await connection.execute(select(func.count()).where(mine))).scalar_one()
    if kept >= bounds.assessments:
        rank = func.row_number().over(order_by=rows.c.number).label("rank")
        ranked = select(rows.c.number, rank).where(mine).subquery()
        is_old = ranked.c.rank <= kept - bounds.newest
        every_second = select(ranked.c.number).where(is_old, ranked.c.rank % 2 == 0)
        await connection.execute(delete(rows).where(mine, rows.c.number.in_(every_second)))
    values = {"rollout_id": rollout_id, "number": number, "document": document}
    await connection.execute(insert(rows).values(values))


async def read_assessments(
    connection: AsyncConnection, rollout_id: str, *, limit: int
) -> tuple[Assessment, ...]:
    rows = tables.assessments.c
    latest = select(rows.document).where(rows.rollout_id == rollout_id)
    latest = latest.order_by(rows.number.desc()).limit(limit)
    texts = list(await connection.scalars(latest))
    return tuple(from_json(Assessment, text) for text in reversed(texts))


async def forget_old(connection: AsyncConnection, engine: str, bounds: Bounds) -> None:
    """Removes what was counted and judged of all but the engine's latest rollouts."""
    rollouts = tables.rollouts.c
    latest = select(rollouts.rollout_id).where(rollouts.engine == engine)
    old = latest.order_by(rollouts.number.desc()).offset(bounds.rollouts)
    for rows in (tables.counts, tables.keyed_units, tables.assessments, tables.tallies):
        await connection.execute(delete(rows).where(rows.c.rollout_id.in_(old)))


async def _reserve(connection: AsyncConnection, rollout_id: str, what: str, wanted: int) -> int:
    """The number of the last of so many new rows, which are seen in the order of their numbers.

    The row of the rollout is locked from here on until the transaction is over.
    """
    column = tables.tallies.c[what]
    first = {"rollout_id": rollout_id, "keyed_units": 0, "assessments": 0, what: wanted}
    statement = upsert(connection, tables.tallies, first, {what: column + wanted})
    return int((await connection.execute(statement.returning(column))).scalar_one())
