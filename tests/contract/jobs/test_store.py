"""A job is stored once, read as it was written, and changed by one at a time."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import AsyncExitStack
from dataclasses import replace
from math import nan
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings

from control_plane.adapters.stores import SqlJobs, open_store
from control_plane.adapters.stores.database import now_s
from control_plane.core.jobs import Job, JobFilter
from control_plane.core.jobs.transitions import AlreadyFinished, claim
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.contract.jobs import samples
from tests.contract.jobs.conftest import Jobs, Stage
from tests.contract.jobs.samples import as_it_is, becomes, made


async def test_what_is_added_is_read(jobs: Jobs) -> None:
    job, is_new = await jobs.add(made())
    assert is_new
    assert await jobs.get(job.job_id) == job
    assert job.created_at_s == job.updated_at_s > 0


async def test_everything_in_a_job_is_kept(jobs: Jobs) -> None:
    job, is_new = await jobs.add(as_it_is(samples.WHOLE_JOB))
    assert is_new
    assert job == samples.WHOLE_JOB == await jobs.get(job.job_id)


@settings(
    max_examples=40,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(job=samples.jobs)
async def test_any_job_is_kept(jobs: Jobs, job: Job) -> None:
    # The same id is the same job, and examples may share one.
    job = replace(job, job_id=samples.new_id())
    stored, _ = await jobs.add(as_it_is(job))
    assert stored == await jobs.get(job.job_id) == job
    changed = await jobs.change(job.job_id, becomes(answer=samples.WHOLE_ANSWER, raw=None))
    assert changed == await jobs.get(job.job_id)
    assert changed == replace(job, answer=samples.WHOLE_ANSWER, raw=None)


async def test_the_same_id_is_the_same_job(jobs: Jobs) -> None:
    first, _ = await jobs.add(made(raw="1"))
    second, is_new = await jobs.add(made(first.job_id, raw="2", idempotency_key="k"))
    assert (second, is_new) == (first, False)
    # The key of what was not stored is nobody's.
    assert (await jobs.add(made(idempotency_key="k")))[1]


async def test_the_same_key_is_the_same_job_whatever_has_become_of_it(jobs: Jobs) -> None:
    first, _ = await jobs.add(made(idempotency_key="k"))
    await jobs.add(made(idempotency_key="K"))
    changed = await jobs.change(first.job_id, becomes(attempts=7, answer=samples.WHOLE_ANSWER))
    assert await jobs.add(made(idempotency_key="k")) == (changed, False)


async def test_jobs_without_a_key_are_all_different(jobs: Jobs) -> None:
    assert [(await jobs.add(made()))[1] for _ in range(3)] == [True] * 3


async def test_who_add_the_same_key_at_once_have_one_job(stage: Stage) -> None:
    async with AsyncExitStack() as stack:
        views = [await stack.enter_async_context(stage.again()) for _ in range(3)]
        for n in range(5):
            answers = await asyncio.gather(
                *(view.add(made(idempotency_key=f"k{n}")) for view in views for _ in range(4))
            )
            assert Counter(is_new for _, is_new in answers) == {True: 1, False: 11}
            assert len({job.job_id for job, _ in answers}) == 1
    assert len(await stage.jobs.find(JobFilter())) == 5


async def test_changes_that_race_follow_one_another(stage: Stage) -> None:
    job, _ = await stage.jobs.add(made())
    async with stage.again() as other:

        def one_more(job: Job, now_s: float) -> Job:
            return replace(job, attempts=job.attempts + 1, updated_at_s=now_s)

        await asyncio.gather(
            *(view.change(job.job_id, one_more) for view in (stage.jobs, other) for _ in range(15))
        )
        changed = await other.get(job.job_id)
    assert changed is not None
    assert changed.attempts == 30


async def test_of_two_who_claim_a_job_one_has_it(stage: Stage) -> None:
    job, _ = await stage.jobs.add(made())
    async with stage.again() as other:
        outcomes = await asyncio.gather(
            *(
                view.change(
                    job.job_id,
                    lambda job, now_s, name=name: claim(job, now_s, worker=name, ttl_s=9),
                )
                for view, name in ((stage.jobs, "a"), (other, "b"))
            ),
            return_exceptions=True,
        )
    assert sorted(type(one).__name__ for one in outcomes) == ["ClaimedElsewhere", "Job"]


class Odd(Exception):
    pass


@pytest.mark.parametrize(
    "error", [Odd(), AlreadyFinished(), OSError("o"), TimeoutError("t"), KeyError("k")]
)
async def test_what_a_decision_raises_is_raised_and_nothing_changed(
    jobs: Jobs, error: Exception
) -> None:
    job, _ = await jobs.add(made())

    def refuse(*_: object) -> Job:
        raise error

    with pytest.raises(type(error)) as caught:
        await jobs.change(job.job_id, refuse)
    assert caught.value is error
    assert caught.value.__context__ is None
    with pytest.raises(type(error)) as caught:
        await jobs.add(refuse)
    assert caught.value is error
    assert await jobs.get(job.job_id) == job
    assert await jobs.change(job.job_id, becomes(attempts=1)) == replace(job, attempts=1)


async def test_a_change_has_the_time_of_the_store(jobs: Jobs) -> None:
    job, _ = await jobs.add(made())
    times: list[float] = []
    for _ in range(3):
        await jobs.change(job.job_id, lambda job, now_s: times.append(now_s) or job)  # type: ignore[func-returns-value]
    assert job.created_at_s <= times[0] <= times[1] <= times[2] < job.created_at_s + 60


@pytest.mark.parametrize("unknown", ["nothing", "no\0thing", "\ud800"])
async def test_a_job_that_is_not_there(jobs: Jobs, unknown: str) -> None:
    assert await jobs.get(unknown) is None
    assert await jobs.find(JobFilter(before=unknown)) == ()
    assert await jobs.states_of([unknown]) == {}
    with pytest.raises(ControlPlaneError) as caught:
        await jobs.change(unknown, becomes())
    assert caught.value.code is ErrorCode.NOT_FOUND


async def test_what_cannot_be_stored_is_refused_whole(jobs: Jobs) -> None:
    job, _ = await jobs.add(made())
    with pytest.raises(ValueError, match="nan"):
        await jobs.change(job.job_id, becomes(due_at_s=nan))
    answer = replace(samples.WHOLE_ANSWER, processing_time_ms=nan)
    with pytest.raises(ValueError, match="JSON compliant"):
        await jobs.change(job.job_id, becomes(answer=answer, attempts=1))
    assert await jobs.get(job.job_id) == job


async def test_a_store_that_is_opened_again_has_its_jobs(location: str | Path) -> None:
    async with open_store(location) as store:
        job, _ = await SqlJobs(store.database).add(as_it_is(samples.WHOLE_JOB))
    async with open_store(location) as store:
        assert await SqlJobs(store.database).get(job.job_id) == samples.WHOLE_JOB


async def test_a_change_that_waited_has_the_time_of_its_turn(stage: Stage) -> None:
    """A time from before another one's change would let two hold the same job."""
    job, _ = await stage.jobs.add(made())
    order: list[tuple[int, float]] = []

    def note(job: Job, now_s: float) -> Job:
        order.append((job.attempts, now_s))
        return replace(job, attempts=job.attempts + 1)

    async with stage.again() as other:
        await asyncio.gather(
            *(view.change(job.job_id, note) for view in (stage.jobs, other) for _ in range(10))
        )
    assert [attempts for attempts, _ in sorted(order)] == list(range(20))
    times = [now_s for _, now_s in sorted(order)]
    assert times == sorted(times)


async def test_a_change_that_waited_for_a_lock_has_the_time_after_it(location: str | Path) -> None:
    async with open_store(location, timeout_s=30.0) as store:
        jobs = SqlJobs(store.database)
        job, _ = await jobs.add(made())
        times: list[float] = []

        def note(job: Job, now_s: float) -> Job:
            times.append(now_s)
            return job

        async with open_store(location) as other, other.database.writing() as connection:
            await connection.exec_driver_sql("UPDATE jobs SET updated_at_s = updated_at_s")
            changing = asyncio.create_task(jobs.change(job.job_id, note))
            await asyncio.sleep(0.3)  # until it waits; sooner does no harm
            unlocked_s = await now_s(connection)
        await changing
    assert times[0] >= unlocked_s
