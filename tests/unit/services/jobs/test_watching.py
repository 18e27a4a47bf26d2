"""Who watches jobs, and what that costs the store."""

from __future__ import annotations

import asyncio
from contextlib import aclosing

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.jobs.watching import Watching
from tests.unit.services.jobs.site import DAY_S, Site, submission
from tests.unit.virtual_time import run_virtually


def watching_of(site: Site, *, limit: int = 100) -> Watching:
    return Watching(store=site.store, upkeep=site.store, limit=limit)


async def states(watching: Watching, job_id: str) -> list[DetectionStatus]:
    return [job.state async for job in watching.changes(job_id)]


def test_each_change_of_state_is_told_until_the_end() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 3.0
        job = await site.intake().submit(submission())
        watching = watching_of(site)
        seen = asyncio.create_task(states(watching, job.job_id))
        await asyncio.sleep(1.0)
        await site.work(wait_s=0.0)

        assert await seen == [
            DetectionStatus.QUEUED,
            DetectionStatus.PROCESSING,
            DetectionStatus.COMPLETED,
        ]
        assert watching.watchers == 0
        assert await states(watching, job.job_id) == [DetectionStatus.COMPLETED]

    run_virtually(main())


def test_many_who_watch_cost_as_much_as_one_and_nobody_nothing() -> None:
    async def main() -> None:
        site = Site()
        watching = watching_of(site)
        jobs = [await site.intake().submit(submission()) for _ in range(3)]
        watchers = [
            asyncio.create_task(states(watching, jobs[number % 3].job_id)) for number in range(60)
        ]
        await asyncio.sleep(1.1)
        site.store.faults.calls = 0
        await asyncio.sleep(1.0)
        assert site.store.faults.calls == 4
        for watcher in watchers:
            watcher.cancel()
        await asyncio.gather(*watchers, return_exceptions=True)
        site.store.faults.calls = 0
        await asyncio.sleep(10.0)
        assert (site.store.faults.calls, watching.watchers) == (0, 0)

    run_virtually(main())


def test_no_more_may_watch_than_there_is_room_for() -> None:
    async def main() -> None:
        site = Site()
        watching = watching_of(site, limit=1)
        job = await site.intake().submit(submission())
        async with aclosing(watching.changes(job.job_id)) as changes:
            assert (await anext(changes)).state is DetectionStatus.QUEUED
            with pytest.raises(ControlPlaneError) as caught:
                await states(watching, job.job_id)
            assert caught.value.code is ErrorCode.OVERLOADED
        assert watching.watchers == 0

    run_virtually(main())


def test_a_job_that_is_not_there_takes_no_place() -> None:
    async def main() -> None:
        watching = watching_of(Site())
        with pytest.raises(ControlPlaneError) as caught:
            await states(watching, "another")
        assert (caught.value.code, watching.watchers) == (ErrorCode.NOT_FOUND, 0)

    run_virtually(main())


def test_a_job_that_is_forgotten_is_watched_no_more() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        seen = asyncio.create_task(states(watching_of(site), job.job_id))
        await asyncio.sleep(1.0)
        del site.store.jobs._rows[job.job_id]
        await asyncio.sleep(1.0)
        with pytest.raises(ControlPlaneError) as caught:
            await seen
        assert caught.value.code is ErrorCode.NOT_FOUND

    run_virtually(main())


@pytest.mark.parametrize("error", [None, RuntimeError("a bug")])
def test_while_the_store_is_away_whoever_watches_waits(error: Exception | None) -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission(deadline_s=DAY_S))
        seen = asyncio.create_task(states(watching_of(site), job.job_id))
        await asyncio.sleep(1.0)
        if error is not None:
            site.store.faults.error = lambda: error
        site.store.faults.is_away = True
        site.store.faults.calls = 0
        await asyncio.sleep(20.0)
        assert site.store.faults.calls <= 11
        site.store.faults.is_away = False
        await site.work(wait_s=0.0)
        assert (await seen)[-1] is DetectionStatus.COMPLETED

    run_virtually(main())
