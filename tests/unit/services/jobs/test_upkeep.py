"""Jobs that nobody moves: found, and moved on."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason
from control_plane.errors import ErrorCode
from control_plane.ports import QueueUnavailable
from control_plane.services.jobs.attempt import Ending
from tests.unit.services.jobs.site import (
    DAY_S,
    PHOTO,
    Crash,
    FaultyQueue,
    Site,
    crash_at,
    submission,
)
from tests.unit.virtual_time import run_virtually

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
