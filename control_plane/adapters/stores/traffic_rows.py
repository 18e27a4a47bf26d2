"""The planes' traffic and the confidences of reference in their tables. Time is the database's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from sqlalchemy import delete, select
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import now_s
from control_plane.adapters.stores.documents import from_json, to_json
from control_plane.adapters.stores.state_rows import INSERTS, put
from control_plane.core.drift import Reference
from control_plane.core.traffic import SlotCounts, ToldSlot
from control_plane.ports import OwnSlot


async def put_slots(
    connection: AsyncConnection, plane: str, slots: Sequence[OwnSlot], *, keep_s: float
) -> None:
    table, now = tables.traffic_slots, await now_s(connection)
    rows = [
        {
            "plane": plane,
            "number": slot.number,
            "began_at_s": now - slot.began_ago_s,
            "told_at_s": now,
            "document": to_json(slot.counts),
        }
        for slot in slots
    ]
    if rows:
        insert = INSERTS[connection.dialect.name](table)
        said = ("began_at_s", "told_at_s", "document")
        anew = {name: insert.excluded[name] for name in said}
        keys = ["plane", "number"]
        await connection.execute(insert.on_conflict_do_update(index_elements=keys, set_=anew), rows)
    # Each takes away its own and those of planes that are gone, never what another one writes:
    # what is so old is not written any more.
    await connection.execute(delete(table).where(table.c.began_at_s < now - keep_s))


async def read_slots(
    connection: AsyncConnection, plane: str, *, since_s: float
) -> tuple[ToldSlot, ...]:
    slots, now = tables.traffic_slots.c, await now_s(connection)
    rows = select(tables.traffic_slots).where(slots.plane != plane, slots.told_at_s > now - since_s)
    return tuple(
        ToldSlot(
            plane=row.plane,
            number=row.number,
            began_ago_s=now - row.began_at_s,
            told_ago_s=now - row.told_at_s,
            counts=from_json(SlotCounts, row.document),
        )
        for row in await connection.execute(rows.order_by(slots.plane, slots.number))
    )


async def read_references(connection: AsyncConnection) -> Mapping[str, Reference]:
    found = await connection.execute(select(tables.confidence_references))
    return {row.engine: from_json(Reference, row.document) for row in found}


async def freeze(connection: AsyncConnection, engine: str, reference: Reference) -> None:
    table = tables.confidence_references
    row = select(table.c.document).where(table.c.engine == engine).with_for_update()
    text = (await connection.execute(row)).scalar_one_or_none()
    if text is None or from_json(Reference, text).release != reference.release:
        await put(connection, table, engine=engine, document=to_json(reference))
