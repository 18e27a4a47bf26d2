"""What is due, what is forgotten, what is counted, and how it is found."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import (
    Claim,
    DeadReason,
    Handover,
    Job,
    JobError,
    JobFilter,
    JobRequest,
)
from control_plane.errors import ErrorCode
from control_plane.ports import Due
from tests.contract.jobs import samples
from tests.contract.jobs.conftest import Jobs, Stage
from tests.contract.jobs.samples import Make, becomes, made

QUEUED, PROCESSING = DetectionStatus.QUEUED, DetectionStatus.PROCESSING
COMPLETED, FAILED = DetectionStatus.COMPLETED, DetectionStatus.FAILED
AGO_S = 100.0


async def add(jobs: Jobs, **changes: object) -> Job:
    return (await jobs.add(made(**changes)))[0]


def shifted(by_s: float, **changes: object) -> Make:
    """As it would have been made so long ago; times in the changes count from then, too."""

    def make(now_s: float) -> Job:
        at_s = now_s - by_s
        job = replace(made()(at_s), **changes)
        if job.claim is not None:
            job = replace(job, claim=replace(job.claim, expires_at_s=at_s))
        if job.published_at_s is not None:
            job = replace(job, published_at_s=at_s)
        if job.handover is not None and job.handover.due_at_s is not None:
            job = replace(job, handover=replace(job.handover, due_at_s=at_s))
        return replace(job, deadline_at_s=at_s if job.deadline_at_s == 0 else at_s + 10 * AGO_S)

    return make


CLAIM = Claim("w", 0, 1, 0.0)
CASES: dict[Due, dict[str, object]] = {
    Due.UNPUBLISHED: {},
    Due.STRANDED: {"state": PROCESSING, "claim": CLAIM, "published_at_s": 0.0},
    Due.OVERDUE: {"deadline_at_s": 0, "state": PROCESSING, "published_at_s": 0.0},
    Due.FORGOTTEN: {"published_at_s": 0.0},
    Due.UNDELIVERED: {"state": COMPLETED, "handover": Handover(0, due_at_s=0.0)},
}
OVER: dict[str, object] = {
    "claim": None,
    "published_at_s": 1.0,
    "handover": None,
    "state": COMPLETED,
}


@pytest.mark.parametrize("what", Due)
async def test_what_is_due_is_found_the_longest_first(jobs: Jobs, what: Due) -> None:
    ago_s = (AGO_S + 20, AGO_S + 30, AGO_S + 10, AGO_S / 2)
    ids = [(await jobs.add(shifted(one, **CASES[what])))[0].job_id for one in ago_s]
    for other in Due:
        if other is not what:
            await jobs.add(shifted(10 * AGO_S - 20, **CASES[other]))
    await jobs.add(shifted(10 * AGO_S - 20, **OVER))

    found = await jobs.due(what, since_s=AGO_S, limit=10)

    assert [one for one in found if one in ids] == [ids[1], ids[0], ids[2]]
    assert len(found) <= 4
    assert await jobs.due(what, since_s=AGO_S, limit=1) == found[:1]
    assert ids[3] in await jobs.due(what, since_s=0.0, limit=100)
    # And not any more once the job is over.
    for job_id in ids:
        await jobs.change(job_id, becomes(**OVER))
    assert not set(ids) & set(await jobs.due(what, since_s=0.0, limit=100))


async def test_only_what_it_is_about_is_due(jobs: Jobs) -> None:
    """Each kind of job is of its own kind alone, as far as it is not overdue as well."""
    for what, case in CASES.items():
        job, _ = await jobs.add(shifted(AGO_S, **case))
        for other in Due:
            found = await jobs.due(other, since_s=1.0, limit=10)
            assert (job.job_id in found) == (other is what), (what, other)


async def test_what_is_due_later_is_not_forgotten_yet(jobs: Jobs) -> None:
    job, _ = await jobs.add(shifted(AGO_S, published_at_s=0.0))
    assert await jobs.due(Due.FORGOTTEN, since_s=10.0, limit=9) == (job.job_id,)
    await jobs.change(job.job_id, lambda job, now_s: replace(job, due_at_s=now_s + 1))
    assert await jobs.due(Due.FORGOTTEN, since_s=0.0, limit=9) == ()
    # Published anew, it is given time again.
    await jobs.change(
        job.job_id, lambda job, now_s: replace(job, due_at_s=now_s - AGO_S, published_at_s=now_s)
    )
    assert await jobs.due(Due.FORGOTTEN, since_s=50.0, limit=9) == ()


async def test_states_are_told_by_id(jobs: Jobs) -> None:
    one, other = await add(jobs), await add(jobs, state=COMPLETED)
    await add(jobs)
    assert await jobs.states_of([one.job_id, other.job_id, "nothing"]) == {
        one.job_id: (QUEUED, one.updated_at_s),
        other.job_id: (COMPLETED, other.updated_at_s),
    }
    assert await jobs.states_of([]) == {}
    many = [one.job_id, *(samples.new_id() for _ in range(1500))]
    assert list(await jobs.states_of(many)) == [one.job_id]


def pages(found: tuple[Job, ...]) -> list[str]:
    return [job.job_id for job in found]


async def test_the_latest_are_found_first_page_by_page(jobs: Jobs) -> None:
    ids = [(await add(jobs)).job_id for _ in range(7)][::-1]
    assert pages(await jobs.find(JobFilter())) == ids
    assert pages(await jobs.find(JobFilter(), limit=3)) == ids[:3]
    assert pages(await jobs.find(JobFilter(before=ids[2]), limit=3)) == ids[3:6]
    assert pages(await jobs.find(JobFilter(before=ids[-1]))) == []


async def test_of_those_of_the_same_time_the_last_is_the_latest(jobs: Jobs) -> None:
    ids = [(await add(jobs, created_at_s=5.0)).job_id for _ in range(7)][::-1]
    assert pages(await jobs.find(JobFilter(), limit=4)) == ids[:4]
    assert pages(await jobs.find(JobFilter(before=ids[3]), limit=4)) == ids[4:]


async def test_a_page_has_nothing_that_is_large(jobs: Jobs) -> None:
    whole = samples.WHOLE_JOB
    await jobs.add(samples.as_it_is(whole))
    assert await jobs.find(JobFilter()) == (replace(whole, answer=None, raw=None),)


ODD_ONE: dict[str, object] = {
    "request": JobRequest(("volume", "roof"), "odd", photo_url="file:///p.jpg"),
    "priority": Priority.LOW,
    "state": FAILED,
    "dead": DeadReason.FAILED,
    "error": JobError(ErrorCode.INTERNAL, "m", 1.0),
    "created_at_s": 5.0,
    "handover": Handover(0, 3),
}


@pytest.mark.parametrize(
    "wanted",
    [
        JobFilter(states=frozenset({FAILED})),
        JobFilter(states=frozenset({FAILED, DetectionStatus.PARTIAL})),
        JobFilter(priority=Priority.LOW),
        JobFilter(dead=DeadReason.FAILED),
        JobFilter(is_dead=True),
        JobFilter(is_dead=True, dead=DeadReason.FAILED),
        JobFilter(is_undelivered=True),
        JobFilter(engine="roof"),
        JobFilter(engine="volume"),
        JobFilter(code=ErrorCode.INTERNAL),
        JobFilter(correlation_id="odd"),
        JobFilter(created_before_s=5.5),
        JobFilter(created_after_s=4.5, created_before_s=5.5),
        JobFilter(engine="roof", states=frozenset(DetectionStatus), created_before_s=6.0),
        JobFilter(
            states=frozenset(DetectionStatus),
            priority=Priority.LOW,
            dead=DeadReason.FAILED,
            is_dead=True,
            is_undelivered=True,
            engine="volume",
            code=ErrorCode.INTERNAL,
            correlation_id="odd",
            created_after_s=4.0,
            created_before_s=6.0,
        ),
    ],
)
async def test_a_filter_finds_the_one_that_is_meant(jobs: Jobs, wanted: JobFilter) -> None:
    await add(jobs)
    odd = await add(jobs, **ODD_ONE)
    latest = await add(
        jobs,
        state=COMPLETED,
        handover=Handover(0, 1, delivered_at_s=1.0),
        error=JobError(ErrorCode.OVERLOADED, "m", 1.0),
    )
    assert pages(await jobs.find(wanted)) == [odd.job_id]
    assert pages(await jobs.find(replace(wanted, before=latest.job_id))) == [odd.job_id]
    assert await jobs.find(replace(wanted, before=odd.job_id)) == ()


@pytest.mark.parametrize(
    "wanted",
    [
        JobFilter(is_dead=False),
        JobFilter(is_undelivered=False),
        JobFilter(created_after_s=5.5),
        JobFilter(engine="damage"),
        JobFilter(correlation_id="c"),
        JobFilter(states=frozenset({QUEUED, COMPLETED})),
    ],
)
async def test_a_filter_leaves_out_the_one_that_is_not(jobs: Jobs, wanted: JobFilter) -> None:
    ids = [(await add(jobs)).job_id, (await add(jobs, state=COMPLETED)).job_id]
    await add(jobs, **ODD_ONE)
    assert pages(await jobs.find(wanted)) == ids[::-1]


async def test_a_filter_that_nothing_meets(jobs: Jobs) -> None:
    await add(jobs)
    for wanted in (
        JobFilter(states=frozenset()),
        JobFilter(engine="no\0thing"),
        JobFilter(correlation_id="\ud800"),
        JobFilter(is_dead=True, is_undelivered=False),
        JobFilter(created_after_s=1e12),
    ):
        assert await jobs.find(wanted) == ()


async def test_only_what_was_over_long_ago_is_forgotten(stage: Stage) -> None:
    jobs = stage.jobs
    dead: dict[str, object] = {"state": FAILED, "dead": DeadReason.FAILED}
    gone = [(await jobs.add(shifted(AGO_S + n, state=COMPLETED)))[0].job_id for n in (2, 1, 3)]
    discarded, _ = await jobs.add(shifted(AGO_S, state=FAILED, idempotency_key="k"))
    letter, _ = await jobs.add(shifted(5 * AGO_S, **dead))
    given_up, _ = await jobs.add(shifted(5 * AGO_S, state=COMPLETED, handover=Handover(0, 1)))
    kept = [
        (await jobs.add(shifted(AGO_S / 2, state=COMPLETED)))[0],
        (await jobs.add(shifted(AGO_S * 2, **dead)))[0],
        (await jobs.add(shifted(AGO_S * 2, state=COMPLETED, handover=Handover(0, 1))))[0],
        (await jobs.add(shifted(AGO_S * 9, state=COMPLETED, handover=Handover(0, 1, 0.0))))[0],
        (await jobs.add(shifted(AGO_S * 9, **CASES[Due.STRANDED])))[0],
        (await jobs.add(shifted(AGO_S * 9)))[0],
    ]

    assert await jobs.forget(finished_s=AGO_S, dead_s=4 * AGO_S, limit=1) == (gone[2],)
    rest = await jobs.forget(finished_s=AGO_S, dead_s=4 * AGO_S, limit=100)
    assert set(rest) == {gone[0], gone[1], discarded.job_id, letter.job_id, given_up.job_id}
    assert await jobs.forget(finished_s=AGO_S, dead_s=4 * AGO_S, limit=100) == ()

    assert {job.job_id for job in await jobs.find(JobFilter(engine="damage"))} == {
        job.job_id for job in kept
    }
    assert await jobs.get(gone[0]) is None
    assert (await jobs.add(made(idempotency_key="k")))[1]


async def test_figures_of_nothing(jobs: Jobs) -> None:
    figures = await jobs.figures()
    assert figures.waiting == dict.fromkeys(Priority, 0)
    assert figures.oldest_age_s == dict.fromkeys(Priority, 0.0)
    assert figures.states == {QUEUED: 0, PROCESSING: 0}
    assert figures.dead == dict.fromkeys(DeadReason, 0)
    assert (figures.undelivered, figures.sending) == (0, 0)


async def test_figures_are_of_what_is_there(jobs: Jobs) -> None:
    for ago_s in (30.0, 50.0):
        await jobs.add(shifted(ago_s, priority=Priority.HIGH))
    late, _ = await jobs.add(shifted(70.0, priority=Priority.HIGH))
    await jobs.change(late.job_id, lambda job, now_s: replace(job, due_at_s=now_s + 60))
    await jobs.add(shifted(10.0, priority=Priority.LOW))
    await jobs.add(shifted(90.0, priority=Priority.NORMAL, **CASES[Due.STRANDED]))
    await add(jobs, state=COMPLETED, handover=Handover(0, 1))
    await add(jobs, state=COMPLETED, handover=Handover(0, 1, delivered_at_s=1.0))
    for reason in (DeadReason.FAILED, DeadReason.FAILED, DeadReason.UNPROCESSABLE):
        await add(jobs, state=FAILED, dead=reason)

    figures = await jobs.figures()

    assert figures.waiting == {Priority.HIGH: 3, Priority.NORMAL: 0, Priority.LOW: 1}
    ages_s = figures.oldest_age_s
    assert ages_s[Priority.HIGH] == pytest.approx(50.0, abs=5)
    assert ages_s[Priority.LOW] == pytest.approx(10.0, abs=5)
    assert ages_s[Priority.NORMAL] == 0.0
    assert figures.states == {QUEUED: 4, PROCESSING: 1}
    assert figures.dead == {DeadReason.FAILED: 2, DeadReason.UNPROCESSABLE: 1}
    assert figures.undelivered == 1
    assert figures.sending == len(await jobs.due(Due.UNDELIVERED, since_s=0.0, limit=50))
