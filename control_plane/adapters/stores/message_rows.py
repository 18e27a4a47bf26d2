"""The messages of the queue in their table. Time is the database's.

All functions work within the transaction of the connection that they are handed. A message in
somebody's hands has its holder, and is available to others only once its lease has run out.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from sqlalchemy import bindparam, case, delete, func, insert, or_, select, update
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import tables
from control_plane.adapters.stores.database import now_s
from control_plane.adapters.stores.job_rows import in_parts
from control_plane.core.detections import Priority
from control_plane.ports import Message

_MESSAGES = tables.queue_messages.c


@dataclass(frozen=True, slots=True)
class Taken:
    """A message as it was handed out. deliveries: this time included; in_vain: those of them since
    somebody settled it last."""

    number: int
    priority: Priority
    message_id: str
    body: bytes
    deliveries: int
    in_vain: int


async def insert_messages(connection: AsyncConnection, messages: Sequence[Message]) -> None:
    now = await now_s(connection)
    rows = [
        {
            "priority": message.priority.value,
            "available_at_s": now,
            "deliveries": 0,
            "in_vain": 0,
            "message_id": message.message_id,
            "body": message.body,
        }
        for message in messages
    ]
    await connection.execute(insert(tables.queue_messages), rows)


async def has_some(connection: AsyncConnection, among: Sequence[Priority]) -> bool:
    """Whether there is something to take, for who would rather not lock for nothing."""
    now = await now_s(connection)
    available = select(_MESSAGES.number).where(
        _MESSAGES.priority.in_([priority.value for priority in among]),
        _MESSAGES.available_at_s <= now,
    )
    return (await connection.execute(available.limit(1))).first() is not None


async def take_messages(
    connection: AsyncConnection,
    wanted: Mapping[Priority, int],
    *,
    among: Sequence[Priority],
    holder: str,
    lease_s: float,
) -> list[Taken]:
    """The wanted number of each, and others in the place of what is missing. among: all that may
    be taken, the most urgent first."""
    now = await now_s(connection)
    found: dict[Priority, list[Taken]] = {}
    for priority in among:
        found[priority] = await _lock(connection, priority, wanted.get(priority, 0), now=now)
    for priority in among:
        left = sum(wanted.values()) - sum(map(len, found.values()))
        # One that had less than was wanted of it has no more.
        if left > 0 and len(found[priority]) >= wanted.get(priority, 0):
            found[priority] += await _lock(
                connection, priority, left, now=now, but=[one.number for one in found[priority]]
            )
    taken = [one for several in found.values() for one in several]
    for some in in_parts([one.number for one in taken]):
        await connection.execute(
            update(tables.queue_messages)
            .where(_MESSAGES.number.in_(some))
            .values(
                available_at_s=now + lease_s,
                holder=holder,
                deliveries=_MESSAGES.deliveries + 1,
                in_vain=_MESSAGES.in_vain + 1,
            )
        )
    return taken


async def _lock(
    connection: AsyncConnection,
    priority: Priority,
    limit: int,
    *,
    now: float,
    but: Sequence[int] = (),
) -> list[Taken]:
    """What has waited longest, those left out that another one is taking at this moment."""
    if limit <= 0:
        return []
    rows = (
        select(
            _MESSAGES.number,
            _MESSAGES.message_id,
            _MESSAGES.body,
            _MESSAGES.deliveries,
            _MESSAGES.in_vain,
        )
        .where(_MESSAGES.priority == priority.value, _MESSAGES.available_at_s <= now)
        .order_by(_MESSAGES.available_at_s, _MESSAGES.number)
        .limit(limit)
        .with_for_update(skip_locked=True)
    )
    if but:
        rows = rows.where(_MESSAGES.number.not_in(but))
    return [
        Taken(
            row.number,
            priority,
            row.message_id,
            bytes(row.body),
            row.deliveries + 1,
            row.in_vain + 1,
        )
        for row in await connection.execute(rows)
    ]


async def delete_messages(
    connection: AsyncConnection, numbers: Sequence[int], *, holder: str
) -> None:
    for some in in_parts(numbers):
        await connection.execute(
            delete(tables.queue_messages).where(
                _MESSAGES.number.in_(some), _MESSAGES.holder == holder
            )
        )


async def put_off(
    connection: AsyncConnection, waits_s: Mapping[int, float], *, holder: str, max_in_vain: int
) -> None:
    """Out of these hands, to be taken again after a time of each one's own, by number.

    Whoever does this is alive, so what counts those that died with it begins anew; but not of one
    that was given up.
    """
    now = await now_s(connection)
    await connection.execute(
        update(tables.queue_messages)
        .where(_MESSAGES.number == bindparam("of_number"), _MESSAGES.holder == holder)
        .values(
            available_at_s=bindparam("from_s"),
            holder=None,
            in_vain=case((_MESSAGES.in_vain <= max_in_vain, 0), else_=_MESSAGES.in_vain),
        ),
        [
            {"of_number": number, "from_s": now + wait_s}
            for number, wait_s in sorted(waits_s.items())
        ],
    )


async def give_back(
    connection: AsyncConnection, numbers: Sequence[int], *, holder: str, as_if_untaken: bool
) -> None:
    """At once to be taken by others. as_if_untaken: nobody has seen them."""
    now = await now_s(connection)
    for some in in_parts(numbers):
        await connection.execute(
            update(tables.queue_messages)
            .where(_MESSAGES.number.in_(some), _MESSAGES.holder == holder)
            .values(
                available_at_s=now,
                holder=None,
                deliveries=_MESSAGES.deliveries - int(as_if_untaken),
                # Given back by the living.
                in_vain=_MESSAGES.in_vain - 1,
            )
        )


async def renew(
    connection: AsyncConnection, numbers: Sequence[int], *, holder: str, lease_s: float
) -> set[int]:
    """Those that are still in these hands, now for another lease."""
    now = await now_s(connection)
    held: set[int] = set()
    for some in in_parts(numbers):
        renewed = await connection.scalars(
            update(tables.queue_messages)
            .where(_MESSAGES.number.in_(some), _MESSAGES.holder == holder)
            .values(available_at_s=now + lease_s)
            .returning(_MESSAGES.number)
        )
        held.update(renewed)
    return held


async def count_waiting(connection: AsyncConnection) -> dict[Priority, int]:
    """All but those in somebody's hands."""
    now = await now_s(connection)
    rows = await connection.execute(
        select(_MESSAGES.priority, func.count().label("messages"))
        .where(or_(_MESSAGES.holder.is_(None), _MESSAGES.available_at_s <= now))
        .group_by(_MESSAGES.priority)
    )
    found = {row.priority: row.messages for row in rows}
    return {priority: found.get(priority.value, 0) for priority in Priority}
