"""What a worker answers over HTTP: whether it is well, what it counts, how much it logs.

    GET /healthz, /readyz, /metrics      as a control plane's
    GET, PUT /api/v1/log-level           as a control plane's

No requests and no operations: those go to a control plane.
"""

from __future__ import annotations

from fastapi import APIRouter, FastAPI

from control_plane.ports import Clock
from control_plane.rest_api.correlation import CorrelationMiddleware
from control_plane.rest_api.hosts import AllowedHosts, HostMiddleware
from control_plane.rest_api.log_level import LogLevelService, make_log_level_router
from control_plane.rest_api.metrics import make_metrics_router
from control_plane.rest_api.problems import install_problem_handlers
from control_plane.rest_api.services import MetricsText, StatusService
from control_plane.rest_api.status import add_probes

BODY_TIMEOUT_S = 10.0
THERE = (
    "a worker has /healthz, /readyz, /metrics and /api/v1/log-level; traces and all else are "
    "asked of a control plane"
)


def create_worker_app(
    *,
    status: StatusService,
    metrics: MetricsText,
    log_level: LogLevelService,
    version: str,
    clock: Clock,
    hosts: AllowedHosts,
) -> FastAPI:
    """The ASGI application. It keeps no state of its own."""
    app = FastAPI(
        title="Tidegate worker",
        version=version,
        docs_url=None,
        redoc_url=None,
        openapi_url=None,
        redirect_slashes=False,
    )
    install_problem_handlers(app, what_is_there=THERE)
    probes = APIRouter()
    add_probes(probes, status)
    app.include_router(probes)
    app.include_router(make_metrics_router(metrics))
    app.include_router(make_log_level_router(log_level, body_timeout_s=BODY_TIMEOUT_S))
    app.add_middleware(HostMiddleware, hosts=hosts)
    app.add_middleware(CorrelationMiddleware, now_s=clock.now_s)
    return app
