"""Jobs to be stored: small ones, one with everything, and any that there can be."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

from hypothesis import strategies as st

from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineFailure,
    EngineResult,
    Priority,
)
from control_plane.core.jobs import Claim, DeadReason, Handover, Job, JobError, JobRequest
from control_plane.errors import ErrorCode

Make = Callable[[float], Job]


def new_id() -> str:
    return str(uuid.uuid4())


def made(job_id: str | None = None, **changes: Any) -> Make:
    """What makes a job that waits since now; changes: what else is so of it."""

    def make(now_s: float) -> Job:
        request = JobRequest(("damage",), "c", photo_url="file:///p.jpg")
        job = Job(job_id or new_id(), request, Priority.NORMAL, now_s, now_s, now_s, now_s + 60)
        return replace(job, **changes)

    return make


def as_it_is(job: Job) -> Make:
    return lambda now_s: job


def becomes(**changes: Any) -> Callable[[Job, float], Job]:
    return lambda job, now_s: replace(job, **changes)


WHOLE_ANSWER = DetectionAnswer(
    request_id="r",
    detection_id="d",
    correlation_id="c",
    status=DetectionStatus.PARTIAL,
    results={
        "damage": EngineResult(
            {"detections": [{"class": "hail", "confidence": 0.5}], "counts": {}, "ä": None},
            "1.1.0",
            "gpu-1",
            2,
            "1.2.0",
        ),
        "a": EngineResult({}, "1.0.0", "gpu-2", 1),
    },
    errors={"volume": EngineFailure(ErrorCode.OVERLOADED, "full \u0000", 0.25)},
    processing_time_ms=12.5,
    timestamp=datetime(2026, 1, 2, 3, 4, 5, 678901, tzinfo=timezone(timedelta(hours=-5))),
    photo_id="p",
)

WHOLE_JOB = Job(
    job_id="0" * 32,
    request=JobRequest(
        engines=("volume", "damage"),
        correlation_id="correlation \ud800",
        photo_url="s3://photos/ä.jpg",
        photo_id="p",
        releases={"damage": "canary"},
        metadata={"project_id": "x", "a": "\u0000"},
        routing_key="roof 7",
    ),
    priority=Priority.LOW,
    created_at_s=1.0,
    updated_at_s=2.25,
    due_at_s=3.0,
    deadline_at_s=4.0,
    state=DetectionStatus.PROCESSING,
    idempotency_key="key \u0000 " + "k" * 10_000,
    fingerprint="f",
    raw="not JSON \u0000 \ud800",
    published_at_s=5.0,
    run=2,
    attempts=3,
    claim=Claim("worker-1", 2, 3, 6.0),
    answer=WHOLE_ANSWER,
    error=JobError(ErrorCode.OVERLOADED, "full", 7.0, "photo"),
    dead=DeadReason.FAILED,
    handover=Handover(2, 1, 8.0, 9.0, "refused"),
)


_texts = st.text(max_size=12)
_times = st.floats(0, 1e10)
_json = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(max_size=8),
    lambda some: st.lists(some, max_size=3) | st.dictionaries(st.text(max_size=5), some),
    max_leaves=8,
)
_answers = st.builds(
    DetectionAnswer,
    request_id=_texts,
    detection_id=_texts,
    correlation_id=_texts,
    status=st.sampled_from(DetectionStatus),
    results=st.dictionaries(
        st.text(max_size=5),
        st.builds(
            EngineResult,
            findings=st.dictionaries(st.text(max_size=5), _json, max_size=3),
            release=_texts,
            instance=_texts,
            attempts=st.integers(0, 99),
            fallback_from=st.none() | _texts,
        ),
        max_size=3,
    ),
    errors=st.dictionaries(st.text(max_size=5), st.builds(EngineFailure), max_size=3),
    processing_time_ms=_times,
    timestamp=st.datetimes(timezones=st.just(UTC)),
    photo_id=st.none() | _texts,
)
jobs = st.builds(
    Job,
    job_id=st.uuids().map(str),
    request=st.none()
    | st.builds(
        JobRequest,
        engines=st.lists(_texts, max_size=4).map(tuple),
        correlation_id=_texts,
        photo_url=st.none() | _texts,
        photo_id=st.none() | _texts,
        releases=st.dictionaries(_texts, _texts, max_size=2),
        metadata=st.dictionaries(_texts, _texts, max_size=2),
        routing_key=st.none() | _texts,
    ),
    priority=st.sampled_from(Priority),
    created_at_s=_times,
    updated_at_s=_times,
    due_at_s=_times,
    deadline_at_s=_times,
    state=st.sampled_from(DetectionStatus),
    fingerprint=_texts,
    raw=st.none() | _texts,
    published_at_s=st.none() | _times,
    run=st.integers(0, 99),
    attempts=st.integers(0, 99),
    claim=st.none() | st.builds(Claim, _texts, st.integers(0), st.integers(0), _times),
    answer=st.none() | _answers,
    error=st.none()
    | st.builds(JobError, st.sampled_from(ErrorCode), _texts, _times, st.none() | _texts),
    dead=st.none() | st.sampled_from(DeadReason),
    handover=st.none()
    | st.builds(
        Handover,
        st.integers(0),
        st.integers(0),
        st.none() | _times,
        st.none() | _times,
        st.none() | _texts,
    ),
)
