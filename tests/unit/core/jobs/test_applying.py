"""What an outcome makes of a job, and what is left of one whose time is over."""

from dataclasses import replace

import pytest

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import (
    AlreadyFinished,
    Bury,
    Claim,
    ClaimedElsewhere,
    ClaimLost,
    DeadReason,
    Finish,
    Job,
    JobError,
    NotDue,
    Outcome,
    Retry,
    Return,
)
from control_plane.core.jobs.applying import apply, expire
from control_plane.errors import ErrorCode
from tests.unit.core.jobs.test_answers import JOB, found

CLAIM = Claim("worker", 0, 1, 1040.0)
HELD = replace(JOB, state=DetectionStatus.PROCESSING, attempts=1, claim=CLAIM)
ERROR = JobError(ErrorCode.BACKEND_FAULT, "it broke", 1020.0)


@pytest.mark.parametrize(
    ("outcome", "state", "attempts", "due_at_s"),
    [
        (Finish(found()), DetectionStatus.COMPLETED, 1, 1000.0),
        (Bury(DeadReason.FAILED, ERROR, found()), DetectionStatus.FAILED, 1, 1000.0),
        (Retry(5.0, ERROR, found()), DetectionStatus.QUEUED, 1, 1025.0),
        (Return(2.0, ERROR), DetectionStatus.QUEUED, 0, 1022.0),
    ],
)
def test_each_outcome_has_its_transition(
    outcome: Outcome, state: DetectionStatus, attempts: int, due_at_s: float
) -> None:
    job = apply(HELD, 1020.0, outcome, held=CLAIM, is_sent=True)

    assert (job.state, job.attempts, job.due_at_s) == (state, attempts, due_at_s)
    assert job.claim is None
    assert (job.answer is None) == isinstance(outcome, Return)
    assert (job.error is None) == isinstance(outcome, Finish)
    assert (job.handover is not None) == job.is_finished


def test_who_has_lost_the_claim_changes_nothing() -> None:
    other = replace(HELD, claim=replace(CLAIM, worker="another"))
    with pytest.raises(ClaimLost):
        apply(other, 1020.0, Finish(found()), held=CLAIM, is_sent=False)


def late(job: Job) -> Job:
    return expire(job, 2000.0, worker="plane", max_attempts=10, is_sent=True)


def test_a_job_whose_deadline_has_passed_is_a_dead_letter_with_no_more_attempts() -> None:
    for job in (JOB, replace(HELD, claim=replace(CLAIM, expires_at_s=2000.0))):
        over = late(job)
        assert (over.state, over.dead) == (DetectionStatus.FAILED, DeadReason.FAILED)
        assert over.error is not None
        assert over.error.code is ErrorCode.DEADLINE_EXCEEDED
        made = f"after {job.attempts} of 10 attempts" if job.attempts else "before its first"
        assert over.error.message.startswith(f"its deadline passed {made}")
        assert (over.attempts, over.claim, over.handover is None) == (job.attempts, None, False)


def test_what_was_found_by_the_deadline_is_what_there_is() -> None:
    answer = replace(found(), status=DetectionStatus.PARTIAL)
    over = late(replace(JOB, answer=answer))
    assert (over.state, over.answer, over.dead) == (DetectionStatus.PARTIAL, answer, None)


def test_a_job_is_left_alone_before_its_deadline_after_its_end_and_in_somebodys_hands() -> None:
    with pytest.raises(NotDue):
        expire(JOB, 1999.0, worker="plane", max_attempts=10, is_sent=False)
    with pytest.raises(AlreadyFinished):
        late(replace(JOB, state=DetectionStatus.COMPLETED))
    with pytest.raises(ClaimedElsewhere):
        late(replace(HELD, claim=replace(CLAIM, expires_at_s=2000.5)))


def test_a_message_that_nobody_could_read_has_no_result_to_send() -> None:
    unread = replace(JOB, request=None)
    assert late(unread).handover is None


def test_a_job_waits_while_nobody_has_it_in_hand_and_it_is_not_over() -> None:
    assert JOB.is_waiting
    assert not HELD.is_waiting
    assert not late(JOB).is_waiting
