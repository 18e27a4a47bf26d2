"""What runs, for people and for load balancers: health, engines, releases.

Reads views and writes JSON; decides nothing but the one word of ``/health``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import JSONResponse, Response

from control_plane.core.detections import ALIASES, Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import schemas
from control_plane.rest_api.problems import MEDIA_TYPE, correlation_id_of, problem_of
from control_plane.rest_api.services import RestServices, StatusService
from control_plane.services.status import EngineView, InstanceView, ReleaseView

RETRY_AFTER_S = 1.0
PROBLEM: dict[str, Any] = {
    "content": {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
}


def make_status_router(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["status"])
    add_probes(router, services.status)
    _add_overviews(router, services)
    _add_health(router, services)
    return router


def add_probes(router: APIRouter, status: StatusService) -> None:
    """``/healthz`` and ``/readyz``."""

    @router.get("/healthz", summary="Whether the process is alive", operation_id="healthz")
    async def healthz() -> schemas.Alive:
        return schemas.Alive()

    @router.get(
        "/readyz",
        summary="Whether requests are to be sent here",
        description="200 once every engine's stable release is ready on at least one instance, "
        "and from then on while any engine's is.",
        operation_id="readyz",
        response_model=schemas.Ready,
        responses={
            503: {
                "description": "`release_not_ready`, naming the engines, or `shutting_down`.",
                **PROBLEM,
            }
        },
    )
    async def readyz(request: Request) -> Response:
        waiting = [engine.name for engine in status.engines() if not engine.is_ready]
        if status.is_ready():
            return JSONResponse({"status": "ok", "not_ready": waiting})
        if status.is_stopping:
            stopping = ControlPlaneError(ErrorCode.SHUTTING_DOWN, "shutting down")
            return problem_of(stopping, correlation_id_of(request))
        what = f"not ready: {', '.join(waiting)}" if waiting else "no engine is known yet"
        error = ControlPlaneError(ErrorCode.RELEASE_NOT_READY, what, retry_after_s=RETRY_AFTER_S)
        return problem_of(error, correlation_id_of(request), extensions={"engines": waiting})


def _add_overviews(router: APIRouter, services: RestServices) -> None:
    async def engines() -> schemas.Engines:
        return schemas.Engines(engines=[_show_engine(view) for view in services.status.engines()])

    router.get("/api/v1/engines", summary="All engines", operation_id="engines")(engines)
    router.get(
        "/api/v1/orchestrator/models",
        summary="All engines with their releases",
        operation_id="models",
    )(engines)

    @router.get(
        "/api/v1/engines/{engine}/releases",
        summary="One engine's releases",
        operation_id="releases",
        responses={404: {"description": "`unknown_engine`", **PROBLEM}},
    )
    async def releases(engine: str) -> schemas.EngineReleases:
        view = find_engine(engine, services.status.engines())
        return schemas.EngineReleases(
            engine=view.name,
            stable=view.stable,
            releases=[_show_release(release) for release in view.releases],
        )


def _add_health(router: APIRouter, services: RestServices) -> None:
    @router.get(
        "/api/v1/orchestrator/health",
        summary="One word for everything, and what it rests on",
        description="Always 200; `/readyz` is the one that fails.",
        operation_id="health",
    )
    async def health() -> schemas.Health:
        status = services.status
        engines, instances = status.engines(), status.instances()
        standing = services.standing.now()
        ready = [engine.is_ready for engine in engines]
        word: Any = "degraded"
        if not any(ready):
            word = "unavailable"
        elif not (status.is_stopping or standing.is_store_away or standing.is_queue_away):
            word = "ok" if all(ready) and all(map(_is_well, instances)) else word
        return schemas.Health(
            status=word,
            version=services.version,
            engines={engine.name: _show_engine_health(engine) for engine in engines},
            instances={view.name: view.state for view in instances},
            plane=standing.plane,
            other_planes=list(standing.others),
            leader=schemas.Leader(
                is_leading=standing.is_leading, epoch=standing.epoch, since=standing.led_since
            ),
            state=schemas.StateHealth(revision=standing.revision, is_away=standing.is_store_away),
            queue=schemas.QueueHealth(is_away=standing.is_queue_away),
            complaints=list(standing.complaints),
        )


def _is_well(view: InstanceView) -> bool:
    return view.state == "ready" and view.health == "healthy"


def find_engine(name: str, engines: tuple[EngineView, ...]) -> EngineView:
    """Raises ControlPlaneError(UNKNOWN_ENGINE), with those that there are."""
    wanted = ALIASES.get(name, name)
    for view in engines:
        if view.name == wanted:
            return view
    known = ", ".join(view.name for view in engines) or "none"
    raise ControlPlaneError(
        ErrorCode.UNKNOWN_ENGINE, f"unknown engine {name[:80]!r}; known: {known}", field="engine"
    )


def _show_engine_health(view: EngineView) -> schemas.EngineHealth:
    ready_on = [
        instance
        for release in view.releases
        if release.release == view.stable
        for instance in release.ready_on
    ]
    return schemas.EngineHealth(is_ready=view.is_ready, stable=view.stable, ready_on=ready_on)


def _show_engine(view: EngineView) -> schemas.Engine:
    return schemas.Engine(
        name=view.name,
        kind=view.kind,
        stable=view.stable,
        is_ready=view.is_ready,
        releases=[_show_release(release) for release in view.releases],
        admission=schemas.Admission(
            limit=view.admission.limit,
            in_flight=view.admission.in_flight,
            admitted=_by_name(view.admission.admitted),
            shed=_by_name(view.admission.shed),
        ),
        retry_budget_remaining=round(view.retry_budget_remaining, 1),
    )


def _by_name(counts: Mapping[Priority, int]) -> dict[str, int]:
    return {priority.value: count for priority, count in counts.items()}


def _show_release(view: ReleaseView) -> schemas.Release:
    return schemas.Release(
        release=view.release,
        pins=dict(view.pins),
        is_stable=view.is_stable,
        weight_bp=view.weight_bp,
        ready_on=list(view.ready_on),
        ejected=view.ejected,
        benched=view.benched,
        is_panicking=view.is_panicking,
        panics=view.panics,
        is_canary=view.is_canary,
        shadow_bp=view.shadow_bp,
        is_serving=view.is_serving,
    )
