"""A detection that becomes a job: nobody waits for it, or it must not be asked twice.

Prefer: respond-async   202 as soon as it is kept for good
Idempotency-Key alone   its answer, as if it had been asked at once, within the caller's time
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import Response

from control_plane.core.answer_document import write_answer
from control_plane.core.deadline import Deadline
from control_plane.core.jobs import Job, JobRequest
from control_plane.core.jobs.answers import answer_of
from control_plane.core.jobs.checks import check_request
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.detect_answers import write_response
from control_plane.rest_api.detect_headers import RESPOND_ASYNC, DetectHeaders
from control_plane.rest_api.forms import DetectForm
from control_plane.rest_api.json_bodies import JSON
from control_plane.rest_api.problems import correlation_id_of, problem_of
from control_plane.rest_api.services import RestServices
from control_plane.services.jobs.intake import Submission, Unconfirmed

STATUS = "/api/v1/orchestrator/status"


def status_path(job_id: str) -> str:
    return f"{STATUS}/{job_id}"


async def answer_by_job(
    services: RestServices, request: Request, form: DetectForm, headers: DetectHeaders
) -> Response:
    """Raises ControlPlaneError: whatever the intake refuses."""
    # The caller's own time runs while the job is taken in, too.
    deadline = Deadline.after(services.clock.now_s(), headers.timeout_s or 0.0)
    correlation_id = correlation_id_of(request)
    try:
        job = await services.intake.submit(_submission(form, headers, correlation_id))
    except Unconfirmed as error:
        structlog.contextvars.bind_contextvars(request_id=error.job_id)
        return problem_of(
            error,
            correlation_id,
            headers={"Location": status_path(error.job_id)},
            extensions={"request_id": error.job_id},
        )
    structlog.contextvars.bind_contextvars(request_id=job.job_id)
    place = {"Location": status_path(job.job_id)}
    told = {"Idempotency-Replayed": "true"} if _is_repeat(job, correlation_id) else {}
    if headers.is_async:
        told |= {**place, "Preference-Applied": RESPOND_ASYNC}
        document = orjson.dumps(write_answer(answer_of(job)), default=dict)
        return Response(document, HTTPStatus.ACCEPTED, told, media_type=JSON)
    left_s = deadline.remaining_s(services.clock.now_s())
    try:
        job = await services.jobs.wait(job.job_id, timeout_s=left_s)
    except ControlPlaneError as error:
        # It is kept all the same, whatever ends the waiting.
        extensions = {"request_id": job.job_id}
        refusal = _too_late(error, headers, place["Location"])
        return problem_of(refusal, correlation_id, headers=told | place, extensions=extensions)
    return write_response(answer_of(job), told)


def _too_late(error: ControlPlaneError, headers: DetectHeaders, location: str) -> ControlPlaneError:
    if error.code is not ErrorCode.DEADLINE_EXCEEDED:
        return error
    return ControlPlaneError(
        error.code,
        f"not done within {headers.timeout_s:g} s; it goes on, and its answer will be at "
        f"{location}",
    )


def _submission(form: DetectForm, headers: DetectHeaders, correlation_id: str) -> Submission:
    request = JobRequest(
        engines=form.engines,
        correlation_id=correlation_id,
        photo_url=form.photo_url,
        photo_id=form.photo_id,
        releases=form.releases,
        metadata=form.metadata,
        routing_key=headers.routing_key,
    )
    return Submission(
        request=check_request(request),
        priority=form.priority,
        photo=form.photo,
        idempotency_key=headers.idempotency_key,
        # Who waits and goes can come back for the answer, so the job has all of its own time.
        deadline_s=headers.timeout_s if headers.is_async else None,
    )


def _is_repeat(job: Job, correlation_id: str) -> bool:
    """Whether it was certainly taken in before: under the id of another request."""
    return job.request is not None and job.request.correlation_id != correlation_id
