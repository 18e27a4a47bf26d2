"""Jobs and answers, with what a test does not care about filled in."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from control_plane.core.detections import (
    DetectionAnswer,
    EngineFailure,
    EngineResult,
    Priority,
    overall_status,
)
from control_plane.core.jobs import Job, JobError, JobRequest
from control_plane.errors import ErrorCode

NOW_S = 1000.0
ENGINES = ("damage", "materials", "volume")
FAULT = ErrorCode.BACKEND_FAULT


def a_job(**changes: Any) -> Job:
    """Accepted at 1000 s about three engines, to be done by 2000 s."""
    job = Job(
        job_id="6f1c0000-0000-4000-8000-000000000001",
        request=JobRequest(ENGINES, "correlation", photo_url="file:///photos/roof.jpg"),
        priority=Priority.NORMAL,
        created_at_s=NOW_S,
        updated_at_s=NOW_S,
        due_at_s=NOW_S,
        deadline_at_s=NOW_S + 1000.0,
    )
    return replace(job, **changes)


def a_result(found: object = 1, **changes: Any) -> EngineResult:
    result = EngineResult({"found": found}, release="1.0.0", instance="triton-0", attempts=1)
    return replace(result, **changes)


def failing(
    code: ErrorCode = FAULT, message: str = "it broke", retry_after_s: float | None = None
) -> EngineFailure:
    return EngineFailure(code, message, retry_after_s)


def an_answer(
    *found: str, errors: dict[str, EngineFailure] | None = None, **changes: Any
) -> DetectionAnswer:
    """Of these engines, each of which found something."""
    told = errors or {}
    answer = DetectionAnswer(
        request_id="6f1c0000-0000-4000-8000-000000000001",
        detection_id="d-1",
        correlation_id="correlation",
        status=overall_status(len(found), len(told)),
        results={engine: a_result() for engine in found},
        errors=told,
        processing_time_ms=10.0,
        timestamp=datetime(2026, 1, 2, 3, 4, 5, tzinfo=UTC),
    )
    return replace(answer, **changes)


def an_error(code: ErrorCode = FAULT, message: str = "it broke", at_s: float = NOW_S) -> JobError:
    return JobError(code, message, at_s)
