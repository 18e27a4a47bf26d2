"""What each event makes of a job, and what it refuses, leaving the job as it was."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import (
    AlreadyFinished,
    Claim,
    ClaimedElsewhere,
    ClaimLost,
    DeadReason,
    Handover,
    IllegalJobEvent,
    Job,
    NotDue,
)
from control_plane.core.jobs.transitions import (
    bury,
    claim,
    discard,
    finish,
    give_back,
    publish,
    renew,
    replay,
    retry,
    strand,
)
from control_plane.errors import ErrorCode
from tests.unit.core.jobs.making import ENGINES, NOW_S, a_job, an_answer, an_error, failing

LATER_S = NOW_S + 10.0
TTL_S = 30.0
FOUND = an_answer("damage", errors={"volume": failing()})
WHOLE = an_answer(*ENGINES)


def claimed(job: Job | None = None, *, worker: str = "w-1", now_s: float = NOW_S) -> Job:
    return claim(a_job() if job is None else job, now_s, worker=worker, ttl_s=TTL_S)


def held(job: Job) -> Claim:
    assert job.claim is not None
    return job.claim


def dead(**changes: object) -> Job:
    job = claimed()
    error = an_error()
    buried = bury(job, NOW_S, reason=DeadReason.FAILED, error=error, is_sent=True, claim=held(job))
    return replace(buried, **changes)


def finished() -> Job:
    job = claimed()
    return finish(job, NOW_S, claim=held(job), answer=WHOLE, is_sent=True)


def test_a_claim_takes_the_job_and_an_attempt() -> None:
    job = a_job(published_at_s=NOW_S, error=an_error(), answer=FOUND, run=2)
    assert claimed(job, now_s=LATER_S) == replace(
        job,
        state=DetectionStatus.PROCESSING,
        attempts=1,
        claim=Claim("w-1", run=2, attempt=1, expires_at_s=LATER_S + TTL_S),
        updated_at_s=LATER_S,
    )


def test_a_job_that_is_claimed_was_published() -> None:
    assert claimed(now_s=LATER_S).published_at_s == LATER_S
    assert claimed(a_job(published_at_s=7.0), now_s=LATER_S).published_at_s == 7.0


@pytest.mark.parametrize("job", [finished(), dead()])
def test_a_finished_job_is_not_claimed(job: Job) -> None:
    with pytest.raises(AlreadyFinished):
        claimed(job)


def test_a_claim_is_not_stolen_while_it_lasts() -> None:
    job = claimed()
    with pytest.raises(ClaimedElsewhere, match=r"holds the job for 5\.0 s$") as raised:
        claimed(job, worker="w-2", now_s=NOW_S + 25.0)
    assert raised.value.until_s == 5.0
    with pytest.raises(ClaimedElsewhere):
        claimed(job, worker="w-1", now_s=NOW_S + 25.0)


def test_a_claim_is_taken_over_at_its_end_and_the_crash_is_told() -> None:
    taken = claimed(claimed(), worker="w-2", now_s=NOW_S + TTL_S)
    assert taken.claim is not None
    assert taken.claim.is_same(Claim("w-2", run=0, attempt=2, expires_at_s=0.0))
    assert NOW_S + 2 * TTL_S < taken.claim.expires_at_s < NOW_S + 3 * TTL_S
    assert taken.attempts == 2
    assert taken.error == an_error(
        ErrorCode.INTERNAL,
        "worker w-1 was not heard of any more in attempt 1",
        at_s=NOW_S + TTL_S,
    )


def test_a_job_is_not_claimed_before_it_is_due() -> None:
    with pytest.raises(NotDue, match=r"not due for another 4\.0 s$") as raised:
        claimed(a_job(due_at_s=LATER_S), now_s=LATER_S - 4.0)
    assert raised.value.wait_s == 4.0
    assert claimed(a_job(due_at_s=LATER_S), now_s=LATER_S).attempts == 1


@pytest.mark.parametrize(("attempts", "most"), [(0, 1.0), (1, 2.0), (2, 3.0), (3, 4.0), (9, 4.0)])
def test_what_died_together_is_not_taken_up_together(attempts: int, most: float) -> None:
    lasts = []
    for number in range(200):
        job = claimed(a_job(job_id=f"job-{number}", attempts=attempts))
        lasts.append((held(job).expires_at_s - NOW_S) / TTL_S)
        renewed = renew(job, LATER_S, claim=held(job), ttl_s=TTL_S)
        assert held(renewed).expires_at_s - LATER_S == pytest.approx(lasts[-1] * TTL_S)
    assert min(lasts) == pytest.approx(1.0, abs=0.05 * most)
    assert max(lasts) == pytest.approx(most, abs=0.05 * most)
    assert sum(lasts) / len(lasts) == pytest.approx((1.0 + most) / 2, abs=0.1 * most)


def test_a_renewed_claim_lasts_longer_and_is_the_same() -> None:
    job = claimed()
    renewed = renew(job, LATER_S, claim=held(job), ttl_s=TTL_S)
    assert renewed == replace(job, claim=replace(held(job), expires_at_s=LATER_S + TTL_S))
    assert renew(renewed, LATER_S + 5.0, claim=held(job), ttl_s=TTL_S).claim is not None


def test_a_retry_waits_and_keeps_what_was_found() -> None:
    job = claimed(a_job(published_at_s=NOW_S))
    error = an_error(at_s=LATER_S)
    waiting = retry(job, LATER_S, claim=held(job), wait_s=4.0, error=error, answer=FOUND)
    assert waiting == replace(
        job,
        state=DetectionStatus.QUEUED,
        claim=None,
        due_at_s=LATER_S + 4.0,
        updated_at_s=LATER_S,
        error=error,
        answer=FOUND,
    )
    assert waiting.attempts == 1


def test_a_retry_without_an_answer_keeps_the_earlier_one() -> None:
    job = claimed(a_job(answer=FOUND))
    waiting = retry(job, LATER_S, claim=held(job), wait_s=4.0, error=an_error())
    assert waiting.answer == FOUND


def test_what_goes_back_has_its_attempt_again() -> None:
    job = claimed(a_job(attempts=3, answer=FOUND, error=an_error(message="earlier")))
    back = give_back(job, LATER_S, claim=held(job), wait_s=2.0)
    assert back == replace(
        job,
        state=DetectionStatus.QUEUED,
        claim=None,
        attempts=3,
        due_at_s=LATER_S + 2.0,
        updated_at_s=LATER_S,
    )
    assert back.error == an_error(message="earlier")


def test_what_goes_back_is_due_at_once_and_tells_why_if_it_is_told() -> None:
    job = claimed()
    full = an_error(ErrorCode.OVERLOADED, "full")
    back = give_back(job, LATER_S, claim=held(job), error=full)
    assert back.due_at_s == LATER_S
    assert back.error == full


@pytest.mark.parametrize(
    ("answer", "state"),
    [(WHOLE, DetectionStatus.COMPLETED), (FOUND, DetectionStatus.PARTIAL)],
)
@pytest.mark.parametrize("is_sent", [True, False])
def test_what_is_finished(answer: object, state: DetectionStatus, is_sent: bool) -> None:
    job = claimed(a_job(error=an_error(), run=3, answer=FOUND))
    done = finish(job, LATER_S, claim=held(job), answer=answer, is_sent=is_sent)
    assert done == replace(
        job,
        state=state,
        claim=None,
        updated_at_s=LATER_S,
        answer=answer,
        error=None,
        handover=Handover(3, due_at_s=LATER_S) if is_sent else None,
    )


@pytest.mark.parametrize("is_sent", [True, False])
def test_what_is_buried_by_its_worker(is_sent: bool) -> None:
    job = claimed(a_job(run=1, answer=FOUND))
    error = an_error(at_s=LATER_S)
    buried = bury(
        job,
        LATER_S,
        reason=DeadReason.UNPROCESSABLE,
        error=error,
        is_sent=is_sent,
        claim=held(job),
    )
    assert buried == replace(
        job,
        state=DetectionStatus.FAILED,
        claim=None,
        updated_at_s=LATER_S,
        error=error,
        dead=DeadReason.UNPROCESSABLE,
        handover=Handover(1, due_at_s=LATER_S) if is_sent else None,
    )


def test_what_is_buried_with_an_answer_has_that() -> None:
    job = claimed(a_job(answer=FOUND))
    said = an_answer(errors={"damage": failing()})
    buried = bury(
        job,
        LATER_S,
        reason=DeadReason.FAILED,
        error=an_error(),
        is_sent=False,
        claim=held(job),
        answer=said,
    )
    assert buried.answer == said


def unclaimed(job: Job, now_s: float = LATER_S) -> Job:
    return bury(job, now_s, reason=DeadReason.FAILED, error=an_error(), is_sent=False)


def test_what_nobody_works_on_is_buried_without_a_claim() -> None:
    assert unclaimed(a_job()).state is DetectionStatus.FAILED
    assert unclaimed(claimed(), NOW_S + TTL_S).state is DetectionStatus.FAILED


def test_what_somebody_works_on_or_is_finished_is_not_buried_without_a_claim() -> None:
    with pytest.raises(ClaimedElsewhere) as raised:
        unclaimed(claimed(), NOW_S + 29.0)
    assert raised.value.until_s == 1.0
    with pytest.raises(AlreadyFinished):
        unclaimed(dead())


OTHERS = [
    pytest.param(lambda mine: claimed(mine, worker="w-2", now_s=NOW_S + TTL_S), id="taken over"),
    pytest.param(lambda mine: strand(mine, NOW_S + TTL_S), id="stranded"),
    pytest.param(
        lambda mine: give_back(mine, NOW_S, claim=held(mine), wait_s=1.0), id="given back"
    ),
    pytest.param(
        lambda mine: finish(mine, NOW_S, claim=held(mine), answer=WHOLE, is_sent=False),
        id="finished",
    ),
    pytest.param(
        lambda mine: claimed(strand(mine, NOW_S + TTL_S), now_s=LATER_S + TTL_S), id="own"
    ),
]


@pytest.mark.parametrize("lose", OTHERS)
@pytest.mark.parametrize(
    "act",
    [
        lambda job, mine: renew(job, LATER_S, claim=mine, ttl_s=TTL_S),
        lambda job, mine: retry(job, LATER_S, claim=mine, wait_s=1.0, error=an_error()),
        lambda job, mine: give_back(job, LATER_S, claim=mine),
        lambda job, mine: finish(job, LATER_S, claim=mine, answer=WHOLE, is_sent=True),
        lambda job, mine: bury(
            job, LATER_S, reason=DeadReason.FAILED, error=an_error(), is_sent=True, claim=mine
        ),
    ],
    ids=["renew", "retry", "give back", "finish", "bury"],
)
def test_who_lost_the_claim_changes_nothing(
    lose: Callable[[Job], Job], act: Callable[[Job, Claim], Job]
) -> None:
    mine = claimed()
    with pytest.raises(ClaimLost):
        act(lose(mine), held(mine))


def test_a_replay_is_a_new_run_with_all_its_attempts() -> None:
    job = dead(attempts=9, published_at_s=NOW_S, answer=FOUND)
    again = replay(job, LATER_S, deadline_s=100.0)
    assert again == replace(
        job,
        state=DetectionStatus.QUEUED,
        run=1,
        attempts=0,
        due_at_s=LATER_S,
        deadline_at_s=LATER_S + 100.0,
        updated_at_s=LATER_S,
        published_at_s=None,
        dead=None,
        handover=None,
    )
    assert again.answer == FOUND
    assert again.error == an_error()


def test_a_discarded_job_stays_failed_and_is_no_dead_letter() -> None:
    job = dead()
    gone = discard(job, LATER_S)
    assert gone == replace(job, dead=None, updated_at_s=LATER_S)
    with pytest.raises(IllegalJobEvent, match="was discarded: discard"):
        discard(gone, LATER_S)
    with pytest.raises(IllegalJobEvent, match="was discarded: replay"):
        replay(gone, LATER_S, deadline_s=1.0)


@pytest.mark.parametrize("job", [a_job(), claimed(), finished()])
def test_what_is_no_dead_letter_is_neither_replayed_nor_discarded(job: Job) -> None:
    with pytest.raises(IllegalJobEvent):
        replay(job, LATER_S, deadline_s=1.0)
    with pytest.raises(IllegalJobEvent):
        discard(job, LATER_S)


def test_publishing_notes_the_time_and_nothing_else() -> None:
    job = a_job()
    assert publish(job, LATER_S) == replace(job, published_at_s=LATER_S)


def test_a_stranded_job_is_due_and_to_be_published_again() -> None:
    job = claimed(a_job(published_at_s=NOW_S, answer=FOUND))
    stranded = strand(job, NOW_S + TTL_S)
    assert stranded == replace(
        job,
        state=DetectionStatus.QUEUED,
        claim=None,
        due_at_s=NOW_S + TTL_S,
        updated_at_s=NOW_S + TTL_S,
        published_at_s=None,
        error=an_error(
            ErrorCode.INTERNAL,
            "worker w-1 was not heard of any more in attempt 1",
            at_s=NOW_S + TTL_S,
        ),
    )
    assert stranded.attempts == 1


def test_what_is_not_stranded_is_left_alone() -> None:
    waiting = a_job()
    assert strand(waiting, LATER_S) is waiting
    with pytest.raises(ClaimedElsewhere) as raised:
        strand(claimed(), NOW_S + 28.0)
    assert raised.value.until_s == 2.0
    with pytest.raises(AlreadyFinished):
        strand(finished(), LATER_S)
