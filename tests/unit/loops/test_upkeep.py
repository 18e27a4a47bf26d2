"""The loop that sees to jobs: each kind in its turn, whatever becomes of the others."""

from __future__ import annotations

import asyncio
from random import Random

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.loops.upkeep import UpkeepLoop
from tests.unit.services.jobs.site import DAY_S, PHOTO, Clock, Crash, Site, crash_at, submission
from tests.unit.virtual_time import run_virtually


def loop_of(site: Site) -> UpkeepLoop:
    return UpkeepLoop(site.upkeep(), clock=Clock(), rng=Random(5))


async def run_for(loop: UpkeepLoop, seconds: float) -> None:
    task = asyncio.create_task(loop.run())
    await asyncio.sleep(seconds)
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_a_job_that_was_never_ordered_is_within_seconds() -> None:
    async def main() -> None:
        site = Site()
        with pytest.raises(Crash):
            await site.intake(step=crash_at("added")).submit(submission())
        await run_for(loop_of(site), 8.0)
        await site.work(wait_s=0.0)
        (job,) = await site.all_jobs()
        assert job.state is DetectionStatus.COMPLETED

    run_virtually(main())


def test_what_needs_the_queue_waits_for_it_and_the_rest_goes_on() -> None:
    async def main() -> None:
        site = Site()
        with pytest.raises(Crash):
            await site.intake(step=crash_at("added")).submit(submission())
        await site.intake().submit(submission(photo=PHOTO, deadline_s=1.0))
        site.queue.faults.is_away = True
        await run_for(loop_of(site), 10.0)
        states = sorted(job.state.value for job in await site.all_jobs())
        assert states == ["failed", "queued"]

    run_virtually(main())


def test_an_oddity_of_one_kind_leaves_the_others_their_turn() -> None:
    async def main() -> None:
        site = Site()
        await site.intake().submit(submission(deadline_s=1.0))
        upkeep = site.upkeep()

        async def broken() -> int:
            raise RuntimeError("a bug")

        upkeep.order_unpublished = broken  # type: ignore[method-assign]
        await run_for(UpkeepLoop(upkeep, clock=Clock(), rng=Random(5)), 10.0)
        (job,) = await site.all_jobs()
        assert job.state is DetectionStatus.FAILED

    run_virtually(main())


def test_what_is_forgotten_keeps_up_with_what_is_finished() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(450):
            await site.intake().submit(submission())
        await site.work()
        await asyncio.sleep(8 * DAY_S)
        await run_for(loop_of(site), 20.0)
        assert await site.all_jobs() == ()

    run_virtually(main())


def test_the_store_is_asked_little_by_a_loop_that_finds_nothing() -> None:
    async def main() -> None:
        site = Site()
        await run_for(loop_of(site), 60.0)
        assert 100 < site.store.faults.calls < 250

    run_virtually(main())
