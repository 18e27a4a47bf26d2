"""Rollouts: moving an engine from one release to another, watching it, and taking it back.

    GET  /api/v1/rollouts                     the latest, of all engines or of one
    POST /api/v1/rollouts                     begin one: canary, direct, shadow, experiment
    GET  /api/v1/rollouts/{rollout}           one, by its id, a prefix of it, or its engine
    GET  /api/v1/rollouts/{rollout}/evidence  how the evidence went
    POST /api/v1/rollouts/{rollout}/{action}  pause, resume, advance, abort
    POST /api/v1/engines/{engine}/rollback    all traffic back at once

Reads views, hands on what was asked, and decides nothing.
"""

from __future__ import annotations

from http import HTTPStatus
from typing import Annotated

import structlog
from fastapi import APIRouter, Query, Request, Response

from control_plane.core.detections import ALIASES
from control_plane.core.rollout import Command, Kind
from control_plane.errors import InvalidArgument
from control_plane.rest_api import rollout_schemas as schemas
from control_plane.rest_api.fleet_schemas import DEFAULT_WHO
from control_plane.rest_api.json_bodies import body_of, read_order
from control_plane.rest_api.problems import problems
from control_plane.rest_api.rollout_shapes import read_gate, show_assessment, show_rollout
from control_plane.rest_api.services import RestServices
from control_plane.services.operations import check_reason
from control_plane.services.rollout_requests import PlanRequest, check_known, check_who
from control_plane.services.rollout_views import RolloutView

ROLLOUTS = "/api/v1/rollouts"

START = """
- `canary`: step by step. Each step takes `min_step_s` and `min_samples` at least; it goes on
  by itself once the target is found not to be worse, and is paused after `max_step_s` to ask.
- `direct`: all at once, after the target was loaded and proved.
- `shadow`: a copy of `shadow_percent` of the traffic goes to the target; no answer is used.
- `experiment`: a `split` that stays until `advance` promotes the target or `abort` ends it.

A target that is found worse is taken back at once, whatever the kind. One that is meant to be
slower, or surer or less sure of itself, needs `ignore`: what it names is shown and decides nothing
about this rollout. What is left out takes
the server's defaults. One rollout of an engine at a time (`conflict`).

`Content-Type: application/json` is required; that keeps web pages of other origins out.
"""
COMMAND = """
- `pause`: the traffic stays where it is until `resume`.
- `resume`: goes on; the step has all of its time again, and its samples stay counted.
- `advance`: the next step now, whatever the verdict; after the last one the target is promoted.
- `abort`: all traffic back to stable at once, then the models.

`Content-Type: application/json` is required, also where there is no body; that keeps web pages
of other origins out.
"""
ROLL_BACK = """
All traffic of the engine goes back at once, and only then are models touched. It works in any
state of a rollout and while instances are down; said again it changes nothing. Once a rollout
is completed, going back is a rollout of its own: the release is loaded and proved first.

`Content-Type: application/json` is required, also where there is no body; that keeps web pages
of other origins out.
"""


def make_rollouts_router(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["rollouts"])
    _add_reads(router, services)
    _add_start(router, services)
    _add_orders(router, services)
    return router


def _add_reads(router: APIRouter, services: RestServices) -> None:
    rollouts = services.rollouts

    @router.get(
        ROLLOUTS,
        summary="The latest rollouts",
        operation_id="rollouts",
        responses=problems(400, 404, 503),
    )
    async def latest(
        engine: str | None = None, limit: Annotated[int, Query(ge=1, le=500)] = 50
    ) -> schemas.Rollouts:
        found = await rollouts.rollouts(engine=engine and _engine(engine), limit=limit)
        return schemas.Rollouts(rollouts=[show_rollout(view) for view in found])

    @router.get(
        ROLLOUTS + "/{rollout}",
        summary="One rollout, by its id, a prefix of it, or its engine",
        operation_id="rollout",
        responses=problems(404, 503),
    )
    async def one(rollout: str) -> schemas.Rollout:
        return show_rollout(await rollouts.show(rollout))

    @router.get(
        ROLLOUTS + "/{rollout}/evidence",
        summary="How the evidence of a rollout went",
        operation_id="evidence",
        responses=problems(400, 404, 503),
    )
    async def evidence(
        rollout: str, limit: Annotated[int, Query(ge=1, le=10_000)] = 2000
    ) -> schemas.Evidence:
        shown = (await rollouts.show(rollout)).rollout
        looks = await rollouts.evidence(shown.rollout_id, limit=limit)
        return schemas.Evidence(
            rollout=shown.rollout_id,
            engine=shown.engine,
            assessments=[show_assessment(look) for look in looks],
        )


