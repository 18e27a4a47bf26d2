"""Telling the log of a job's end: one line, whoever came upon it. It decides nothing."""

from __future__ import annotations

import structlog

from control_plane.core.jobs import Job
from control_plane.core.printable import printable

log = structlog.get_logger(__name__)

MOST_WORDS = 300
"""Of an error, in characters: a line of the log is no place for a whole answer."""


def tell_end(job: Job, *, began_s: float | None = None) -> None:
    """That a job is done, or a dead letter; nothing of one that is not finished.

    began_s: when the attempt that ended it began, on the store's clock; None: without one.
    """
    if not job.is_finished:
        return
    correlation_id = None if job.request is None else job.request.correlation_id
    if job.dead is not None:
        log.warning(
            "a job is a dead letter",
            job_id=job.job_id,
            correlation_id=correlation_id,
            reason=job.dead.value,
            code=None if job.error is None else job.error.code.value,
            attempts=job.attempts,
            words="" if job.error is None else printable(job.error.message)[:MOST_WORDS],
        )
        return
    ended_s = job.updated_at_s
    since_s = ended_s if began_s is None else began_s
    log.info(
        "a job is done",
        job_id=job.job_id,
        correlation_id=correlation_id,
        status=job.state.value,
        attempts=job.attempts,
        waited_s=round(since_s - job.created_at_s, 3),
        worked_s=round(ended_s - since_s, 3),
    )
