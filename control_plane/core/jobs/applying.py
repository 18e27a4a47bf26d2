"""What an outcome makes of a job: from what was decided to the transition that does it."""

from __future__ import annotations

from dataclasses import replace

from control_plane.core.jobs.job import Claim, Job
from control_plane.core.jobs.settling import Bury, Finish, Outcome, Retry, settle_late
from control_plane.core.jobs.states import JobEvent, next_state
from control_plane.core.jobs.transitions import (
    AlreadyFinished,
    ClaimedElsewhere,
    NotDue,
    bury,
    finish,
    give_back,
    retry,
)


def apply(job: Job, now_s: float, outcome: Outcome, *, held: Claim, is_sent: bool) -> Job:
    """The job after an attempt of who holds it. Raises ClaimLost."""
    if isinstance(outcome, Finish):
        return finish(job, now_s, claim=held, answer=outcome.answer, is_sent=is_sent)
    if isinstance(outcome, Bury):
        return bury(
            job,
            now_s,
            reason=outcome.reason,
            error=outcome.error,
            is_sent=is_sent,
            claim=held,
            answer=outcome.answer,
        )
    if isinstance(outcome, Retry):
        return retry(
            job,
            now_s,
            claim=held,
            wait_s=outcome.wait_s,
            error=outcome.error,
            answer=outcome.answer,
        )
    return give_back(job, now_s, claim=held, wait_s=outcome.wait_s, error=outcome.error)


def expire(job: Job, now_s: float, *, worker: str, max_attempts: int, is_sent: bool) -> Job:
    """What is left of a job whose deadline has passed and that nobody works on.

    Raises NotDue before its deadline, ClaimedElsewhere, AlreadyFinished.
    """
    if job.is_finished:
        raise AlreadyFinished
    if job.deadline_at_s > now_s:
        raise NotDue(job.deadline_at_s - now_s)
    if job.claim is not None and job.claim.expires_at_s > now_s:
        raise ClaimedElsewhere(job.claim.expires_at_s - now_s)
    # It is taken in hand to be ended, which is no attempt.
    held = Claim(worker, job.run, job.attempts, now_s)
    mine = replace(job, state=next_state(job.state, JobEvent.CLAIM), claim=held)
    over = settle_late(mine, now_s, spent=job.attempts, max_attempts=max_attempts)
    return apply(mine, now_s, over, held=held, is_sent=is_sent)