def _add_start(router: APIRouter, services: RestServices) -> None:
    @router.post(
        ROLLOUTS,
        status_code=HTTPStatus.CREATED,
        summary="Begin a rollout",
        description=START,
        operation_id="startRollout",
        responses=problems(400, 404, 409, 415, 503),
        openapi_extra=body_of(schemas.StartBody, is_required=True),
    )
    async def start(request: Request, response: Response) -> schemas.Rollout:
        timeout_s = services.limits.body_timeout_s
        asked = await read_order(request, schemas.StartBody, timeout_s=timeout_s)
        structlog.contextvars.bind_contextvars(engine=asked.engine[:80])
        view = await _start(services, asked)
        response.headers["Location"] = f"{ROLLOUTS}/{view.rollout.rollout_id}"
        return show_rollout(view)


def _add_orders(router: APIRouter, services: RestServices) -> None:
    rollouts, timeout_s = services.rollouts, services.limits.body_timeout_s

    @router.post(
        ROLLOUTS + "/{rollout}/{action}",
        summary="Pause, resume, advance or abort a rollout",
        description=COMMAND,
        operation_id="commandRollout",
        responses=problems(400, 404, 409, 415, 503),
        openapi_extra=body_of(schemas.CommandBody, is_required=False),
    )
    async def command(rollout: str, action: Command, request: Request) -> schemas.Rollout:
        structlog.contextvars.bind_contextvars(rollout=rollout[:80], action=action)
        asked = await read_order(request, schemas.CommandBody, timeout_s=timeout_s)
        who, reason = _signed(asked)
        return show_rollout(await rollouts.command(rollout, action, who=who, reason=reason))

    @router.post(
        "/api/v1/engines/{engine}/rollback",
        summary="Take an engine's traffic back at once",
        description=ROLL_BACK,
        operation_id="rollBack",
        responses=problems(400, 404, 409, 415, 503),
        openapi_extra=body_of(schemas.RollBackBody, is_required=False),
    )
    async def roll_back(engine: str, request: Request) -> schemas.Rollout:
        structlog.contextvars.bind_contextvars(engine=engine[:80])
        asked = await read_order(request, schemas.RollBackBody, timeout_s=timeout_s)
        who, reason = _signed(asked)
        to = asked.to or None
        view = await rollouts.roll_back(_engine(engine), to=to, who=who, reason=reason)
        return show_rollout(view)


async def _start(services: RestServices, asked: schemas.StartBody) -> RolloutView:
    plan = PlanRequest(
        kind=Kind(asked.kind),
        steps_percent=None if asked.steps_percent is None else tuple(asked.steps_percent),
        shadow_percent=asked.shadow_percent,
        min_step_s=asked.min_step_s,
        max_step_s=asked.max_step_s,
        min_samples=asked.min_samples,
        is_manual=asked.manual,
        ignored=tuple(asked.ignore),
        accuracy=read_gate(asked.accuracy),
    )
    who, reason = _signed(asked)
    engine = _engine(asked.engine)
    if plan.kind is Kind.EXPERIMENT:
        check_known(plan)
        split = _split(asked)
        return await services.rollouts.experiment(
            engine, split, ignored=plan.ignored, who=who, reason=reason
        )
    if asked.split is not None:
        raise InvalidArgument(
            f"split means nothing to a rollout of kind {asked.kind}", field="split"
        )
    if not asked.release:
        raise InvalidArgument("release is missing: name the target", field="release")
    made = services.plan_defaults.plan(plan)
    return await services.rollouts.start(engine, asked.release, made, who=who, reason=reason)


def _split(asked: schemas.StartBody) -> dict[str, int]:
    if asked.split is None:
        raise InvalidArgument("split is missing: name two releases and their shares", field="split")
    if asked.release and asked.release not in asked.split:
        raise InvalidArgument(
            f"release {asked.release[:80]!r} is not in the split", field="release"
        )
    return asked.split


def _signed(asked: schemas.StartBody | schemas.CommandBody) -> tuple[str, str]:
    """Who asks, and why."""
    return check_who(asked.who, DEFAULT_WHO), check_reason(asked.reason)


def _engine(name: str) -> str:
    return ALIASES.get(name, name)
