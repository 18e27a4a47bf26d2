"""The audit: written with what was done, read from the latest."""

from __future__ import annotations

import pytest

from control_plane.core.state import Change
from tests.contract.stores import samples
from tests.contract.stores.conftest import Store


async def fill(store: Store) -> None:
    first = (samples.entry("promote"), samples.entry("step"))
    await store.write(Change(audit=first), expected=0)
    await store.write(Change(audit=(samples.entry("drain", engine="", rollout_id=""),)), expected=1)
    await store.write(
        Change(audit=(samples.entry("roll_back", engine="volume", rollout_id="r2"),)), expected=2
    )


async def test_entries_come_back_as_they_were_the_latest_first(store: Store) -> None:
    await fill(store)

    records = await store.entries()

    assert [one.entry.action for one in records] == ["roll_back", "drain", "step", "promote"]
    assert records[-1].entry == samples.entry("promote")
    numbers = [one.number for one in records]
    assert numbers == sorted(set(numbers), reverse=True)
    times = [one.at_s for one in records]
    assert times == sorted(times, reverse=True)
    # Seconds since the epoch, or the virtual clock's.
    assert times[-1] > 999_999


async def test_entries_can_be_chosen_and_paged(store: Store) -> None:
    await fill(store)

    async def actions(**chosen: object) -> list[str]:
        found = await store.entries(**chosen)  # type: ignore[arg-type]
        return [one.entry.action for one in found]

    assert await actions(engine="damage") == ["step", "promote"]
    assert await actions(rollout_id="r2") == ["roll_back"]
    assert await actions(engine="damage", rollout_id="r2") == []
    assert await actions(engine="") == ["drain"]
    first, *_, last = await store.entries()
    assert await actions(before=first.number, limit=2) == ["drain", "step"]
    assert await actions(before=last.number) == []


@pytest.mark.parametrize("odd", ["no\0thing", "\ud800", "ä" * 5000, "' OR 1=1 --", "%"])
async def test_what_nobody_is_called_has_done_nothing(store: Store, odd: str) -> None:
    await fill(store)

    assert await store.entries(engine=odd) == ()
    assert await store.entries(rollout_id=odd) == ()
    assert await store.rollouts(engine=odd) == ()


async def test_nothing_but_writing_the_state_moves_the_revision(store: Store) -> None:
    state = await store.write(Change(audit=(samples.entry(),)), expected=0)
    assert state.revision == 1

    await store.acquire("a", ttl_s=10)
    await store.report(samples.report("a"), ttl_s=10)
    await store.add_keyed("r1", "a", [samples.unit(1)])
    await store.add_assessment("r1", samples.assessment(1))

    assert await store.revision() == 1
