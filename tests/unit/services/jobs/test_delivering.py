"""Results on their way: sent until they have arrived, and every time the same."""

from __future__ import annotations

import asyncio
import json

import pytest
from structlog.testing import capture_logs

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import Handover, Job, JobFigures, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import ResultUnsent, StoreUnavailable
from control_plane.services.jobs.delivering import Sent
from tests.unit.services.jobs.site import REFUSED, UNSENT, FaultyJobs, Site, now_s, submission
from tests.unit.virtual_time import run_virtually


async def finished(site: Site) -> Job:
    job = await site.intake().submit(submission())
    await site.work(wait_s=0.0)
    return await site.job(job.job_id)


async def handover(site: Site, job: Job) -> Handover:
    found = (await site.job(job.job_id)).handover
    assert found is not None
    return found


def test_a_result_is_sent_once_and_then_no_more() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        delivering = site.delivering()
        assert await delivering.due(limit=10) == (job.job_id,)
        assert await delivering.deliver(job.job_id) is Sent.DELIVERED
        assert await delivering.due(limit=10) == ()
        assert await delivering.deliver(job.job_id) is Sent.PASSED

        ((body,),) = site.sink.received.values()
        document = json.loads(body)
        assert (document["request_id"], document["status"]) == (job.job_id, "completed")
        assert document["results"]["damage"] == {"call": 1}

    run_virtually(main())


def test_without_a_receiver_nothing_is_due() -> None:
    async def main() -> None:
        site = Site()
        await finished(site)
        assert await site.delivering().due(limit=10) == ()

    run_virtually(main())


def test_a_receiver_that_is_away_is_tried_again_and_then_given_up() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.sink.answers = [UNSENT, ResultUnsent("later", retry_after_s=60.0), UNSENT]
        delivering = site.delivering()
        assert await delivering.deliver(job.job_id) is Sent.PUT_OFF
        due_at_s = (await handover(site, job)).due_at_s
        assert due_at_s is not None
        assert 2.5 <= due_at_s - now_s() <= 5.0
        await asyncio.sleep(5.0)
        assert await delivering.deliver(job.job_id) is Sent.PUT_OFF
        assert (await handover(site, job)).due_at_s == now_s() + 60.0
        await asyncio.sleep(60.0)
        assert await delivering.deliver(job.job_id) is Sent.GIVEN_UP

        assert await handover(site, job) == Handover(0, attempts=3, error="come again")
        undelivered = await site.store.jobs.find(JobFilter(is_undelivered=True))
        assert [one.job_id for one in undelivered] == [job.job_id]
        assert [len(bodies) for bodies in site.sink.received.values()] == [1]

    run_virtually(main())


def test_a_receiver_that_refuses_is_not_asked_again() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.sink.answers = [REFUSED]
        assert await site.delivering().deliver(job.job_id) is Sent.GIVEN_UP
        assert (await handover(site, job)).error == "never"

    run_virtually(main())


def test_a_slow_receiver_is_left_after_its_time() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.sink.takes_s = 11.0
        assert await site.delivering().deliver(job.job_id) is Sent.PUT_OFF
        assert asyncio.get_running_loop().time() == 10.0

    run_virtually(main())


def test_two_deliverers_do_not_send_a_result_side_by_side() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.sink.takes_s = 5.0
        sent = await asyncio.gather(
            *(site.delivering().deliver(job.job_id) for _ in range(3)),
        )
        assert sorted(sent) == [Sent.DELIVERED, Sent.PASSED, Sent.PASSED]
        assert site.sink.sends == 1

    run_virtually(main())


def test_a_deliverer_that_could_not_note_it_has_it_sent_again_with_the_same_bytes() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.store.faults.calls = 0
        site.store.faults.fails_at = (2, False)
        with pytest.raises(StoreUnavailable):
            await site.delivering().deliver(job.job_id)
        assert await site.delivering().due(limit=10) == ()
        await asyncio.sleep(41.0)
        assert await site.delivering().deliver(job.job_id) is Sent.DELIVERED
        assert site.sink.sends == 2
        assert [len(bodies) for bodies in site.sink.received.values()] == [1]

    run_virtually(main())


def test_each_run_of_a_job_has_a_result_of_its_own() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        site.detection.refusals = [ControlPlaneError(ErrorCode.UNKNOWN_RELEASE, "no such release")]
        job = await finished(site)
        await site.delivering().deliver(job.job_id)
        await site.desk().replay(job.job_id, who="ada")
        await site.work(wait_s=0.0)
        await site.delivering().deliver(job.job_id)

        statuses = {
            name: [json.loads(body)["status"] for body in bodies]
            for name, bodies in site.sink.received.items()
        }
        assert statuses == {f"{job.job_id}.0": ["failed"], f"{job.job_id}.1": ["completed"]}

    run_virtually(main())


def test_a_result_that_is_on_its_way_while_its_job_is_replayed_does_no_harm() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        site.detection.refusals = [ControlPlaneError(ErrorCode.UNKNOWN_RELEASE, "no such release")]
        job = await finished(site)
        site.sink.takes_s = 5.0
        sending = asyncio.create_task(site.delivering().deliver(job.job_id))
        await asyncio.sleep(1.0)
        await site.desk().replay(job.job_id, who="ada")
        await site.work(wait_s=0.0)
        assert await sending is Sent.PASSED
        assert (await site.job(job.job_id)).state is DetectionStatus.COMPLETED
        assert await site.delivering().deliver(job.job_id) is Sent.DELIVERED

    run_virtually(main())


def test_a_receiver_that_fails_is_told_once_and_so_is_its_recovery() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        jobs = [await finished(site) for _ in range(3)]
        assert (await site.store.figures()).sending == 3
        site.sink.answers = [ResultUnsent("503: at lunch"), UNSENT]
        delivering = site.delivering()
        with capture_logs() as logs:
            sent = [await delivering.deliver(job.job_id) for job in jobs]
            assert (await site.store.figures()).sending == 2
            await asyncio.sleep(30.0)
            assert await delivering.deliver(jobs[0].job_id) is Sent.DELIVERED
        assert sent == [Sent.PUT_OFF, Sent.PUT_OFF, Sent.DELIVERED]
        assert logs == [
            {
                "event": "results are not taken",
                "log_level": "warning",
                "reason": "503: at lunch",
                "waiting": 3,
                "job_id": jobs[0].job_id,
            },
            {
                "event": "results are taken again",
                "log_level": "info",
                "job_id": jobs[2].job_id,
            },
        ]

    run_virtually(main())


def test_how_many_wait_is_left_out_where_the_store_does_not_say() -> None:
    class Uncounted(FaultyJobs):
        async def figures(self) -> JobFigures:
            raise StoreUnavailable("it is away")

    async def main() -> None:
        site = Site(is_sent=True)
        job = await finished(site)
        site.store = Uncounted(site.store.jobs)
        site.sink.answers = [UNSENT]
        with capture_logs() as logs:
            assert await site.delivering().deliver(job.job_id) is Sent.PUT_OFF
        assert logs[0]["waiting"] is None

    run_virtually(main())
