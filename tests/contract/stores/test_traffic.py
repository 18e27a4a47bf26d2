"""What planes tell each other of their traffic, and the confidences of reference."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.drift import Reference
from control_plane.core.traffic import Counted, SlotCounts
from control_plane.ports import OwnSlot
from tests.contract.stores.conftest import Stage, Store

KEEP_S = 1000.0
COUNTS = SlotCounts(
    {
        "damage": {
            "1.0.0": Counted(3, 1, 0, 1, 0.5, {17: 2, 30: 1}, {4: 1}),
            "": Counted(requests=1),
        }
    }
)


def slot(number: int, requests: int = 1, began_ago_s: float = 4.0) -> OwnSlot:
    return OwnSlot(number, began_ago_s, SlotCounts({"damage": {"1.0.0": Counted(requests)}}))


async def test_what_a_plane_tells_the_others_hear_as_it_was(store: Store) -> None:
    await store.tell_slots("a", [OwnSlot(7, 12.5, COUNTS)], keep_s=KEEP_S)

    (told,) = await store.told_slots("b", since_s=60.0)

    assert (told.plane, told.number, told.counts) == ("a", 7, COUNTS)
    assert told.began_ago_s == pytest.approx(12.5, abs=5.0)
    assert 0.0 <= told.told_ago_s < 5.0
    assert await store.told_slots("a", since_s=60.0) == ()


async def test_what_is_told_anew_of_a_slot_replaces_what_was_told(store: Store) -> None:
    await store.tell_slots("a", [slot(7, 1), slot(8, 1)], keep_s=KEEP_S)
    await store.tell_slots("a", [slot(8, 5), slot(9, 1)], keep_s=KEEP_S)
    await store.tell_slots("b", [slot(8, 9)], keep_s=KEEP_S)
    await store.tell_slots("b", [], keep_s=KEEP_S)

    told = await store.told_slots("c", since_s=60.0)

    assert [
        (one.plane, one.number, one.counts.engines["damage"]["1.0.0"].requests) for one in told
    ] == [("a", 7, 1), ("a", 8, 5), ("a", 9, 1), ("b", 8, 9)]


async def test_only_what_was_told_lately_is_heard(stage: Stage) -> None:
    await stage.store.tell_slots("a", [slot(7)], keep_s=KEEP_S)

    async def is_silent() -> bool:
        return not await stage.store.told_slots("b", since_s=stage.ttl_s)

    await stage.once(is_silent)
    assert len(await stage.store.told_slots("b", since_s=60.0)) == 1


async def test_whoever_tells_takes_away_what_is_too_old(store: Store) -> None:
    await store.tell_slots("gone", [slot(1, began_ago_s=900.0), slot(2)], keep_s=KEEP_S)

    await store.tell_slots("a", [slot(7)], keep_s=600.0)

    told = await store.told_slots("b", since_s=60.0)
    assert [(one.plane, one.number) for one in told] == [("a", 7), ("gone", 2)]


async def test_many_tell_at_once(stage: Stage) -> None:
    async with stage.again() as other:
        await asyncio.gather(
            *(
                (stage.store, other)[n % 2].tell_slots(f"p{n}", [slot(1)], keep_s=KEEP_S)
                for n in range(8)
            )
        )
    assert len(await stage.store.told_slots("p0", since_s=60.0)) == 7


async def test_the_first_reference_of_a_release_stays(stage: Stage) -> None:
    first, second = Reference("1.0.0", (1, 2, 3)), Reference("1.0.0", (9, 9, 9))
    assert await stage.store.references() == {}
    await stage.store.freeze("damage", first)
    await stage.store.freeze("volume", second)
    async with stage.again() as other:
        await other.freeze("damage", second)
        assert await other.references() == {"damage": first, "volume": second}
        await other.freeze("damage", Reference("1.1.0", (4, 5, 6)))
        await other.freeze("damage", first)
    assert (await stage.store.references())["damage"] == first
