"""What each event makes of a job: a job and the time in, the next job out, or an exception.

The job store runs these inside a transaction, with its own clock; nothing here knows of either.
"""

from __future__ import annotations

import zlib
from dataclasses import replace

from control_plane.core.detections import DetectionAnswer, DetectionStatus
from control_plane.core.jobs.job import Claim, Handover, Job, JobError
from control_plane.core.jobs.states import DeadReason, IllegalJobEvent, JobEvent, next_state
from control_plane.errors import ErrorCode

MOST_APART = 3
"""How many times longer a claim may last than it was asked for, in later attempts."""


class ClaimedElsewhere(Exception):
    """Another worker holds the job. until_s: how long from now its claim lasts."""

    def __init__(self, until_s: float) -> None:
        super().__init__(f"another worker holds the job for {until_s:.1f} s")
        self.until_s = until_s


class ClaimLost(Exception):
    """The job was taken over by another worker, or finished: this one's outcome is void."""


class AlreadyFinished(Exception):
    """Nothing is left to be done for the job."""


class NotDue(Exception):
    """The job waits for its next attempt. wait_s: for so long."""

    def __init__(self, wait_s: float) -> None:
        super().__init__(f"the job is not due for another {wait_s:.1f} s")
        self.wait_s = wait_s


def claim(job: Job, now_s: float, *, worker: str, ttl_s: float) -> Job:
    """The job in this worker's hands, one attempt more; whether any is left is asked after.

    ttl_s: how long nobody else gets it, at the least; a job that was attempted before may be kept
    for longer. Raises AlreadyFinished, ClaimedElsewhere, and NotDue for one that came too early.
    """
    if job.is_finished:
        raise AlreadyFinished
    if job.claim is not None and job.claim.expires_at_s > now_s:
        raise ClaimedElsewhere(job.claim.expires_at_s - now_s)
    if job.due_at_s > now_s:
        raise NotDue(job.due_at_s - now_s)
    attempt = job.attempts + 1
    return replace(
        job,
        state=next_state(job.state, JobEvent.CLAIM),
        attempts=attempt,
        claim=Claim(worker, job.run, attempt, now_s + _lasts_s(job.job_id, attempt, ttl_s)),
        updated_at_s=now_s,
        published_at_s=now_s if job.published_at_s is None else job.published_at_s,
        error=job.error if job.claim is None else _unheard(job.claim, now_s),
    )


def renew(job: Job, now_s: float, *, claim: Claim, ttl_s: float) -> Job:
    """Raises ClaimLost."""
    held = _held(job, claim)
    lasts_s = _lasts_s(job.job_id, held.attempt, ttl_s)
    return replace(job, claim=replace(held, expires_at_s=now_s + lasts_s))


def retry(
    job: Job,
    now_s: float,
    *,
    claim: Claim,
    wait_s: float,
    error: JobError,
    answer: DetectionAnswer | None = None,
) -> Job:
    """Back to the queue, the attempt used up. answer: what was found so far.

    Raises ClaimLost.
    """
    _held(job, claim)
    return replace(
        job,
        state=next_state(job.state, JobEvent.RETRY),
        claim=None,
        due_at_s=now_s + wait_s,
        updated_at_s=now_s,
        error=error,
        answer=job.answer if answer is None else answer,
    )


def give_back(
    job: Job, now_s: float, *, claim: Claim, wait_s: float = 0.0, error: JobError | None = None
) -> Job:
    """Back to the queue as if it had not been taken. Raises ClaimLost."""
    _held(job, claim)
    return replace(
        job,
        state=next_state(job.state, JobEvent.RETURN),
        claim=None,
        attempts=job.attempts - 1,
        due_at_s=now_s + wait_s,
        updated_at_s=now_s,
        error=job.error if error is None else error,
    )


def finish(job: Job, now_s: float, *, claim: Claim, answer: DetectionAnswer, is_sent: bool) -> Job:
    """The end, with what was found, whole or in part. is_sent: whether results are delivered.

    Raises ClaimLost.
    """
    _held(job, claim)
    is_whole = answer.status is DetectionStatus.COMPLETED
    return replace(
        job,
        state=next_state(job.state, JobEvent.COMPLETE if is_whole else JobEvent.PARTLY),
        claim=None,
        updated_at_s=now_s,
        answer=answer,
        error=None,
        handover=_handover(job, now_s, is_sent=is_sent),
    )


