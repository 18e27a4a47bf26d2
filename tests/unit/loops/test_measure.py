"""Counts reach the store once they have changed, and survive a store that is away."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from control_plane.loops.measure import MeasureLoop
from control_plane.services.measuring import Measuring
from tests.unit.fakes import FakeClock
from tests.unit.services.rollouts import CANARY, FakeCountStore, ended, split
from tests.unit.virtual_time import run_virtually

SPLIT = split(500)
ROUTE = SPLIT.routes["damage"]


def make(store: FakeCountStore) -> tuple[Measuring, MeasureLoop]:
    measuring = Measuring(plane="one", table=lambda: SPLIT, clock=FakeClock())
    return measuring, MeasureLoop(measuring=measuring, store=store)


async def test_only_what_has_changed_is_written() -> None:
    store = FakeCountStore()
    measuring, loop = make(store)
    await loop.flush()
    assert store.writes == 0
    measuring.ended(ended(ROUTE, CANARY))
    measuring.ended(ended(ROUTE, CANARY, key="roof", is_key_given=True))
    measuring.count()
    await loop.flush()
    assert store.by_plane["r-1"]["one#1"].samples == {1: 2}
    assert [unit.is_canary for unit in store.units["r-1"]] == [True]
    assert store.writes == 2
    await loop.flush()
    assert store.writes == 2


async def test_what_a_store_that_was_away_has_missed_it_gets_later() -> None:
    store = FakeCountStore(is_away=True)
    measuring, loop = make(store)
    measuring.ended(ended(ROUTE, CANARY, key="roof", is_key_given=True))
    measuring.count()
    with capture_logs() as logs:
        await loop.flush()
        await loop.flush()
    assert [line["event"] for line in logs] == ["counts not stored; they are kept"]
    store.is_away = False
    measuring.ended(ended(ROUTE, CANARY, key="site", is_key_given=True))
    measuring.count()
    await loop.flush()
    assert len(store.units["r-1"]) == 2
    assert store.by_plane["r-1"]["one#1"].samples == {1: 2}


async def test_an_unexpected_error_of_the_store_does_not_end_the_loop() -> None:
    class Odd(FakeCountStore):
        async def put_counts(self, *_: object) -> None:
            raise RuntimeError("odd")

    measuring, loop = make(Odd())
    measuring.ended(ended(ROUTE, CANARY))
    with capture_logs() as logs:
        await loop.flush()
    assert [line["reason"] for line in logs] == ["odd"]


def test_what_was_counted_last_is_written_when_it_stops() -> None:
    async def main() -> FakeCountStore:
        store = FakeCountStore()
        measuring, loop = make(store)
        running = asyncio.create_task(loop.run())
        measuring.ended(ended(ROUTE, CANARY, key="a"))
        measuring.count()
        await asyncio.sleep(1.5)
        assert store.by_plane["r-1"]["one#1"].samples == {1: 1}
        measuring.ended(ended(ROUTE, CANARY, key="b"))
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return store

    counts = run_virtually(main()).by_plane["r-1"]["one#1"]
    assert counts.samples == {1: 2}
    assert counts.steps[0].canary.units == 2


def test_a_store_that_hangs_keeps_nobody_from_stopping() -> None:
    class Hanging(FakeCountStore):
        async def put_counts(self, *_: object) -> None:
            await asyncio.sleep(3600.0)

    async def main() -> float:
        measuring, loop = make(Hanging())
        measuring.ended(ended(ROUTE, CANARY))
        running = asyncio.create_task(loop.run())
        await asyncio.sleep(0.5)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == 1.5
