"""The loop that asks what waits in the queue: so it is known when that is away."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from random import Random

import structlog

from control_plane.core.detections import Priority
from control_plane.loops.depths import DepthsLoop
from control_plane.services.jobs.depths import QueueDepths
from tests.unit.services.jobs.site import Site
from tests.unit.virtual_time import run_virtually


def test_a_queue_that_goes_away_and_comes_back_is_told_of_once_each() -> None:
    async def main() -> None:
        site = Site()
        depths = QueueDepths(site.queue)
        loop = asyncio.create_task(DepthsLoop(depths, rng=Random(1)).run())
        with structlog.testing.capture_logs() as logs:
            await asyncio.sleep(10.0)
            assert not depths.is_away
            site.queue.faults.is_away = True
            await asyncio.sleep(5.0)
            assert depths.is_away
            await asyncio.sleep(20.0)
            site.queue.faults.is_away = False
            await asyncio.sleep(5.0)
            assert not depths.is_away
        told = [(one["event"], one["log_level"]) for one in logs]
        assert told == [("the queue is away", "warning"), ("the queue is back", "info")]
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    run_virtually(main())


def test_an_oddity_of_the_queue_is_told_and_does_not_end_the_loop() -> None:
    async def main() -> None:
        site = Site()
        depths = QueueDepths(site.queue)
        loop = asyncio.create_task(DepthsLoop(depths, rng=Random(1)).run())
        with structlog.testing.capture_logs() as logs:

            async def broken() -> Mapping[Priority, int]:
                raise KeyError("odd")

            site.queue.depths = broken  # type: ignore[method-assign]
            await asyncio.sleep(10.0)
            assert depths.is_away
            del site.queue.depths
            await asyncio.sleep(10.0)
            assert not depths.is_away
        assert isinstance(logs[0]["exc_info"], KeyError)
        loop.cancel()
        await asyncio.gather(loop, return_exceptions=True)

    run_virtually(main())
