"""Jobs that nobody moves: found, and moved on."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import QueueUnavailable, StoreUnavailable
from control_plane.services.jobs.ending import Ending
from tests.unit.services.jobs.site import (
    DAY_S,
    PHOTO,
    Crash,
    FakeUploads,
    FaultyQueue,
    Site,
    crash_at,
    submission,
)
from tests.unit.virtual_time import run_virtually


class Hanging(FakeUploads):
    async def remove(self, job_id: str) -> None:
        await asyncio.sleep(30.0)
        raise ControlPlaneError(ErrorCode.PHOTO_UNAVAILABLE, "S3 did not remove it in time")


FAULT = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")


def test_while_the_queue_is_away_what_waits_for_it_stays() -> None:
    async def main() -> None:
        site = Site()
        with pytest.raises(Crash):
            await site.intake(step=crash_at("added")).submit(submission())
        await asyncio.sleep(4.0)
        assert await site.upkeep().order_unpublished() == 0
        await asyncio.sleep(1.0)
        site.queue.faults.is_away = True
        with pytest.raises(QueueUnavailable):
            await site.upkeep().order_unpublished()
        site.queue.faults.is_away = False
        assert await site.upkeep().order_unpublished() == 1
        assert await site.upkeep().order_unpublished() == 0
        assert (await site.messages.depths())[Priority.NORMAL] == 1

    run_virtually(main())


def test_what_a_dead_worker_had_goes_to_another_and_used_up_its_attempt() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        theirs = FaultyQueue(site.messages.another())
        (delivery,) = await site.take(queue=theirs)
        with pytest.raises(Crash):
            await site.worker("dead", step=crash_at("loaded")).handle(delivery)
        await asyncio.sleep(39.0)
        assert await site.upkeep().take_back() == 0
        await asyncio.sleep(1.0)
        assert await site.upkeep().take_back() == 1
        await site.work(site.worker("alive"))

        done = await site.job(job.job_id)
        assert (done.state, done.attempts) == (DetectionStatus.COMPLETED, 2)

    run_virtually(main())


def test_an_order_that_the_queue_lost_is_given_again_once() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        await site.take()  # and nobody hears of it any more
        await asyncio.sleep(899.0)
        assert await site.upkeep().order_forgotten() == 0
        await asyncio.sleep(1.0)
        assert await site.upkeep().order_forgotten() == 1
        assert await site.upkeep().order_forgotten() == 0
        await site.work()
        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED

    run_virtually(main())


def test_in_a_long_queue_no_more_orders_are_given_than_it_lacks() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(5):
            await site.intake().submit(submission())
        first, second, *others = await site.take()
        for delivery in others:
            await site.messages.settle(delivery, retry_in_s=0.0)
        await asyncio.sleep(1000.0)
        await site.upkeep().order_forgotten()
        assert (await site.messages.depths())[Priority.NORMAL] == 5
        await asyncio.sleep(1000.0)
        await site.upkeep().order_forgotten()
        assert (await site.messages.depths())[Priority.NORMAL] == 5
        del first, second

    run_virtually(main())


def test_a_job_past_its_deadline_ends_where_a_person_finds_it() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await site.intake().submit(submission(photo=PHOTO, deadline_s=10.0))
        await asyncio.sleep(14.0)
        assert await site.upkeep().end_overdue() == 0
        await asyncio.sleep(1.0)
        assert await site.upkeep().end_overdue() == 1

        dead = await site.job(job.job_id)
        assert (dead.dead, dead.attempts) == (DeadReason.FAILED, 0)
        assert list(site.uploads.photos) == [job.job_id]
        assert await site.delivering().due(limit=10) == (job.job_id,)

    run_virtually(main())


def test_what_was_found_by_the_deadline_is_the_answer() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"volume": [FAULT]}
        job = await site.intake().submit(submission(photo=PHOTO, deadline_s=10.0))
        (delivery,) = await site.take()
        assert await site.worker().handle(delivery) is Ending.RETRIED
        await asyncio.sleep(15.0)
        await site.upkeep().end_overdue()

        done = await site.job(job.job_id)
        assert (done.state, done.attempts) == (DetectionStatus.PARTIAL, 1)
        assert site.uploads.photos == {}

    run_virtually(main())


def test_a_job_in_somebodys_hands_is_left_to_him() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission(deadline_s=10.0))
        (delivery,) = await site.take()
        with pytest.raises(Crash):
            await site.worker(step=crash_at("claimed")).handle(delivery)
        await asyncio.sleep(20.0)
        assert await site.upkeep().end_overdue() == 0
        assert (await site.job(job.job_id)).state is DetectionStatus.PROCESSING
        await asyncio.sleep(20.0)
        assert await site.upkeep().end_overdue() == 1

    run_virtually(main())


def test_what_was_kept_long_enough_is_forgotten_with_its_photo() -> None:
    async def main() -> None:
        site = Site()
        done = await site.intake().submit(submission())
        site.photos.by_url.clear()
        await site.work()
        dead = await site.intake().submit(submission(photo=PHOTO, deadline_s=1.0))
        await asyncio.sleep(10.0)
        await site.upkeep().end_overdue()

        await asyncio.sleep(29 * DAY_S)
        await site.upkeep().forget()
        ids = {job.job_id for job in await site.all_jobs()}
        assert ids == {done.job_id, dead.job_id}  # the first is a dead letter too: no photo
        await asyncio.sleep(1.1 * DAY_S)
        assert await site.upkeep().forget() == 2
        assert (site.uploads.photos, await site.all_jobs()) == ({}, ())

    run_virtually(main())


def test_a_photo_that_could_not_be_removed_goes_when_its_job_is_forgotten() -> None:
    async def main() -> None:
        site = Site()
        await site.intake().submit(submission(photo=PHOTO))
        for delivery in await site.take():
            site.detection.takes_s = 1.0
            work = asyncio.create_task(site.worker().handle(delivery))
            await asyncio.sleep(0.5)
            site.uploads.is_away = True
            assert await work is Ending.COMPLETED
        site.uploads.is_away = False
        assert len(site.uploads.photos) == 1
        await asyncio.sleep(8 * DAY_S)
        site.uploads.is_away = True
        assert await site.upkeep().forget() == 1  # and that again is not for ever in its way
        assert len(site.uploads.photos) == 1

    run_virtually(main())


def test_where_photos_lie_hangs_and_upkeep_does_not_with_it() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(20):
            await site.intake().submit(submission(photo=PHOTO))
        await site.work()
        await asyncio.sleep(8 * DAY_S)
        for _ in range(20):
            with pytest.raises(Crash):
                await site.intake(step=crash_at("kept")).submit(submission(photo=PHOTO))
        await asyncio.sleep(3600.0)
        upkeep, began_s = site.upkeep(), asyncio.get_running_loop().time()
        upkeep._uploads = Hanging(site.uploads.photos, site.uploads.put_at_s)
        assert (await upkeep.forget(), await upkeep.sweep()) == (20, 0)
        assert asyncio.get_running_loop().time() - began_s == 60.0
        upkeep._uploads = site.uploads
        assert await upkeep.sweep() == 20
        assert site.uploads.photos == {}

    run_virtually(main())


def test_a_job_that_cannot_be_read_is_in_nobodys_way() -> None:
    async def main() -> None:
        site = Site()
        jobs = [await site.intake().submit(submission(deadline_s=1.0)) for _ in range(5)]
        change = site.store.jobs.change

        async def read(job_id: str, decide: Callable[[Job, float], Job]) -> Job:
            if job_id in unreadable:
                raise StoreUnavailable("a document cannot be read")
            return await change(job_id, decide)

        site.store.jobs.change = read  # type: ignore[method-assign]
        await asyncio.sleep(10.0)
        unreadable = {jobs[0].job_id, jobs[2].job_id}
        with pytest.raises(StoreUnavailable):
            await site.upkeep().end_overdue()
        states = [(await site.job(job.job_id)).is_finished for job in jobs]
        assert states == [False, True, False, True, True]

    run_virtually(main())


def test_with_the_store_away_not_every_job_is_tried() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(20):
            await site.intake().submit(submission(deadline_s=1.0))
        tries = 0

        async def away(job_id: str, decide: Callable[[Job, float], Job]) -> Job:
            nonlocal tries
            tries += 1
            raise StoreUnavailable("it is away")

        site.store.jobs.change = away  # type: ignore[method-assign]
        await asyncio.sleep(10.0)
        with pytest.raises(StoreUnavailable):
            await site.upkeep().end_overdue()
        assert tries == 3

    run_virtually(main())


def test_two_planes_side_by_side_do_no_harm() -> None:
    async def main() -> None:
        site = Site()
        for at in ("added", "added", "added"):
            with pytest.raises(Crash):
                await site.intake(step=crash_at(at)).submit(submission())
        await asyncio.sleep(5.0)
        planes = [site.upkeep() for _ in range(3)]
        await asyncio.gather(*(plane.order_unpublished() for plane in planes))
        assert (await site.messages.depths())[Priority.NORMAL] <= 9
        await site.work()
        assert len(site.detection.requests) == 3

    run_virtually(main())


def test_a_job_that_is_gone_by_then_is_passed_over() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        await site.store.jobs.change(
            job.job_id, lambda one, now_s: replace(one, published_at_s=None)
        )
        await asyncio.sleep(5.0)
        await site.work()
        # Claiming it has said that an order of it came.
        assert await site.upkeep().order_unpublished() == 0

    run_virtually(main())


def test_photos_without_a_job_are_swept_after_an_hour_and_no_others() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(130):
            with pytest.raises(Crash):
                await site.intake(step=crash_at("kept")).submit(submission(photo=PHOTO))
        kept = {(await site.intake().submit(submission(photo=PHOTO))).job_id for _ in range(130)}
        upkeep = site.upkeep()
        await asyncio.sleep(3599.0)
        assert await upkeep.sweep() == 0
        await asyncio.sleep(1.0)
        assert sum([await upkeep.sweep() for _ in range(3)]) == 130
        assert set(site.uploads.photos) == kept
        assert sum([await upkeep.sweep() for _ in range(3)]) == 0

    run_virtually(main())
