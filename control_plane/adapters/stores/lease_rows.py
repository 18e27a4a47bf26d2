"""The lease and the planes in their tables. Time is the database's, read after the lock."""

from __future__ import annotations

from sqlalchemy import delete, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import now_s
from control_plane.adapters.stores.documents import from_json, to_json
from control_plane.adapters.stores.state_rows import put
from control_plane.core.state import Lease, PlaneReport
from control_plane.ports import Fenced


async def check_epoch(connection: AsyncConnection, epoch: int) -> None:
    """That the lease of this epoch is held, and stays so until the transaction is over.

    Raises Fenced.
    """
    # Shared: it may be read, but whoever wants to take it over waits.
    row = (await connection.execute(select(tables.lease).with_for_update(read=True))).one()
    if row.epoch != epoch:
        raise Fenced(f"the lease of epoch {epoch} was lost; the epoch is {row.epoch}")
    if not row.holder or row.expires_at_s <= await now_s(connection):
        raise Fenced(f"the lease of epoch {epoch} is held no more")


async def acquire(connection: AsyncConnection, holder: str, *, ttl_s: float) -> Lease | None:
    """An expired lease is never renewed but taken anew, under a new epoch, also by who had it."""
    row = (await connection.execute(select(tables.lease).with_for_update())).one()
    now = await now_s(connection)
    is_held = bool(row.holder) and row.expires_at_s > now
    if is_held and row.holder != holder:
        return None
    epoch = row.epoch if is_held else row.epoch + 1
    taken = {"holder": holder, "epoch": epoch, "expires_at_s": now + ttl_s}
    await connection.execute(update(tables.lease).values(taken))
    return Lease(holder, epoch, ttl_s)


async def give_back(connection: AsyncConnection, lease: Lease) -> None:
    held = tables.lease.c
    await connection.execute(
        update(tables.lease)
        .where(held.holder == lease.holder, held.epoch == lease.epoch)
        .values(holder="", expires_at_s=0.0)
    )


async def put_report(connection: AsyncConnection, report: PlaneReport, *, ttl_s: float) -> None:
    """Whoever reports takes away what has expired: planes get another name at each start."""
    planes, now = tables.planes, await now_s(connection)
    await put(
        connection,
        planes,
        plane=report.plane,
        expires_at_s=now + ttl_s,
        document=to_json(report),
    )
    # Those that another one is taking away are left to it, lest two wait for each other.
    expired = select(planes.c.plane).where(planes.c.expires_at_s <= now)
    expired = expired.with_for_update(skip_locked=True)
    await connection.execute(delete(planes).where(planes.c.plane.in_(expired)))


async def read_reports(connection: AsyncConnection) -> tuple[PlaneReport, ...]:
    planes, now = tables.planes.c, await now_s(connection)
    rows = select(planes.document).where(planes.expires_at_s > now).order_by(planes.plane)
    return tuple(from_json(PlaneReport, text) for text in await connection.scalars(rows))
