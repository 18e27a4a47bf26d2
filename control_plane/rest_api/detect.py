"""``POST /api/v1/orchestrator/detect``: a photo comes in, one answer goes out.

    headers ─► body ─► photo ─► detection service ─► answer
                  └──► intake, where nobody waits or it must not be asked twice

The deadline starts when the request has arrived whole: a caller's slow upload is its
own and has a bound of its own. A caller who leaves while its engines work takes the work
with it.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Awaitable
from typing import TypeVar

import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from control_plane.core.deadline import Deadline
from control_plane.core.detections import DetectionAnswer, DetectionRequest
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.detect_answers import write_response
from control_plane.rest_api.detect_docs import describe_request, describe_responses
from control_plane.rest_api.detect_headers import DetectHeaders, read_headers
from control_plane.rest_api.detect_jobs import answer_by_job
from control_plane.rest_api.forms import DetectForm, read_form
from control_plane.rest_api.problems import correlation_id_of
from control_plane.rest_api.services import RestServices
from control_plane.rest_api.trace_headers import carried_by
from control_plane.services.photo_fetch import fetch_photo
from control_plane.services.tracing import name_subject

Result = TypeVar("Result")

DESCRIPTION = """
Send a photo and wait for what the engines find in it: as `multipart/form-data` with a
`photo` file, or as JSON with a `photo_url`.

With `Prefer: respond-async` nobody waits: 202 says that it is kept for good, and `Location` says
where its answer will be. With an `Idempotency-Key` it is kept likewise and asked once, however
often it is sent; who waits longer than the time it has gets a 504 that has a `Location` too.

Engines work side by side. When all answer, `status` is `completed`; when some fail it is
`partial`, their reasons are in `errors`, and the HTTP status is still 200. When **none**
answers, the HTTP status is that of the gravest reason and the body is a problem that also
holds the members of an answer (`request_id`, `errors`, …), with `detection_status: failed`
because `status` is the HTTP status there.

In multipart, `detection_types` may be repeated or separated by commas; `metadata` and
`releases` are JSON texts, or `metadata.project_id`, `metadata.user_id` and any number of
`release` fields written `ENGINE=RELEASE`.
"""


def make_detect_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix="/api/v1/orchestrator", tags=["detection"])

    @router.post(
        "/detect",
        summary="Detect in one photo",
        description=DESCRIPTION,
        operation_id="detect",
        response_class=Response,
        responses=describe_responses(),
        openapi_extra=describe_request(),
    )
    async def detect(request: Request) -> Response:
        headers = read_headers(request, services.limits)
        form = await read_form(request, services.limits, services.detection.known_engines())
        structlog.contextvars.bind_contextvars(**form.metadata)
        is_job = headers.is_async or headers.idempotency_key is not None
        # Not before the body is here: a slow upload is no slow answer.
        with services.traces.root(
            "submit" if is_job else "detect",
            correlation_id=correlation_id_of(request),
            carried=carried_by(request),
            edge="rest",
            engines=",".join(form.engines),
            priority=form.priority.value,
        ) as traced:
            if is_job:
                work = answer_by_job(services, request, form, headers)
                return await unless_gone(request, work)
            deadline = Deadline.after(services.clock.now_s(), headers.timeout_s or 0.0)
            asked = _ask(services, request, form, deadline, headers)
            answer = await unless_gone(request, asked)
            traced.put(status=answer.status.value)
            return write_response(answer)

    return router


async def _ask(
    services: RestServices,
    request: Request,
    form: DetectForm,
    deadline: Deadline,
    headers: DetectHeaders,
) -> DetectionAnswer:
    photo, request_id = form.photo, str(uuid.uuid4())
    name_subject(request_id)
    if photo is None:
        url = form.photo_url or ""
        photo = await fetch_photo(services.photos, url, deadline, services.clock)
    return await services.detection.detect(
        DetectionRequest(
            photo=photo,
            engines=form.engines,
            request_id=request_id,
            correlation_id=correlation_id_of(request),
            deadline=deadline,
            photo_id=form.photo_id,
            priority=form.priority,
            releases=form.releases,
            routing_key=headers.routing_key,
            may_use_cache=headers.may_use_cache,
        )
    )


async def unless_gone(request: Request, work: Awaitable[Result]) -> Result:
    """Awaits ``work``, and cancels it when the caller hangs up.

    Raises ControlPlaneError(CANCELLED) then. A cancellation from elsewhere passes through.
    """
    worker = asyncio.current_task()
    is_gone = False

    async def watch() -> None:
        nonlocal is_gone
        while (await request.receive())["type"] != "http.disconnect":
            continue
        is_gone = True
        if worker is not None:
            worker.cancel()

    watcher = asyncio.create_task(watch())
    try:
        return await work
    except asyncio.CancelledError:
        if is_gone and worker is not None and worker.uncancel() == 0:
            raise ControlPlaneError(
                ErrorCode.CANCELLED, "the caller left before the answer"
            ) from None
        raise
    finally:
        watcher.cancel()
