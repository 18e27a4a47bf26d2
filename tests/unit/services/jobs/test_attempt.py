"""One delivery from take to settle, with everything going wrong on the way."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Delivery
from control_plane.services.jobs.attempt import STEPS
from control_plane.services.jobs.ending import Ending
from tests.unit.services.jobs.site import (
    PHOTO,
    Site,
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
