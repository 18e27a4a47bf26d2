"""A worker that dies, stops, or loses its claim, its store or its queue in mid-work."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ErrorCode
from control_plane.ports import Delivery
from control_plane.services.jobs.attempt import STEPS
from control_plane.services.jobs.ending import Ending
from tests.unit.services.jobs.site import (
    PHOTO,
    Crash,
    FaultyQueue,
    Site,
    crash_at,
    submission,
)
from tests.unit.virtual_time import run_virtually

FAULT = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")
FULL = EngineFailure(ErrorCode.OVERLOADED, "no room", 2.0)


async def accepted(site: Site, **asked: object) -> tuple[Job, Delivery]:
    job = await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    (delivery,) = await site.take()
    return job, delivery


@pytest.mark.parametrize("at", STEPS)
@pytest.mark.parametrize("is_redelivered", [True, False])
def test_after_a_crash_at_any_step_the_job_is_done_once(at: str, is_redelivered: bool) -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        theirs = FaultyQueue(site.messages.another())
        job = await site.intake().submit(submission(photo=PHOTO))
        (delivery,) = await site.take(queue=theirs)
        with pytest.raises(Crash):
            await site.worker("first", queue=theirs, step=crash_at(at)).handle(delivery)
        if is_redelivered:
            await theirs.queue.aclose()
        worker, upkeep = site.worker("second"), site.upkeep()
        for _ in range(3):
            await site.work(worker)
            await asyncio.sleep(900.0)
            await upkeep.take_back()
            await upkeep.order_forgotten()

        done = await site.job(job.job_id)
        assert done.state is DetectionStatus.COMPLETED
        assert site.uploads.photos == {} or (at == "stored" and not is_redelivered)
        assert await site.messages.depths() == dict.fromkeys(Priority, 0)
        await site.delivering().deliver(job.job_id)
        assert [len(bodies) for bodies in site.sink.received.values()] == [1]

    run_virtually(main())


def test_two_workers_with_the_same_message_do_it_once() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 3.0
        _, delivery = await accepted(site)
        one, two = site.worker("one"), site.worker("two")
        first = asyncio.create_task(one.handle(delivery))
        await asyncio.sleep(1.0)
        assert await two.handle(delivery) is Ending.ELSEWHERE
        assert await first is Ending.COMPLETED
        await site.work(two)

        assert len(site.detection.requests) == 1
        assert two.endings[Ending.DUPLICATE] == 1

    run_virtually(main())


def test_a_claim_is_renewed_as_long_as_the_work_takes() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 34.0
        _, delivery = await accepted(site)
        first = asyncio.create_task(site.worker("one").handle(delivery))
        await asyncio.sleep(33.0)
        assert await site.worker("two").handle(delivery) is Ending.ELSEWHERE
        assert await first is Ending.COMPLETED

    run_virtually(main())


def test_a_worker_that_lost_its_claim_changes_nothing() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 32.0
        job, delivery = await accepted(site)
        slow = asyncio.create_task(site.worker("slow").handle(delivery))
        await asyncio.sleep(1.0)
        # As if it had slept through its claim: another one takes the job over and does it.
        held = (await site.job(job.job_id)).claim
        assert held is not None
        await asyncio.sleep(0.5)
        site.detection.takes_s = 0.0
        await site.store.jobs.change(job.job_id, _expired)
        assert await site.worker("quick").handle(delivery) is Ending.COMPLETED
        done = await site.job(job.job_id)

        assert await slow is Ending.LOST
        assert await site.job(job.job_id) == done

    run_virtually(main())


def _expired(job: Job, now_s: float) -> Job:
    assert job.claim is not None
    return replace(job, claim=replace(job.claim, expires_at_s=now_s - 1.0))


def test_with_the_store_away_for_ten_seconds_a_result_in_hand_is_kept() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 2.0
        job, delivery = await accepted(site)
        work = asyncio.create_task(site.worker().handle(delivery))
        await asyncio.sleep(1.0)
        site.store.faults.is_away = True
        await asyncio.sleep(10.0)
        site.store.faults.is_away = False

        assert await work is Ending.COMPLETED
        assert len(site.detection.requests) == 1
        assert (await site.job(job.job_id)).attempts == 1

    run_virtually(main())


def test_with_the_store_away_for_longer_than_a_claim_the_message_goes_back() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 2.0
        job, delivery = await accepted(site)
        work = asyncio.create_task(site.worker().handle(delivery))
        await asyncio.sleep(1.0)
        site.store.faults.is_away = True
        assert await work is Ending.AWAY
        assert 25.0 < asyncio.get_running_loop().time() <= 30.0
        site.store.faults.is_away = False
        await site.work()

        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED

    run_virtually(main())


def test_a_claim_that_was_renewed_gives_the_outcome_as_much_more_time() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 26.0
        _, delivery = await accepted(site)
        work = asyncio.create_task(site.worker().handle(delivery))
        await asyncio.sleep(25.0)
        site.store.faults.is_away = True
        await asyncio.sleep(15.0)
        site.store.faults.is_away = False
        assert await work is Ending.COMPLETED

    run_virtually(main())


def test_work_that_outlasts_the_store_and_the_claim_is_given_up() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 34.0
        _, delivery = await accepted(site)
        work = asyncio.create_task(site.worker().handle(delivery))
        await asyncio.sleep(1.0)
        site.store.faults.is_away = True
        assert await work is Ending.LOST
        assert asyncio.get_running_loop().time() < 33.0

    run_virtually(main())


@pytest.mark.parametrize("is_done", [False, True])
@pytest.mark.parametrize("call", [1, 2, 3])
def test_a_call_of_the_store_that_fails_costs_no_job(call: int, is_done: bool) -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job, delivery = await accepted(site, photo=PHOTO)
        site.store.faults.calls = 0
        site.store.faults.fails_at = (call, is_done)
        await site.worker().handle(delivery)
        await site.work()

        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED
        assert site.uploads.photos == {}

    run_virtually(main())


@pytest.mark.parametrize("is_done", [False, True])
def test_a_message_that_cannot_be_settled_comes_again_and_changes_nothing(is_done: bool) -> None:
    async def main() -> None:
        site = Site()
        theirs = FaultyQueue(site.messages.another())
        job = await site.intake().submit(submission())
        (delivery,) = await site.take(queue=theirs)
        theirs.faults.fails_at = (1, is_done)
        assert await site.worker(queue=theirs).handle(delivery) is Ending.COMPLETED
        done = await site.job(job.job_id)
        await theirs.queue.aclose()
        worker = site.worker("next")
        await site.work(worker)

        assert worker.endings == ({} if is_done else {Ending.DUPLICATE: 1})
        assert await site.job(job.job_id) == done

    run_virtually(main())


def test_a_worker_that_stops_gives_back_what_it_has() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        job, delivery = await accepted(site)
        worker = site.worker()
        work = asyncio.create_task(worker.handle(delivery))
        await asyncio.sleep(1.0)
        assert worker.preparing == 0
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work

        back = await site.job(job.job_id)
        assert (back.state, back.attempts) == (DetectionStatus.QUEUED, 0)
        assert len(await site.take()) == 1

    run_virtually(main())


def test_a_worker_that_stops_while_the_store_is_away_does_not_wait_for_it() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        _, delivery = await accepted(site)
        work = asyncio.create_task(site.worker().handle(delivery))
        await asyncio.sleep(1.0)
        site.store.faults.is_away = True
        work.cancel()
        with pytest.raises(asyncio.CancelledError):
            await work
        assert len(await site.take()) == 1

    run_virtually(main())


def test_a_job_that_kills_its_workers_is_given_up() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission())
        for number in range(5):
            theirs = FaultyQueue(site.messages.another())
            for delivery in await site.take(queue=theirs, wait_s=100.0):
                worker = site.worker(f"w-{number}", queue=theirs, step=crash_at("loaded"))
                try:
                    await worker.handle(delivery)
                except Crash:
                    # Claims of later attempts last up to four times as long as the first.
                    await asyncio.sleep(121.0)
            await theirs.queue.aclose()

        dead = await site.job(job.job_id)
        assert (dead.dead, len(site.detection.requests)) == (DeadReason.FAILED, 0)
        assert dead.error is not None
        assert "not heard of" in dead.error.message

    run_virtually(main())
