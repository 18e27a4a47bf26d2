"""Jobs as an operator sees and steers them: what waits, what failed, and what is done about it.

    GET  /api/v1/jobs                  the latest, by filter, page by page
    GET  /api/v1/jobs/figures          how many there are, and how old the oldest is
    GET  /api/v1/jobs/{job}            one, with everything
    POST /api/v1/jobs/{job}/{action}   replay, discard, resend
    POST /api/v1/jobs/{action}         replay or discard dead letters, resend results, by filter

Reads, hands on what was asked, and decides nothing.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import structlog
from fastapi import APIRouter, Depends, Request

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import FINISHED, DeadReason
from control_plane.errors import ControlPlaneError
from control_plane.rest_api import job_schemas as schemas
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.rest_api.job_filters import (
    JobQuery,
    filter_of_order,
    filter_of_query,
    next_page,
)
from control_plane.rest_api.job_shapes import show_job, show_whole
from control_plane.rest_api.json_bodies import body_of, read_order
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import JobDesk, RestServices
from control_plane.services.operations import check_reason
from control_plane.services.rollout_requests import check_who

JOBS = "/api/v1/jobs"
ONE = """
- `replay`: a dead letter waits in the queue again, with all its attempts and a new deadline.
- `discard`: a dead letter is one no longer; the job stays `failed`.
- `resend`: a result that was given up on its way is delivered again.

What does not apply to the state that the job is in is a `conflict`, and changes nothing.
`Content-Type: application/json` is required, also where there is no body; that keeps web pages
of other origins out.
"""
MANY = """
`replay` and `discard`: dead letters alone. `resend`: jobs whose result was given up on its way,
alone. The latest first, at most `limit` of them; `may_have_more` says whether to ask again, with
`before` the last of `ids`, for what fails again at once is the latest again. At
least one filter is needed, or `all: true`: an empty body must not empty a queue.
`Content-Type: application/json` is required.
"""


class Act(StrEnum):
    """What is done to one job."""

    REPLAY = "replay"
    DISCARD = "discard"
    RESEND = "resend"


class ActOnMany(StrEnum):
    """What is done by filter: to dead letters, or to results that were given up."""

    REPLAY = "replay"
    DISCARD = "discard"
    RESEND = "resend"


def make_jobs_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix=JOBS, tags=["jobs"])
    _add_reads(router, services.jobs)
    _add_orders(router, services)
    return router


def _add_reads(router: APIRouter, desk: JobDesk) -> None:
    @router.get(
        "",
        summary="The latest jobs, by filter",
        operation_id="jobs",
        responses=problems(400, 404, 503),
    )
    async def latest(query: Annotated[JobQuery, Depends()]) -> schemas.Jobs:
        found = await desk.find(filter_of_query(query), limit=query.limit)
        return schemas.Jobs(
            jobs=[show_job(job) for job in found],
            next_before=next_page([job.job_id for job in found], query.limit),
        )

    @router.get(
        "/figures",
        summary="How many jobs wait, how old the oldest is, and how many are dead letters",
        operation_id="jobFigures",
        responses=problems(503),
    )
    async def figures() -> schemas.JobFigures:
        return await _show_figures(desk)

    @router.get(
        "/{job}",
        summary="One job, with everything",
        operation_id="job",
        responses=problems(404, 503),
    )
    async def one(job: str) -> schemas.WholeJob:
        return show_whole(await desk.get(check_job_id(job, "job")))


def _add_orders(router: APIRouter, services: RestServices) -> None:
    desk, timeout_s = services.jobs, services.limits.body_timeout_s
    act_on_one = {Act.REPLAY: desk.replay, Act.DISCARD: desk.discard, Act.RESEND: desk.resend}
    act_on_many = {
        ActOnMany.REPLAY: desk.replay_all,
        ActOnMany.DISCARD: desk.discard_all,
        ActOnMany.RESEND: desk.resend_all,
    }

    @router.post(
        "/{action}",
        summary="Replay or discard dead letters, or resend results, by filter",
        description=MANY,
        operation_id="actOnJobs",
        responses=problems(400, 415, 503),
        openapi_extra=body_of(schemas.ActOnManyBody, is_required=True),
    )
    async def many(action: ActOnMany, request: Request) -> schemas.ActedOn:
        structlog.contextvars.bind_contextvars(action=action)
        asked = await read_order(request, schemas.ActOnManyBody, timeout_s=timeout_s)
        who, reason = _signed(asked)
        wanted = filter_of_order(asked, is_resend=action is ActOnMany.RESEND)
        ids = await act_on_many[action](wanted, limit=asked.limit, who=who, reason=reason)
        return schemas.ActedOn(count=len(ids), ids=list(ids), may_have_more=len(ids) >= asked.limit)

    @router.post(
        "/{job}/{action}",
        summary="Replay, discard or resend one job",
        description=ONE,
        operation_id="actOnJob",
        responses=problems(400, 404, 409, 415, 503),
        openapi_extra=body_of(schemas.ActBody, is_required=False),
    )
    async def one(job: str, action: Act, request: Request) -> schemas.WholeJob:
        structlog.contextvars.bind_contextvars(job=job[:80], action=action)
        asked = await read_order(request, schemas.ActBody, timeout_s=timeout_s)
        who, reason = _signed(asked)
        job_id = check_job_id(job, "job")
        return show_whole(await act_on_one[action](job_id, who=who, reason=reason))


async def _show_figures(desk: JobDesk) -> schemas.JobFigures:
    found = await desk.figures()
    try:
        depths = dict(await desk.depths())
    except ControlPlaneError:
        # A queue that is away must not hide what the store knows.
        depths = None
    return schemas.JobFigures(
        waiting={one: found.waiting.get(one, 0) for one in Priority},
        queue=depths,
        oldest_age_s={one: round(found.oldest_age_s.get(one, 0.0), 3) for one in Priority},
        states={one: found.states.get(one, 0) for one in DetectionStatus if one not in FINISHED},
        dead={one.value: found.dead.get(one, 0) for one in DeadReason},
        undelivered=found.undelivered,
        sending=found.sending,
    )


def _signed(asked: schemas.ActBody) -> tuple[str, str]:
    """Who asks, and why."""
    return check_who(asked.who, DEFAULT_WHO), check_reason(asked.reason)
