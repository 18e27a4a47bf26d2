"""Messages of other services: each becomes one job, or one dead letter."""

from __future__ import annotations

import json

import pytest

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ErrorCode
from control_plane.ports import Delivery
from control_plane.services.jobs.ending import Ending
from tests.unit.services.jobs.site import (
    EPOCH_S,
    URL,
    Site,
    submission,
)
from tests.unit.virtual_time import run_virtually

FAULT = EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")
FULL = EngineFailure(ErrorCode.OVERLOADED, "no room", 2.0)


async def accepted(site: Site, **asked: object) -> tuple[Job, Delivery]:
    job = await site.intake().submit(submission(**asked))  # type: ignore[arg-type]
    (delivery,) = await site.take()
    return job, delivery


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
