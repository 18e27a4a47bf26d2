"""Accepting jobs: what is refused, what a repeat is, and what a crash leaves."""

from __future__ import annotations

import asyncio
import hashlib
import threading

import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.jobs.intake import STEPS, Unconfirmed
from control_plane.services.result_cache import HASHED_IN_A_THREAD_BYTES
from tests.unit.services.jobs.site import PHOTO, Crash, Site, crash_at, submission
from tests.unit.virtual_time import run_virtually


async def refusal(site: Site, **asked: object) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as caught:
        await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    return caught.value


def test_a_job_is_stored_and_ordered_when_it_is_accepted() -> None:
    async def main() -> None:
        site = Site()
        job = await site.intake().submit(submission(deadline_s=60, priority=Priority.HIGH))

        assert await site.job(job.job_id) == job
        assert (job.state, job.published_at_s) == (DetectionStatus.QUEUED, job.created_at_s)
        assert job.deadline_at_s == job.created_at_s + 60
        assert (await site.messages.depths())[Priority.HIGH] == 1

    run_virtually(main())


@pytest.mark.parametrize("deadline_s", [0.0, -1.0, float("nan"), float("inf"), 8 * 86_400.0])
def test_a_deadline_that_is_none_or_too_far_is_refused(deadline_s: float) -> None:
    async def main() -> None:
        error = await refusal(Site(), deadline_s=deadline_s)
        assert (error.code, error.field) == (ErrorCode.INVALID_ARGUMENT, "deadline")

    run_virtually(main())


@pytest.mark.parametrize("key", ["", "k" * 256, "a\nb", "\x00"])
def test_a_key_that_is_none_is_refused(key: str) -> None:
    async def main() -> None:
        assert (await refusal(Site(), key=key)).field == "idempotency_key"

    run_virtually(main())