def bury(
    job: Job,
    now_s: float,
    *,
    reason: DeadReason,
    error: JobError,
    is_sent: bool,
    claim: Claim | None = None,
    answer: DetectionAnswer | None = None,
) -> Job:
    """Among the dead letters. claim: of who worked on it; None for one that nobody works on.

    Raises ClaimLost; ClaimedElsewhere when somebody works on it after all; AlreadyFinished.
    """
    if claim is not None:
        _held(job, claim)
    elif job.is_finished:
        raise AlreadyFinished
    elif job.claim is not None and job.claim.expires_at_s > now_s:
        raise ClaimedElsewhere(job.claim.expires_at_s - now_s)
    return replace(
        job,
        state=next_state(job.state, JobEvent.BURY),
        claim=None,
        updated_at_s=now_s,
        answer=job.answer if answer is None else answer,
        error=error,
        dead=reason,
        handover=_handover(job, now_s, is_sent=is_sent),
    )


def replay(job: Job, now_s: float, *, deadline_s: float) -> Job:
    """A dead letter waits in the queue again, with all its attempts and a new deadline.

    Raises IllegalJobEvent for a job that is no dead letter.
    """
    _check_dead(job, JobEvent.REPLAY)
    return replace(
        job,
        state=next_state(job.state, JobEvent.REPLAY),
        run=job.run + 1,
        attempts=0,
        due_at_s=now_s,
        deadline_at_s=now_s + deadline_s,
        updated_at_s=now_s,
        published_at_s=None,
        dead=None,
        handover=None,
    )


def discard(job: Job, now_s: float) -> Job:
    """Out of the dead letters; it stays failed. Raises IllegalJobEvent for no dead letter."""
    _check_dead(job, JobEvent.DISCARD)
    return replace(
        job, state=next_state(job.state, JobEvent.DISCARD), dead=None, updated_at_s=now_s
    )


def publish(job: Job, now_s: float) -> Job:
    """The queue has confirmed the order to look at it."""
    return replace(job, published_at_s=now_s)


def strand(job: Job, now_s: float) -> Job:
    """A claim that has run out is taken from who held it, the attempt used up.

    Raises ClaimedElsewhere while it lasts; AlreadyFinished.
    """
    if job.is_finished:
        raise AlreadyFinished
    if job.claim is None:
        return job
    if job.claim.expires_at_s > now_s:
        raise ClaimedElsewhere(job.claim.expires_at_s - now_s)
    return replace(
        job,
        state=next_state(job.state, JobEvent.RETRY),
        claim=None,
        due_at_s=now_s,
        updated_at_s=now_s,
        published_at_s=None,
        error=_unheard(job.claim, now_s),
    )


def _check_dead(job: Job, event: JobEvent) -> None:
    """Raises IllegalJobEvent, which says of a letter that was discarded that it was."""
    if job.dead is None:
        raise IllegalJobEvent(job.state, event, is_discarded=job.is_discarded)


def _held(job: Job, claim: Claim) -> Claim:
    """Raises ClaimLost unless the job is still in the hands of who holds this claim."""
    if job.claim is None or not claim.is_same(job.claim):
        raise ClaimLost
    return job.claim


def _lasts_s(job_id: str, attempt: int, ttl_s: float) -> float:
    """How long a claim of this attempt lasts: of the first so long, of later ones up to four times.

    Jobs that one worker had when it was killed would be taken up together again and again, and
    one among them that kills its workers would use up the attempts of all. So they come back
    apart; by how much follows from the job and the attempt, as good as at random.
    """
    share = zlib.crc32(f"{job_id}.{attempt}".encode()) / 2**32
    return ttl_s * (1.0 + min(attempt - 1, MOST_APART) * share)


def _unheard(claim: Claim, now_s: float) -> JobError:
    """What is said of an attempt whose worker was gone."""
    words = f"worker {claim.worker} was not heard of any more in attempt {claim.attempt}"
    return JobError(ErrorCode.INTERNAL, words, now_s)


def _handover(job: Job, now_s: float, *, is_sent: bool) -> Handover | None:
    """A message that could not be read has no result: nobody knows what was asked."""
    is_one = is_sent and job.request is not None
    return Handover(job.run, due_at_s=now_s) if is_one else None
