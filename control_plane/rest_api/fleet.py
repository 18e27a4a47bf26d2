"""The fleet: what is believed of each instance, and what an operator may do to it.

    GET  /api/v1/fleet                      all, and what changed lately
    GET  /api/v1/fleet/{instance}           one, with its history
    POST /api/v1/fleet/{instance}/{action}  drain, undrain, heal, isolate

Reads views, hands actions on, and decides nothing.
"""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import structlog
from fastapi import APIRouter, Request

from control_plane.rest_api import fleet_schemas as schemas
from control_plane.rest_api.json_bodies import body_of, read_order
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import RestServices
from control_plane.services.operations import Action
from control_plane.services.rollout_requests import check_who
from control_plane.services.status import SHOWN_CHANGES, ChangeView, InstanceView

DESCRIPTION = """
- `drain`: what is in flight is finished (see `in_flight` fall to zero); nothing new is sent,
  loaded or mended there.
- `undrain`: it is looked at at once and takes requests again as soon as it is found well.
- `isolate`: the same for an instance that is not trusted; only `heal` brings it back.
- `heal`: it is believed to be well until shown otherwise. Its breakers close, engines that
  were given up are tried again, and an isolated instance comes back.

Draining or isolating the last instance where some release takes requests is refused
(`conflict`), unless `force` is true. Doing again what is done already changes nothing.

`Content-Type: application/json` is required, also where there is no body; that keeps web pages
of other origins out.
"""


def make_fleet_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix="/api/v1/fleet", tags=["fleet"])
    status = services.status

    @router.get("", summary="All Triton instances", operation_id="fleet")
    async def fleet() -> schemas.Fleet:
        return schemas.Fleet(
            instances=[schemas.Instance(**_show(view)) for view in status.instances()],
            changes=[_show_change(change) for change in status.changes(SHOWN_CHANGES)],
        )

    @router.get(
        "/{instance}",
        summary="One Triton instance with its history",
        operation_id="instance",
        responses=problems(404),
    )
    async def instance(instance: str) -> schemas.InstanceWithHistory:
        return _show_whole(services, instance)

    @router.post(
        "/{instance}/{action}",
        summary="Take an instance out of service, or back in",
        description=DESCRIPTION,
        operation_id="act",
        responses=problems(400, 404, 409, 415),
        openapi_extra=body_of(schemas.ActBody, is_required=False),
    )
    async def act(instance: str, action: Action, request: Request) -> schemas.InstanceWithHistory:
        structlog.contextvars.bind_contextvars(instance=instance[:80], action=action)
        asked = await read_order(request, schemas.ActBody, timeout_s=services.limits.body_timeout_s)
        await services.operations.act(
            action,
            instance,
            who=check_who(asked.who, schemas.DEFAULT_WHO),
            reason=asked.reason,
            force=asked.force,
        )
        return _show_whole(services, instance)

    return router


def _show_whole(services: RestServices, name: str) -> schemas.InstanceWithHistory:
    return schemas.InstanceWithHistory(
        **_show(services.status.instance(name)),
        history=[_show_change(change) for change in services.status.history(name)],
    )


def _show(view: InstanceView) -> dict[str, Any]:
    return {
        "name": view.name,
        "url": view.url,
        "state": view.state,
        "serving": {engine: list(releases) for engine, releases in view.serving.items()},
        "in_flight": view.in_flight,
        "breakers": dict(view.breakers),
        "reason": view.reason,
        "observed_ago_s": view.observed_ago_s,
        "health": view.health,
        "health_reason": view.health_reason,
        "health_since": view.health_since,
        "engines": {
            engine: schemas.EngineThere(
                fitness=there.fitness, reason=there.reason, in_flight=there.in_flight
            )
            for engine, there in view.engines.items()
        },
        "last_change": _show_change(view.last_change) if view.last_change else None,
        "load": schemas.Load(**asdict(view.load)) if view.load else None,
        "load_reason": view.load_reason,
    }


def _show_change(change: ChangeView) -> schemas.Change:
    return schemas.Change(
        at=change.at,
        instance=change.instance,
        engine=change.engine,
        was=change.was,
        now=change.now,
        reason=change.reason,
    )
