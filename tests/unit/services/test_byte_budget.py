"""Room is taken in turn, waited for, and given back."""

from __future__ import annotations

import asyncio

from control_plane.services.byte_budget import ByteBudget


async def settle() -> None:
    for _ in range(10):
        await asyncio.sleep(0)


async def test_who_finds_no_room_waits_in_turn() -> None:
    room = ByteBudget(10)
    await room.take(6)
    large = asyncio.create_task(room.take(8))
    small = asyncio.create_task(room.take(2))
    await settle()
    assert not large.done()
    assert not small.done()  # it would fit, but the large one came first
    assert repr(room) == "<ByteBudget 6 of 10>"
    room.give_back(6)
    await settle()
    assert large.done()
    assert small.done()
    assert repr(room) == "<ByteBudget 10 of 10>"


async def test_what_is_larger_than_the_budget_passes_when_nothing_is_held() -> None:
    room = ByteBudget(10)
    await room.take(100)
    later = asyncio.create_task(room.take(1))
    await settle()
    assert not later.done()
    room.give_back(100)
    await later
    assert repr(room) == "<ByteBudget 1 of 10>"


async def test_one_who_gives_up_leaves_the_turn_to_the_next() -> None:
    room = ByteBudget(10)
    await room.take(10)
    first = asyncio.create_task(room.take(10))
    second = asyncio.create_task(room.take(5))
    await settle()
    first.cancel()
    room.give_back(10)
    await second
    assert repr(room) == "<ByteBudget 5 of 10>"
