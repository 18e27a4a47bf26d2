"""What an attempt's outcome means for its job: finished, another attempt, or a dead letter.

outcome of an attempt                                   the job
every engine answered                                   is completed
a caller's mistake (no image, no photo, bad request)    is unprocessable, at once; partial, if
                                                        something was found before
the fleet was full, a store or a broker away, a stop    goes back, no attempt used up
a fault of the fleet, attempts left                     is tried again, those engines alone
a fault of the fleet, none left, something found        is partial
a fault of the fleet, none left, nothing found          failed
the job's deadline does not last until the next attempt as with none left, and it is said
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.detections import DetectionAnswer, EngineFailure, overall_status
from control_plane.core.jobs.job import Job, JobError
from control_plane.core.jobs.states import DeadReason
from control_plane.errors import CALLER_MISTAKES, ControlPlaneError, ErrorCode

NOT_ITS_FAULT = frozenset(
    {
        ErrorCode.OVERLOADED,
        ErrorCode.SHUTTING_DOWN,
        ErrorCode.STORE_UNAVAILABLE,
        ErrorCode.QUEUE_UNAVAILABLE,
        ErrorCode.CANCELLED,
    }
)
"""What says nothing of the job: it goes back, as if it had not been taken."""


MOST_CHARACTERS = 1000
"""Of the words of an error."""


@dataclass(frozen=True, slots=True)
class JobRetryOptions:
    """max_attempts: of one run, the first among them. first_s, most_s: the wait between them.

    pause_s: the wait of a job that goes back by no fault of its own.
    """

    max_attempts: int = 10
    first_s: float = 1.0
    most_s: float = 300.0
    pause_s: float = 1.0


@dataclass(frozen=True, slots=True)
class Finish:
    """Every engine has answered, or no more is to be had."""

    answer: DetectionAnswer


@dataclass(frozen=True, slots=True)
class Retry:
    """wait_s: until the next attempt. answer: what was found so far."""

    wait_s: float
    error: JobError
    answer: DetectionAnswer | None = None


@dataclass(frozen=True, slots=True)
class Return:
    """Later, as if it had not been taken."""

    wait_s: float
    error: JobError


@dataclass(frozen=True, slots=True)
class Bury:
    """To the dead letters."""

    reason: DeadReason
    error: JobError
    answer: DetectionAnswer | None = None


Outcome = Finish | Retry | Return | Bury


def settle_answer(
    job: Job, answer: DetectionAnswer, *, now_s: float, options: JobRetryOptions, rng: Rng
) -> Outcome:
    """After an answer about the engines that were left, whole, partial or failed."""
    merged = merge(job.answer, answer)
    if not answer.errors:
        return Finish(merged)
    failures = list(answer.errors.values())
    error = _error_of(answer, now_s)
    hopeful = [one for one in failures if one.code not in CALLER_MISTAKES]
    if not hopeful:
        return _end(merged, error, DeadReason.UNPROCESSABLE)
    # Something was found only if an attempt was spent: a full fleet for all costs nothing.
    if not answer.results and all(one.code in NOT_ITS_FAULT for one in hopeful):
        return _back(job, error, _longest(hopeful), now_s=now_s, options=options)
    wait_s = _wait_s(job, _longest(hopeful), options=options, rng=rng)
    if _may_retry(job, wait_s, now_s=now_s, options=options):
        return Retry(wait_s, error, merged)
    return _end(merged, _last_words(job, error, options))


def settle_error(
    job: Job, refusal: ControlPlaneError, *, now_s: float, options: JobRetryOptions, rng: Rng
) -> Outcome:
    """After an attempt that ended with no answer at all."""
    error = JobError(refusal.code, refusal.message, now_s, refusal.field)
    if refusal.code in CALLER_MISTAKES:
        return _end(_blamed(job.answer, error), error, DeadReason.UNPROCESSABLE)
    if refusal.code in NOT_ITS_FAULT:
        return _back(job, error, refusal.retry_after_s, now_s=now_s, options=options)
    wait_s = _wait_s(job, refusal.retry_after_s, options=options, rng=rng)
    if _may_retry(job, wait_s, now_s=now_s, options=options):
        return Retry(wait_s, error)
    return _end(_blamed(job.answer, error), _last_words(job, error, options))


def settle_claim(job: Job, *, now_s: float, options: JobRetryOptions) -> Outcome | None:
    """What is left to be said of a job that was claimed just now; None: work on it.

    A worker that died with the job has used up its attempt, so a job that kills its workers
    comes here with more attempts than it may have.
    """
    if job.deadline_at_s <= now_s:
        # The attempt that was to begin is none.
        return settle_late(job, now_s, spent=job.attempts - 1, max_attempts=options.max_attempts)
    if job.attempts > options.max_attempts:
        error = job.error or JobError(ErrorCode.INTERNAL, "its worker died", now_s)
        return _give_up(job, error)
    return None


def settle_late(
    job: Job, now_s: float, *, spent: int, max_attempts: int, last: JobError | None = None
) -> Outcome:
    """After its deadline: what was found so far, or nothing.

    spent: the attempts that were made of this run. last: what ended the last one, where the job
    does not know it yet.
    """
    last = last or job.error
    # Before a run's first attempt the error is that of the run before.
    words = _late_words(spent, max_attempts, last if spent or not job.run else None)
    return _give_up(job, JobError(ErrorCode.DEADLINE_EXCEEDED, words, now_s))


def merge(before: DetectionAnswer | None, after: DetectionAnswer) -> DetectionAnswer:
    """What earlier attempts found, and the latest one: its errors, and the time of all."""
    if before is None:
        return after
    results = {**before.results, **after.results}
    return replace(
        after,
        detection_id=before.detection_id,
        status=overall_status(len(results), len(after.errors)),
        results=results,
        processing_time_ms=round(before.processing_time_ms + after.processing_time_ms, 2),
    )


def _give_up(job: Job, error: JobError) -> Outcome:
    return _end(job.answer, error)


def _end(
    found: DetectionAnswer | None, error: JobError, reason: DeadReason = DeadReason.FAILED
) -> Outcome:
    """What was found is never thrown away; without anything it is a dead letter."""
    if found is not None and found.results:
        return Finish(found)
    return Bury(reason, error, found)


def _blamed(found: DetectionAnswer | None, error: JobError) -> DetectionAnswer | None:
    """With the latest error in place of what the engines that are left said before."""
    if found is None:
        return None
    return replace(
        found, errors=dict.fromkeys(found.errors, EngineFailure(error.code, error.message))
    )


def _back(
    job: Job,
    error: JobError,
    retry_after_s: float | None,
    *,
    now_s: float,
    options: JobRetryOptions,
) -> Outcome:
    wait_s = min(max(options.pause_s, retry_after_s or 0.0), options.most_s)
    if now_s + wait_s >= job.deadline_at_s:
        return settle_late(
            job, now_s, spent=job.attempts, max_attempts=options.max_attempts, last=error
        )
    return Return(wait_s, error)


def _may_retry(job: Job, wait_s: float, *, now_s: float, options: JobRetryOptions) -> bool:
    return job.attempts < options.max_attempts and now_s + wait_s < job.deadline_at_s


def _wait_s(job: Job, retry_after_s: float | None, *, options: JobRetryOptions, rng: Rng) -> float:
    own_s = backoff_s(max(1, job.attempts), first_s=options.first_s, most_s=options.most_s, rng=rng)
    return min(max(own_s, retry_after_s or 0.0), options.most_s)


def _longest(failures: list[EngineFailure]) -> float | None:
    return max((one.retry_after_s or 0.0 for one in failures), default=None)


def _error_of(answer: DetectionAnswer, now_s: float) -> JobError:
    """Of the first engine that failed by more than having no room, in the words of all."""
    failures = list(answer.errors.values())
    gravest = next((one for one in failures if one.code not in NOT_ITS_FAULT), failures[0])
    words = "; ".join(f"{engine}: {one.message}" for engine, one in answer.errors.items())
    return JobError(gravest.code, words[:MOST_CHARACTERS], now_s)


def _last_words(job: Job, error: JobError, options: JobRetryOptions) -> JobError:
    """Of a job that is not tried again: with attempts left, it is its deadline that ends it.

    Its code stays that of the fault, which is what has to be mended.
    """
    if job.attempts >= options.max_attempts:
        return error
    return replace(error, message=_late_words(job.attempts, options.max_attempts, error))


def _late_words(spent: int, max_attempts: int, last: JobError | None) -> str:
    after = f"after {spent} of {max_attempts} attempts" if spent else "before its first attempt"
    which = "the last one" if spent else "the last error"
    said = "" if last is None else f"; {which}: {last.message}"
    return f"its deadline passed {after}{said}"[:MOST_CHARACTERS]