async def test_a_large_photo_is_hashed_beside_the_event_loop(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    sha256, threads = hashlib.sha256, []

    def remembered(data: bytes) -> object:
        if len(data) > HASHED_IN_A_THREAD_BYTES:
            threads.append(threading.get_ident())
        return sha256(data)

    monkeypatch.setattr(hashlib, "sha256", remembered)
    await Site().intake().submit(submission(photo=PHOTO + bytes(HASHED_IN_A_THREAD_BYTES)))
    assert threads
    assert threading.get_ident() not in threads


def test_what_is_no_photo_is_refused_before_anything_is_kept() -> None:
    async def main() -> None:
        site = Site()
        assert (await refusal(site, photo=b"text")).code is ErrorCode.PHOTO_INVALID
        assert (site.uploads.puts, await site.all_jobs()) == (0, ())

    run_virtually(main())


def test_a_repeat_is_the_same_job_and_its_photo_is_not_kept_twice() -> None:
    async def main() -> None:
        site = Site()
        first = await site.intake().submit(submission(photo=PHOTO, key="k"))
        again = await site.intake().submit(submission(photo=PHOTO, key="k"))

        assert again == first
        assert (await site.messages.depths())[Priority.NORMAL] == 1
        assert list(site.uploads.photos) == [first.job_id]

    run_virtually(main())


def test_repeats_at_the_same_time_are_one_job() -> None:
    async def main() -> None:
        site = Site()
        jobs = await asyncio.gather(
            *(site.intake().submit(submission(photo=PHOTO, key="k")) for _ in range(5))
        )
        assert len({job.job_id for job in jobs}) == 1
        assert list(site.uploads.photos) == [jobs[0].job_id]

    run_virtually(main())


@pytest.mark.parametrize(
    "other", [{"photo": PHOTO + b"!"}, {"photo": PHOTO, "engines": ("damage",)}, {}]
)
def test_another_request_under_the_same_key_is_a_conflict(other: dict[str, object]) -> None:
    async def main() -> None:
        site = Site()
        first = await site.intake().submit(submission(photo=PHOTO, key="k"))

        assert (await refusal(site, key="k", **other)).code is ErrorCode.CONFLICT
        assert site.uploads.photos == {first.job_id: PHOTO}

    run_virtually(main())


def test_a_full_queue_is_said_and_jobs_are_taken_again_once_some_are_done() -> None:
    async def main() -> None:
        site = Site()
        intake = site.intake(max_waiting=2)
        for _ in range(2):
            await intake.submit(submission())
        with pytest.raises(ControlPlaneError) as caught:
            await intake.submit(submission())
        assert (caught.value.code, caught.value.retry_after_s) == (ErrorCode.OVERLOADED, 5.0)

        await site.work(wait_s=0.0)
        await asyncio.sleep(1.0)
        await intake.submit(submission())

    run_virtually(main())


def test_while_the_queue_is_away_the_job_is_kept_and_a_repeat_orders_it() -> None:
    async def main() -> None:
        site = Site()
        site.queue.faults.is_away = True
        error = await refusal(site, key="k")
        (kept,) = await site.all_jobs()
        assert kept.published_at_s is None
        assert isinstance(error, Unconfirmed)
        assert (error.code, error.job_id) == (ErrorCode.QUEUE_UNAVAILABLE, kept.job_id)
        assert error.retry_after_s == 2.0
        assert "it is stored and will be worked on as soon as the queue is back" in error.message
        assert kept.job_id in error.message

        site.queue.faults.is_away = False
        again = await site.intake().submit(submission(key="k"))
        assert (again.job_id, again.published_at_s is None) == (kept.job_id, False)
        assert (await site.messages.depths())[Priority.NORMAL] == 1

    run_virtually(main())


def test_without_a_key_nobody_is_asked_to_repeat_what_is_kept() -> None:
    async def main() -> None:
        site = Site()
        site.queue.faults.is_away = True
        assert (await refusal(site)).retry_after_s is None

    run_virtually(main())


def test_while_the_store_is_away_nothing_is_accepted() -> None:
    async def main() -> None:
        site = Site()
        site.store.faults.is_away = True
        error = await refusal(site)
        assert (error.code, error.retry_after_s) == (ErrorCode.STORE_UNAVAILABLE, 2.0)

    run_virtually(main())


def test_an_order_that_was_not_noted_is_accepted_all_the_same() -> None:
    async def main() -> None:
        site = Site()
        site.store.faults.fails_at = (3, False)  # after the figures and the job itself
        job = await site.intake().submit(submission())
        assert job.published_at_s is None
        assert (await site.messages.depths())[Priority.NORMAL] == 1

    run_virtually(main())


def test_photos_that_cannot_be_kept_are_no_jobs() -> None:
    async def main() -> None:
        site = Site()
        site.uploads.is_away = True
        assert (await refusal(site, photo=PHOTO)).code is ErrorCode.PHOTO_UNAVAILABLE
        assert await site.all_jobs() == ()

    run_virtually(main())


@pytest.mark.parametrize("at", STEPS)
def test_after_a_crash_at_any_step_a_repeat_is_one_job_that_is_done_once(at: str) -> None:
    async def main() -> None:
        site = Site()
        with pytest.raises(Crash):
            await site.intake(step=crash_at(at)).submit(submission(photo=PHOTO, key="k"))
        job = await site.intake().submit(submission(photo=PHOTO, key="k"))
        await site.work()

        assert [one.job_id for one in await site.all_jobs()] == [job.job_id]
        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED
        assert job.job_id not in site.uploads.photos
        # Before there is a job, a photo may be left to be swept; never more than that one.
        assert len(site.uploads.photos) == (1 if at == "kept" else 0)

    run_virtually(main())


@pytest.mark.parametrize("at", ["added", "published", "noted"])
def test_after_a_crash_upkeep_goes_on_with_what_was_stored(at: str) -> None:
    async def main() -> None:
        site = Site()
        with pytest.raises(Crash):
            await site.intake(step=crash_at(at)).submit(submission())
        await asyncio.sleep(5.0)
        assert await site.upkeep().order_unpublished() == (0 if at == "noted" else 1)
        await site.work()

        (job,) = await site.all_jobs()
        assert (job.state, len(site.detection.requests)) == (DetectionStatus.COMPLETED, 1)

    run_virtually(main())
