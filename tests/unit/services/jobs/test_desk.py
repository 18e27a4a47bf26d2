"""What people ask of jobs, and what they do to dead ones."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest
from structlog.testing import capture_logs

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import DeadReason, Job, JobFilter
from control_plane.core.state import AuditEntry
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import StoreUnavailable
from control_plane.services.jobs.ending import Ending
from tests.unit.services.jobs.site import PHOTO, REFUSED, URL, Site, submission
from tests.unit.virtual_time import run_virtually


async def dead_letter(site: Site, **asked: object) -> Job:
    """Of a release that nobody has."""
    site.detection.refusals.append(ControlPlaneError(ErrorCode.UNKNOWN_RELEASE, "no such release"))
    job = await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    await site.work(wait_s=0.0)
    return await site.job(job.job_id)


async def code_of(asking: object) -> ErrorCode:
    with pytest.raises(ControlPlaneError) as caught:
        await asking  # type: ignore[misc]
    return caught.value.code


def test_a_job_is_shown_and_one_that_is_not_there_is_said() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        job = await site.intake().submit(submission())
        assert await desk.get(job.job_id) == job
        assert await desk.find(JobFilter(), limit=10) == (job,)
        assert (await desk.figures()).waiting[Priority.NORMAL] == 1
        assert (await desk.depths())[Priority.NORMAL] == 1
        assert await code_of(desk.get("another")) is ErrorCode.NOT_FOUND
        assert await code_of(desk.wait("another", timeout_s=1.0)) is ErrorCode.NOT_FOUND

    run_virtually(main())


def test_what_is_away_is_said() -> None:
    async def main() -> None:
        site = Site()
        site.store.faults.is_away = site.queue.faults.is_away = True
        desk = site.desk()
        assert await code_of(desk.get("a")) is ErrorCode.STORE_UNAVAILABLE
        assert await code_of(desk.figures()) is ErrorCode.STORE_UNAVAILABLE
        assert await code_of(desk.depths()) is ErrorCode.QUEUE_UNAVAILABLE

    run_virtually(main())


def test_who_waits_for_a_job_has_it_soon_after_its_end_and_no_longer_than_he_said() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        job = await site.intake().submit(submission())
        assert await code_of(desk.wait(job.job_id, timeout_s=3.0)) is ErrorCode.DEADLINE_EXCEEDED
        waiting = asyncio.create_task(desk.wait(job.job_id, timeout_s=100.0))
        await asyncio.sleep(1.0)
        await site.work(wait_s=0.0)
        before_s = asyncio.get_running_loop().time()
        assert (await waiting).state is DetectionStatus.COMPLETED
        assert asyncio.get_running_loop().time() - before_s <= 0.25

    run_virtually(main())


def test_a_replayed_dead_letter_is_done_with_all_its_attempts_and_written_down() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        dead = await dead_letter(site, photo=PHOTO)
        assert list(site.uploads.photos) == [dead.job_id]
        again = await desk.replay(dead.job_id, who="ada", reason="the release is there now")
        assert (again.run, again.attempts, again.published_at_s is None) == (1, 0, False)
        await site.work(wait_s=0.0)

        assert (await site.job(dead.job_id)).state is DetectionStatus.COMPLETED
        (entry,) = site.audit
        assert (entry.who, entry.action, entry.reason) == (
            "ada",
            "replay_job",
            "the release is there now",
        )
        assert entry.before["dead"] == "unprocessable"
        assert (entry.after["job"], entry.after["state"]) == (dead.job_id, "queued")
        assert site.uploads.photos == {}

    run_virtually(main())


def test_only_a_dead_letter_is_replayed_or_discarded() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        job = await site.intake().submit(submission())
        for _ in range(2):
            for act in (desk.replay, desk.discard, desk.resend):
                assert await code_of(act(job.job_id, who="ada")) is ErrorCode.CONFLICT
            await site.work(wait_s=0.0)
        assert site.audit == []

    run_virtually(main())


def test_a_discarded_dead_letter_stays_failed_and_its_photo_goes() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        dead = await dead_letter(site, photo=PHOTO)
        after = await desk.discard(dead.job_id, who="ada")
        assert (after.state, after.dead) == (DetectionStatus.FAILED, None)
        assert site.uploads.photos == {}
        assert await code_of(desk.discard(dead.job_id, who="ada")) is ErrorCode.CONFLICT
        assert [entry.action for entry in site.audit] == ["discard_job"]

    run_virtually(main())


def test_while_the_queue_is_away_a_replayed_job_waits_for_upkeep() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        dead = await dead_letter(site)
        site.queue.faults.is_away = True
        assert (await desk.replay(dead.job_id, who="ada")).published_at_s is None
        site.queue.faults.is_away = False
        await asyncio.sleep(5.0)
        assert await site.upkeep().order_unpublished() == 1

    run_virtually(main())


def test_a_message_that_nobody_could_read_can_only_be_discarded() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        await site.publish(b"{")
        await site.work(wait_s=0.0)
        (job,) = await site.all_jobs()
        assert await code_of(desk.replay(job.job_id, who="ada")) is ErrorCode.CONFLICT
        with capture_logs() as logs:
            assert await desk.replay_all(JobFilter(), limit=10, who="ada") == ()
        (line,) = logs
        assert (line["event"], line["passed_over"]) == ("dead letters were not replayed", 1)
        assert await desk.discard_all(JobFilter(), limit=10, who="ada") == (job.job_id,)

    run_virtually(main())


def test_a_message_whose_key_is_taken_is_not_said_to_be_unreadable() -> None:
    async def main() -> None:
        site = Site()
        body = {"engines": ["damage"], "url": URL, "key": "k"}
        await site.publish(json.dumps(body).encode(), message_id="m-1")
        other = json.dumps({**body, "engines": ["volume"]}).encode()
        await site.publish(other, message_id="m-2")
        await site.work()
        (dead,) = await site.desk().find(JobFilter(is_dead=True), limit=10)
        (first,) = [one for one in await site.all_jobs() if one.job_id != dead.job_id]
        with pytest.raises(ControlPlaneError) as caught:
            await site.desk().replay(dead.job_id, who="ada")
        assert first.job_id in caught.value.message
        assert "can only be discarded" in caught.value.message
        assert "could not be read" not in caught.value.message

    run_virtually(main())


def test_all_that_are_wanted_are_replayed_the_latest_first_so_many_at_most() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()
        dead = [await dead_letter(site) for _ in range(5)]
        low = await dead_letter(site, priority=Priority.LOW)
        wanted = JobFilter(priority=Priority.NORMAL, dead=DeadReason.UNPROCESSABLE)
        first = await desk.replay_all(wanted, limit=3, who="ada", reason="again")
        rest = await desk.replay_all(wanted, limit=3, who="ada")

        assert set(first) | set(rest) == {job.job_id for job in dead}
        assert (len(first), len(rest)) == (3, 2)
        assert (await site.job(low.job_id)).dead is not None
        assert [(entry.action, entry.after["count"]) for entry in site.audit] == [
            ("replay_jobs", 3),
            ("replay_jobs", 2),
        ]
        assert await desk.discard_all(JobFilter(), limit=9, who="ada") == (low.job_id,)
        assert await desk.discard_all(JobFilter(), limit=9, who="ada") == ()
        assert len(site.audit) == 3

    run_virtually(main())


@pytest.mark.parametrize("act", ["replay_all", "discard_all"])
def test_what_was_done_to_some_is_in_the_audit_where_the_rest_could_not_be_done(act: str) -> None:
    async def main() -> None:
        site = Site()
        dead = [(await dead_letter(site)).job_id for _ in range(4)]
        change = site.store.jobs.change

        async def away(job_id: str, decide: Callable[[Job, float], Job]) -> Job:
            if job_id == dead[0]:  # the last to come
                raise StoreUnavailable("it is away")
            return await change(job_id, decide)

        site.store.jobs.change = away  # type: ignore[method-assign]
        acting = getattr(site.desk(), act)(JobFilter(), limit=9, who="ada")
        assert await code_of(acting) is ErrorCode.STORE_UNAVAILABLE
        (entry,) = site.audit
        assert entry.after == {"jobs": dead[:0:-1], "count": 3}

    run_virtually(main())


def test_every_job_is_named_in_the_audit_a_page_in_each_entry() -> None:
    async def main() -> None:
        site = Site()
        dead = {(await dead_letter(site)).job_id for _ in range(150)}
        await site.desk().discard_all(JobFilter(), limit=1000, who="ada")
        assert [entry.after["count"] for entry in site.audit] == [100, 50]
        assert {one for entry in site.audit for one in entry.after["jobs"]} == dead

    run_virtually(main())


def test_an_audit_that_cannot_be_written_does_not_undo_what_was_done() -> None:
    async def main() -> None:
        site = Site()
        desk = site.desk()

        async def record(entry: AuditEntry) -> None:
            raise ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "away")

        desk._record = record
        dead = await dead_letter(site)
        assert (await desk.replay(dead.job_id, who="ada")).run == 1

    run_virtually(main())


def test_a_result_that_was_given_up_is_sent_again_as_it_was() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        desk = site.desk()
        job = await site.intake().submit(submission())
        (delivery,) = await site.take()
        assert await site.worker().handle(delivery) is Ending.COMPLETED
        site.sink.answers = [REFUSED]
        await site.delivering().deliver(job.job_id)
        assert (await desk.figures()).undelivered == 1
        await desk.resend(job.job_id, who="ada")
        await site.delivering().deliver(job.job_id)

        assert {name: len(bodies) for name, bodies in site.sink.received.items()} == {
            f"{job.job_id}.0": 1
        }
        assert (await desk.figures()).undelivered == 0
        assert [entry.action for entry in site.audit] == ["resend_job"]

    run_virtually(main())


def test_all_results_that_were_given_up_are_sent_again_so_many_at_most() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        desk = site.desk()
        ids = []
        for _ in range(4):
            job = await site.intake().submit(submission())
            ids.append(job.job_id)
            (delivery,) = await site.take()
            assert await site.worker().handle(delivery) is Ending.COMPLETED
        *given_up, delivered = ids
        for job_id in ids:
            site.sink.answers = [] if job_id == delivered else [REFUSED]
            await site.delivering().deliver(job_id)
        assert (await desk.figures()).undelivered == 3
        assert await desk.resend_all(JobFilter(engine="none"), limit=9, who="ada") == ()
        first = await desk.resend_all(JobFilter(), limit=2, who="ada", reason="mended")
        rest = await desk.resend_all(JobFilter(), limit=2, who="ada")

        assert (len(first), len(rest)) == (2, 1)
        assert set(first) | set(rest) == set(given_up)
        for job_id in given_up:
            await site.delivering().deliver(job_id)
        assert {name: len(bodies) for name, bodies in site.sink.received.items()} == {
            f"{job_id}.0": 1 for job_id in ids
        }
        assert [(entry.action, entry.after["count"]) for entry in site.audit] == [
            ("resend_jobs", 2),
            ("resend_jobs", 1),
        ]

    run_virtually(main())
