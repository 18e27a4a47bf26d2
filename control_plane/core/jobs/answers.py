"""A job as the answer that callers see of it, whatever its state.

The answer of a finished run is made of what its end left in the job and of nothing else: what a
person does to a dead letter afterwards does not change it, so that a result that is sent twice is
the same twice.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from datetime import UTC, datetime

from control_plane.core.detections import DetectionAnswer, DetectionStatus, EngineFailure
from control_plane.core.jobs.job import Job, JobError

WHOLE_REQUEST = "request"
"""Stands in the place of an engine where a message could not be read, and so none was asked."""


def answer_of(job: Job) -> DetectionAnswer:
    """The answer now: with what was found so far, if more is to come."""
    found = job.answer
    request = job.request
    return DetectionAnswer(
        request_id=job.job_id,
        detection_id=detection_id_of(job),
        correlation_id=job.job_id if request is None else request.correlation_id,
        status=job.state,
        results={} if found is None else found.results,
        errors=_errors(job),
        processing_time_ms=0.0 if found is None else found.processing_time_ms,
        timestamp=_timestamp(job),
        photo_id=None if request is None else request.photo_id,
    )


def detection_id_of(job: Job) -> str:
    """Another one for each run, and known from the beginning."""
    return str(uuid.uuid5(uuid.UUID(job.job_id), str(job.run)))


def result_id_of(job: Job) -> str:
    """What a receiver tells repeats of one result by: no run ends twice."""
    return f"{job.job_id}.{job.run}"


def _errors(job: Job) -> Mapping[str, EngineFailure]:
    """Of a job that goes on none: what failed is tried again."""
    if not job.is_finished:
        return {}
    own = {} if job.answer is None else job.answer.errors
    if job.state is not DetectionStatus.FAILED or job.error is None:
        return own
    engines = job.engines_left or (WHOLE_REQUEST,)
    # Either the last attempt's failures are what it failed for, or it failed for something else.
    if job.error.code not in {one.code for one in own.values()}:
        own = {}
    return {engine: own.get(engine, _failure(job.error)) for engine in engines}


def _failure(error: JobError) -> EngineFailure:
    return EngineFailure(error.code, error.message)


def _timestamp(job: Job) -> datetime:
    if job.state is DetectionStatus.FAILED and job.error is not None:
        # Not of the last change, which may be that it was discarded.
        return datetime.fromtimestamp(job.error.at_s, UTC)
    if job.is_finished and job.answer is not None:
        return job.answer.timestamp
    return datetime.fromtimestamp(job.updated_at_s, UTC)
