"""``POST /api/v1/orchestrator/detect``: a photo comes in, one answer goes out.

    headers ─► body ─► photo ─► detection service ─► answer

The deadline starts when the request has arrived whole: a caller's slow upload is its
own and has a bound of its own. A caller who leaves while its engines work takes the work
with it.
"""

from __future__ import annotations

import asyncio
import math
import uuid
from collections.abc import Awaitable, Mapping
from http import HTTPStatus
from typing import Any, TypeVar

import orjson
import structlog
from fastapi import APIRouter, Request
from starlette.responses import Response

from control_plane.core.answer_document import write_answer
from control_plane.core.deadline import Deadline
from control_plane.core.detections import DetectionAnswer, DetectionRequest, DetectionStatus
from control_plane.core.identifiers import check_routing_key
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.forms import MULTIPART, DetectForm, read_form
from control_plane.rest_api.json_bodies import JSON
from control_plane.rest_api.problems import (
    CLIENT_CLOSED_REQUEST,
    MEDIA_TYPE,
    STATUS_OF,
    correlation_id_of,
    problem_of,
)
from control_plane.rest_api.schemas import DetectBody, Detection, Problem
from control_plane.rest_api.services import RestLimits, RestServices
from control_plane.services.photo_fetch import fetch_photo

Result = TypeVar("Result")

DESCRIPTION = """
Send a photo and wait for what the engines find in it: as `multipart/form-data` with a
`photo` file, or as JSON with a `photo_url`.

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
        responses=_describe_responses(),
        openapi_extra=_describe_request(),
    )
    async def detect(request: Request) -> Response:
        _refuse_async(request)
        timeout_s = read_timeout_s(request, services.limits)
        routing_key = _read_routing_key(request)
        form = await read_form(request, services.limits, services.detection.known_engines())
        structlog.contextvars.bind_contextvars(**form.metadata)
        deadline = Deadline.after(services.clock.now_s(), timeout_s)
        answer = await _unless_gone(request, _ask(services, request, form, deadline, routing_key))
        return _write(answer)

    return router


async def _ask(
    services: RestServices,
    request: Request,
    form: DetectForm,
    deadline: Deadline,
    routing_key: str | None,
) -> DetectionAnswer:
    photo = form.photo
    if photo is None:
        url = form.photo_url or ""
        photo = await fetch_photo(services.photos, url, deadline, services.clock)
    return await services.detection.detect(
        DetectionRequest(
            photo=photo,
            engines=form.engines,
            request_id=str(uuid.uuid4()),
            correlation_id=correlation_id_of(request),
            deadline=deadline,
            photo_id=form.photo_id,
            priority=form.priority,
            releases=form.releases,
            routing_key=routing_key,
        )
    )


async def _unless_gone(request: Request, work: Awaitable[Result]) -> Result:
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


def read_timeout_s(request: Request, limits: RestLimits) -> float:
    """How long the caller waits. Raises InvalidArgument, or DEADLINE_EXCEEDED when over."""
    name = "X-Request-Timeout-S"
    text = request.headers.get(name)
    if text is None:
        return limits.timeout_s
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not math.isfinite(timeout_s):
        raise InvalidArgument(f"{name} is not a number of seconds: {text[:40]!r}", field=name)
    if timeout_s <= 0:
        raise ControlPlaneError(
            ErrorCode.DEADLINE_EXCEEDED, f"{name} is {timeout_s:g}: already past", field=name
        )
    if timeout_s > limits.max_timeout_s:
        raise InvalidArgument(
            f"{name} is {timeout_s:g}; the limit is {limits.max_timeout_s:g} s", field=name
        )
    return timeout_s


def _read_routing_key(request: Request) -> str | None:
    name = "X-Routing-Key"
    key = request.headers.get(name)
    return check_routing_key(key, name) if key else None


def _refuse_async(request: Request) -> None:
    """RFC 7240 allows ignoring a preference, but this caller would wait for a 202."""
    preferences = ",".join(request.headers.getlist("prefer")).lower().split(",")
    if any(preference.partition(";")[0].strip() == "respond-async" for preference in preferences):
        raise ControlPlaneError(
            ErrorCode.UNIMPLEMENTED,
            "Prefer: respond-async is not available yet; leave it out and wait for the answer",
            field="Prefer",
        )


def _write(answer: DetectionAnswer) -> Response:
    body = write_answer(answer)
    if answer.status is not DetectionStatus.FAILED or not answer.errors:
        return Response(orjson.dumps(body, default=dict), media_type=JSON)
    worst = max(
        answer.errors.values(), key=lambda one: (STATUS_OF[one.code], one.retry_after_s or 0)
    )
    reasons = "; ".join(f"{name}: {failure.message}" for name, failure in answer.errors.items())
    problem_status = body.pop("status")
    error = ControlPlaneError(
        worst.code, f"no engine answered: {reasons}", retry_after_s=worst.retry_after_s
    )
    # RFC 9457 gives "status" to the HTTP status; the detection's own goes beside it.
    return problem_of(
        error, answer.correlation_id, extensions={**body, "detection_status": problem_status}
    )


def _describe_request() -> dict[str, Any]:
    """Both media types. The body is read by hand, so FastAPI cannot know them."""
    schema = DetectBody.model_json_schema()
    metadata = schema.pop("$defs")["Metadata"]
    schema["properties"]["metadata"] = {"anyOf": [metadata, {"type": "null"}]}
    upload = {
        "type": "object",
        "required": ["photo"],
        "properties": {
            "photo": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP."},
            **{name: form for name, form in schema["properties"].items() if name != "photo_url"},
        },
    }
    headers = {
        "X-Request-Timeout-S": "Seconds the caller waits, from when the request has arrived.",
        "X-Routing-Key": "Keeps its caller on one side of a traffic split.",
        "X-Correlation-ID": "An id for the log; one is made when it is missing.",
    }
    return {
        "requestBody": {
            "required": True,
            "content": {MULTIPART: {"schema": upload}, JSON: {"schema": schema}},
        },
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
    }


def _describe_responses() -> dict[int | str, dict[str, Any]]:
    codes_of: dict[int, list[str]] = {
        HTTPStatus.REQUEST_TIMEOUT: [ErrorCode.DEADLINE_EXCEEDED],
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: [ErrorCode.INVALID_ARGUMENT],
    }
    for code, status in STATUS_OF.items():
        if status != CLIENT_CLOSED_REQUEST:
            codes_of.setdefault(int(status), []).append(code)
    return {
        200: {"description": "Completed, or in part.", **_as_json(Detection, JSON)},
        **{
            int(status): {
                "description": ", ".join(f"`{code}`" for code in codes),
                **_as_json(Problem, MEDIA_TYPE),
            }
            for status, codes in sorted(codes_of.items())
        },
    }


def _as_json(model: type[Detection] | type[Problem], media_type: str) -> Mapping[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"content": {media_type: {"schema": reference}}}
