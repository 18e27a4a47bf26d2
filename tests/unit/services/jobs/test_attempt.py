"""One delivery from take to settle, with everything going wrong on the way."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Delivery
from control_plane.services.jobs.attempt import STEPS, Ending
from tests.unit.services.jobs.site import (
    EPOCH_S,
    PHOTO,
    URL,
    Crash,
    FaultyQueue,
    Site,
    crash_at,
    now_s,
    submission,
)
from tests.unit.virtual_time import run_virtually

FAULT = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")
FULL = EngineFailure(ErrorCode.OVERLOADED, "no room", 2.0)


async def accepted(site: Site, **asked: object) -> tuple[Job, Delivery]:
    job = await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    (delivery,) = await site.take()
    return job, delivery


def test_a_job_is_done_and_its_message_is_settled() -> None:
    async def main() -> None:
        site, steps = Site(), list[str]()
        job, delivery = await accepted(site, photo=PHOTO, priority=Priority.HIGH)
        ending = await site.worker(step=steps.append).handle(delivery)

        done = await site.job(job.job_id)
        assert (ending, done.state) == (Ending.COMPLETED, DetectionStatus.COMPLETED)
        assert tuple(steps) == STEPS
        assert site.uploads.photos == {}
        assert await site.take(wait_s=100.0) == []
        (asked,) = site.detection.requests
        assert (asked.photo, asked.engines) == (PHOTO, ("damage", "volume"))
        assert (asked.priority, asked.request_id) == (Priority.HIGH, job.job_id)

    run_virtually(main())


def test_only_the_engines_that_are_left_are_asked_again() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"volume": [FAULT]}
        job, delivery = await accepted(site)
        worker = site.worker()
        assert await worker.handle(delivery) is Ending.RETRIED
        assert (await site.job(job.job_id)).state is DetectionStatus.QUEUED
        await site.work(worker)

        done = await site.job(job.job_id)
        assert [one.engines for one in site.detection.requests] == [
            ("damage", "volume"),
            ("volume",),
        ]
        assert done.answer is not None
        assert (done.state, set(done.answer.results)) == (
            DetectionStatus.COMPLETED,
            {"damage", "volume"},
        )
        assert worker.endings == {Ending.RETRIED: 1, Ending.COMPLETED: 1}

    run_virtually(main())


def test_a_job_that_runs_out_of_attempts_is_a_dead_letter_with_its_photo() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"damage": [FAULT] * 3, "volume": [FAULT] * 3}
        job = await site.intake().submit(submission(photo=PHOTO))
        await site.work()

        dead = await site.job(job.job_id)
        assert (dead.state, dead.dead) == (DetectionStatus.FAILED, DeadReason.FAILED)
        assert (dead.attempts, list(site.uploads.photos)) == (3, [job.job_id])

    run_virtually(main())


def test_a_full_fleet_uses_up_no_attempt() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"damage": [FULL], "volume": [FULL]}
        job, delivery = await accepted(site)
        assert await site.worker().handle(delivery) is Ending.RETURNED

        back = await site.job(job.job_id)
        assert (back.attempts, back.due_at_s - now_s()) == (0, 2.0)
        assert await site.take(wait_s=1.9) == []
        assert len(await site.take(wait_s=0.2)) == 1

    run_virtually(main())


def test_what_can_never_succeed_is_unprocessable_at_once() -> None:
    async def main() -> None:
        site = Site()
        site.photos.by_url.clear()
        job, delivery = await accepted(site)
        assert await site.worker().handle(delivery) is Ending.FAILED

        dead = await site.job(job.job_id)
        assert (dead.dead, dead.attempts) == (DeadReason.UNPROCESSABLE, 1)
        assert dead.error is not None
        assert dead.error.code is ErrorCode.PHOTO_NOT_FOUND

    run_virtually(main())


def test_an_attempt_that_hangs_ends_with_its_time_and_is_tried_again() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10_000.0
        job, delivery = await accepted(site)
        assert await site.worker().handle(delivery) is Ending.RETRIED

        assert asyncio.get_running_loop().time() == 35.0
        error = (await site.job(job.job_id)).error
        assert error is not None
        assert error.code is ErrorCode.DEADLINE_EXCEEDED

    run_virtually(main())


def test_the_time_of_an_attempt_is_never_longer_than_the_jobs() -> None:
    async def main() -> None:
        site = Site()
        _, delivery = await accepted(site, deadline_s=4.0)
        await asyncio.sleep(1.0)
        await site.worker().handle(delivery)
        (asked,) = site.detection.requests
        assert asked.deadline.expires_at_s == 4.0

    run_virtually(main())


def test_an_unexpected_error_is_an_attempt_and_not_the_end_of_the_worker() -> None:
    async def main() -> None:
        site = Site()
        site.detection.refusals = [RuntimeError("a bug")]
        job, delivery = await accepted(site)
        assert await site.worker().handle(delivery) is Ending.RETRIED
        error = (await site.job(job.job_id)).error
        assert error is not None
        assert error.code is ErrorCode.INTERNAL

    run_virtually(main())


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


def test_a_message_of_a_job_that_is_not_there_is_settled() -> None:
    async def main() -> None:
        site = Site()
        await site.publish(b'{"job_id": "gone"}')
        worker = site.worker()
        with capture_logs() as logs:
            await site.work(worker)
        assert worker.endings == {Ending.UNKNOWN: 1}
        (line,) = logs
        assert (line["log_level"], line["job_id"], line["store"]) == ("warning", "gone", "here.db")
        assert "forgotten" in line["causes"]
        assert "another state store" in line["causes"]

    run_virtually(main())


def test_a_message_that_comes_too_early_waits() -> None:
    async def main() -> None:
        site = Site()
        site.detection.failures = {"damage": [FAULT], "volume": [FAULT]}
        job, delivery = await accepted(site)
        worker = site.worker()
        await worker.handle(delivery)
        assert await worker.handle(delivery) is Ending.EARLY
        await site.work(worker)
        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED

    run_virtually(main())


def test_what_the_queue_gave_up_is_a_dead_letter() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job, delivery = await accepted(site)
        dead = Delivery(delivery.priority, delivery.body, deliveries=21, is_dead=True)
        assert await site.worker().handle(dead) is Ending.FAILED
        buried = await site.job(job.job_id)
        assert buried.error is not None
        assert "21 deliveries" in buried.error.message
        assert buried.handover is not None
        assert await site.worker().handle(dead) is Ending.DUPLICATE

    run_virtually(main())


def test_an_oddity_of_the_store_sends_the_message_round_more_and_more_slowly() -> None:
    async def main() -> None:
        site = Site()
        _, delivery = await accepted(site)
        site.store.faults.error = lambda: RuntimeError("unreadable")
        site.store.faults.is_away = True
        assert await site.worker().handle(delivery) is Ending.FAULT
        assert await site.take(wait_s=0.9) == []
        assert len(await site.take(wait_s=2.0)) == 1

    run_virtually(main())


# Messages of other services.

ORDER = {"engines": ["damage"], "url": URL}


def test_another_services_message_becomes_a_job_once_however_often_it_comes() -> None:
    async def main() -> None:
        site = Site()
        for _ in range(3):
            await site.publish(json.dumps(ORDER).encode())
        await site.work()
        (job,) = await site.all_jobs()
        assert (job.state, len(site.detection.requests)) == (DetectionStatus.COMPLETED, 1)

    run_virtually(main())


def test_another_services_key_makes_two_messages_one_job() -> None:
    async def main() -> None:
        site = Site()
        for message_id in ("m-1", "m-2"):
            await site.publish(json.dumps(ORDER | {"key": "k"}).encode(), message_id=message_id)
        await site.work()
        assert len(await site.all_jobs()) == 1

    run_virtually(main())


@pytest.mark.parametrize("ids", [("m-1", "m-1"), ("m-1", "m-2")])
def test_another_request_under_the_same_key_or_id_is_a_dead_letter(ids: tuple[str, str]) -> None:
    async def main() -> None:
        site = Site()
        for message_id, engine in zip(ids, ("damage", "volume"), strict=True):
            order = ORDER | {"key": "k", "engines": [engine]}
            for _ in range(2):
                await site.publish(json.dumps(order).encode(), message_id=message_id)
        await site.work()
        jobs = sorted(await site.all_jobs(), key=lambda job: job.state)
        assert [job.state.value for job in jobs] == ["completed", "failed"]
        assert jobs[1].error is not None
        assert jobs[1].error.code is ErrorCode.CONFLICT

    run_virtually(main())


def test_another_services_deadline_holds_and_is_bounded() -> None:
    async def main() -> None:
        site = Site()
        for message_id, deadline in (("m-1", EPOCH_S - 5), ("m-2", EPOCH_S + 1e8)):
            order = ORDER | {"deadline": deadline}
            await site.publish(json.dumps(order).encode(), message_id=message_id)
        await site.work()
        jobs = {job.deadline_at_s - EPOCH_S: job.state.value for job in await site.all_jobs()}
        assert jobs == {-5.0: "failed", 7 * 86_400.0: "completed"}

    run_virtually(main())


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff\x00", b'{"engines": 3}'])
def test_a_message_that_is_no_order_is_one_dead_letter(body: bytes) -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        await site.publish(body)
        await site.publish(body)
        await site.work()
        (listed,) = await site.all_jobs()
        job = await site.job(listed.job_id)
        assert (job.dead, job.request) == (DeadReason.UNPROCESSABLE, None)
        assert (job.raw, job.handover) == (body.decode("utf-8", "replace"), None)

    run_virtually(main())


def test_a_message_that_was_cut_is_a_dead_letter() -> None:
    async def main() -> None:
        site = Site()
        cut = Delivery(Priority.LOW, json.dumps(ORDER).encode(), is_cut=True)
        assert await site.worker().handle(cut) is Ending.FAILED
        (job,) = await site.all_jobs()
        assert job.error is not None
        assert job.error.code is ErrorCode.MESSAGE_TOO_LARGE

    run_virtually(main())


def test_a_reader_that_breaks_on_a_message_does_not_stop_the_worker() -> None:
    async def main() -> None:
        site = Site()

        def broken(body: bytes) -> object:
            raise RecursionError

        worker = site.worker()
        worker._adoption._read_message = broken  # type: ignore[assignment]
        await site.publish(b"[[[[")
        await site.work(worker)
        assert worker.endings == {Ending.FAILED: 1}

    run_virtually(main())


def test_photos_that_are_away_cost_attempts_and_not_the_job() -> None:
    async def main() -> None:
        site = Site()
        job, delivery = await accepted(site, photo=PHOTO)
        site.uploads.is_away = True
        assert await site.worker().handle(delivery) is Ending.RETRIED
        site.uploads.is_away = False
        await site.work()
        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED

    run_virtually(main())


def test_a_refusal_of_the_whole_is_settled_as_one() -> None:
    async def main() -> None:
        site = Site()
        site.detection.refusals = [ControlPlaneError(ErrorCode.UNKNOWN_RELEASE, "no such release")]
        job, delivery = await accepted(site)
        assert await site.worker().handle(delivery) is Ending.FAILED
        assert (await site.job(job.job_id)).dead is DeadReason.UNPROCESSABLE

    run_virtually(main())


def test_a_message_that_is_never_adopted_ends_among_the_dead_letters() -> None:
    async def main() -> None:
        site = Site()
        worker = site.worker()
        tries = 0

        async def broken(delivery: Delivery, order: object) -> None:
            nonlocal tries
            tries += 1
            raise RuntimeError("a bug")

        worker._adoption._adopt = broken  # type: ignore[method-assign, assignment]
        await site.publish(json.dumps(ORDER).encode())
        await site.work(worker)
        (job,) = await site.all_jobs()
        assert (job.dead, tries) == (DeadReason.UNPROCESSABLE, 3)
        assert (await site.job(job.job_id)).raw == json.dumps(ORDER)
        assert job.error is not None
        assert "RuntimeError" in job.error.message

    run_virtually(main())
