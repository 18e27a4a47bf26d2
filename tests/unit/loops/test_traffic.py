"""The exchange goes on whatever happens, says once what is wrong, and has a last word."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from control_plane.loops.traffic import TrafficLoop
from control_plane.ports import StoreUnavailable
from tests.unit.fakes import FakeClock
from tests.unit.services.test_traffic import Plane, Shared
from tests.unit.virtual_time import run_virtually


def loop_of(plane: Plane) -> TrafficLoop:
    return TrafficLoop(plane.traffic, plane.drift)


@pytest.mark.parametrize("error", [StoreUnavailable("away"), RuntimeError("a bug")])
async def test_what_goes_wrong_is_told_once(error: Exception) -> None:
    plane = Plane("a", Shared(FakeClock()))

    async def fail() -> None:
        raise error

    loop = loop_of(plane)
    plane.drift.refresh = fail  # type: ignore[method-assign]
    with capture_logs() as logs:
        await loop.exchange()
        await loop.exchange()
        del plane.drift.refresh  # type: ignore[method-assign]
        await loop.exchange()
        plane.drift.refresh = fail  # type: ignore[method-assign]
        await loop.exchange()
    assert [(line["event"], line["reason"]) for line in logs] == [
        ("traffic not exchanged", str(error))
    ] * 2
    assert (logs[0]["exc_info"] is None) == isinstance(error, StoreUnavailable)


def test_it_goes_on_and_what_a_plane_counted_outlives_it() -> None:
    async def story() -> None:
        store = Shared(FakeClock())
        alone = Plane("a", store, has_others=False)
        running = asyncio.create_task(loop_of(alone).run())
        await asyncio.sleep(10.0)
        alone.serve(3)
        assert store.told == []
        running.cancel()
        with pytest.raises(asyncio.CancelledError):
            await running
        successor = Plane("b", store)
        await loop_of(successor).exchange()
        assert successor.requests() == 3

    run_virtually(story())


def test_a_store_that_is_away_holds_up_no_end() -> None:
    async def story() -> None:
        store = Shared(FakeClock())
        running = asyncio.create_task(loop_of(Plane("a", store)).run())
        await asyncio.sleep(1.0)
        store.is_away = True
        running.cancel()
        with capture_logs() as logs, pytest.raises(asyncio.CancelledError):
            await running
        assert [line["event"] for line in logs] == ["the last traffic was not told"]

    run_virtually(story())
