"""What has become of a detection that nobody waited for, asked once or followed as it changes.

    GET /api/v1/orchestrator/status/{request_id}           the answer, as far as it is known
    GET /api/v1/orchestrator/status/{request_id}/events    server-sent events, until it is finished

Who asks the first with ``Accept: text/event-stream`` gets the second.
"""

from __future__ import annotations

from http import HTTPStatus

import orjson
from fastapi import APIRouter, Request
from starlette.responses import Response

from control_plane.core.answer_document import write_answer
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import Job
from control_plane.core.jobs.answers import answer_of
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.detect_jobs import STATUS
from control_plane.rest_api.event_streams import EVENT_STREAM, EventStream, Watchers, write_event
from control_plane.rest_api.json_bodies import JSON
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import RestServices

ANSWER = {"schema": {"$ref": "#/components/schemas/Detection"}}
EVENTS = {"schema": {"type": "string"}}
LAST_SEEN = "last-event-id"
STREAM = """
Each change is an event `status` whose data is the answer as JSON, the state now first; the stream
ends after the one that is finished. A comment comes every 15 s where nothing changes. When the
control plane stops the stream ends too: a client that connects again, as an `EventSource` does by
itself, loses nothing. Who has seen the last event, and says so with `Last-Event-ID`, gets a 204,
after which an `EventSource` comes no more.
"""


def make_detection_status_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix=STATUS, tags=["detection"])
    watchers = Watchers(services.limits.max_watchers)

    async def follow(request_id: str, request: Request) -> Response:
        changes = services.jobs.watch(check_job_id(request_id, "request_id"))
        watchers.enter()
        try:
            # Before the stream begins, so that an unknown id is a 404 and no empty stream.
            first = await anext(changes)
            is_over = first.is_finished and request.headers.get(LAST_SEEN) == _id_of(first)
            if is_over:
                await anext(changes, None)  # its end
        except BaseException:
            watchers.leave()
            raise
        if is_over:
            watchers.leave()
            return Response(status_code=HTTPStatus.NO_CONTENT)
        return EventStream(
            *(first, changes), write=_event_of, stopping=services.stopping, leave=watchers.leave
        )

    @router.get(
        "/{request_id}",
        summary="What has become of a detection",
        description="200 in every state, with the answer as far as it is known. With `Accept: "
        "text/event-stream`, its changes as they come: see `/events`.",
        operation_id="detectionStatus",
        response_class=Response,
        responses={
            200: {
                "description": "The answer; `status` says how far it is.",
                "content": {JSON: ANSWER, EVENT_STREAM: EVENTS},
            },
            **problems(404, 429, 503),
        },
    )
    async def status(request_id: str, request: Request) -> Response:
        if _wants_events(request):
            return await follow(request_id, request)
        job = await services.jobs.get(check_job_id(request_id, "request_id"))
        # It changes, and no cache between is to know better.
        headers = {"Cache-Control": "no-store", "Vary": "Accept"}
        return Response(_document_of(job), headers=headers, media_type=JSON)

    @router.get(
        "/{request_id}/events",
        summary="The changes of a detection, as they come",
        description=STREAM,
        operation_id="detectionEvents",
        response_class=Response,
        responses={
            200: {"description": "Server-sent events.", "content": {EVENT_STREAM: EVENTS}},
            204: {"description": "It is finished, and the caller has seen it."},
            **problems(404, 429, 503),
        },
    )
    async def events(request_id: str, request: Request) -> Response:
        if services.stopping.is_set():
            raise ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down; watch elsewhere")
        return await follow(request_id, request)

    return router


def _wants_events(request: Request) -> bool:
    accepted = request.headers.get("accept", "").lower().split(",")
    return any(one.partition(";")[0].strip() == EVENT_STREAM for one in accepted)


def _document_of(job: Job) -> bytes:
    return orjson.dumps(write_answer(answer_of(job)), default=dict)


def _event_of(job: Job) -> bytes:
    return write_event("status", _document_of(job), event_id=_id_of(job))


def _id_of(job: Job) -> str:
    """The number of the run and the last change, so that who comes again sees what is old."""
    return f"{job.run}-{job.updated_at_s:.6f}"
