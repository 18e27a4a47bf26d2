"""The state at the start: engines are adopted once, whoever starts at the same time."""

from __future__ import annotations

from control_plane.adapters.stores import MemoryStore
from control_plane.bootstrap.opening import adopt
from control_plane.core.routing import ALL_BP
from control_plane.core.state import Change, EngineState, State
from control_plane.ports import StaleRevision
from tests.unit.fakes import FakeClock
from tests.unit.samples import ENGINES


def store() -> MemoryStore:
    return MemoryStore(FakeClock().now_s)


async def test_an_empty_store_begins_with_what_is_declared() -> None:
    stored = store()
    state = await adopt(stored, ENGINES, {"damage": "1.1.0"})
    assert {name: here.stable for name, here in state.engines.items()} == {
        "damage": "1.0.0",
        "materials": "1.0.0",
        "volume": "4.0.0",
    }
    route = state.table.route("damage")
    assert (route.weights_bp, route.fallback) == ({"1.0.0": ALL_BP}, "1.1.0")
    assert {one.entry.action for one in await stored.entries()} == {"adopt"}


async def test_what_is_stored_has_the_word() -> None:
    stored = store()
    state = await adopt(stored, ENGINES, {})
    await stored.write(Change(engines={"damage": EngineState("1.1.0")}), expected=state.revision)
    again = await adopt(stored, ENGINES, {})
    assert again.engines["damage"].stable == "1.1.0"
    assert again.revision == state.revision + 1


async def test_only_what_is_new_is_added() -> None:
    stored = store()
    first = await adopt(stored, {"damage": ENGINES["damage"]}, {})
    state = await adopt(stored, ENGINES, {})
    assert state.table.routes["damage"] == first.table.routes["damage"]
    assert state.table.revision == first.table.revision + 1
    assert len(await stored.entries()) == 3


async def test_of_several_that_start_side_by_side_one_does_it() -> None:
    class Raced(MemoryStore):
        has_raced = False

        async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> State:
            if not self.has_raced:
                self.has_raced = True
                await super().write(change, expected=expected)
                raise StaleRevision
            return await super().write(change, expected=expected, epoch=epoch)

    stored = Raced(FakeClock().now_s)
    state = await adopt(stored, ENGINES, {})
    assert state.revision == 1
    assert len(await stored.entries()) == 3
