"""The REST application: routes, problems and the layer around them, put together."""

from __future__ import annotations

from typing import Any

from fastapi import FastAPI

from control_plane.rest_api.audit import make_audit_router
from control_plane.rest_api.correlation import CorrelationMiddleware
from control_plane.rest_api.dashboard import install_dashboard
from control_plane.rest_api.detect import make_detect_router
from control_plane.rest_api.detection_status import make_detection_status_router
from control_plane.rest_api.docs import install_docs
from control_plane.rest_api.feedback import make_feedback_router
from control_plane.rest_api.feedback_schemas import FeedbackBody
from control_plane.rest_api.fleet import make_fleet_router
from control_plane.rest_api.hosts import HostMiddleware
from control_plane.rest_api.jobs import make_jobs_router
from control_plane.rest_api.log_level import make_log_level_router
from control_plane.rest_api.metrics import make_metrics_router
from control_plane.rest_api.problems import install_problem_handlers
from control_plane.rest_api.registration import make_registration_router
from control_plane.rest_api.registry_hook import make_registry_hook
from control_plane.rest_api.rollout_schemas import StartBody
from control_plane.rest_api.rollouts import make_rollouts_router
from control_plane.rest_api.schemas import Detection, Problem
from control_plane.rest_api.services import (
    DetectionService,
    RestLimits,
    RestServices,
    StatusService,
)
from control_plane.rest_api.status import make_status_router
from control_plane.rest_api.traces import make_traces_router
from control_plane.rest_api.traffic import make_traffic_router

__all__ = [
    "DetectionService",
    "RestLimits",
    "RestServices",
    "StatusService",
    "create_app",
]

NAMED = (Detection, Problem, FeedbackBody, StartBody)
"""Models of bodies that are read and written by hand."""

DESCRIPTION = """
Detection on photos of roofs and building sites, served by a fleet of Triton servers.

Every error is an RFC 9457 problem (`application/problem+json`) with a stable `code`. Every
answer carries `X-Correlation-ID`; send your own to find a request in the log.
"""


def create_app(services: RestServices) -> FastAPI:
    """The ASGI application over ``services``. It keeps no state of its own."""
    app = FastAPI(
        title="Tidegate",
        version=services.version,
        description=DESCRIPTION,
        docs_url=None,
        redoc_url=None,
        # A redirect for a stray slash would send the photo twice.
        redirect_slashes=False,
    )
    install_problem_handlers(app)
    app.include_router(make_detect_router(services))
    app.include_router(make_detection_status_router(services))
    app.include_router(make_jobs_router(services))
    app.include_router(make_status_router(services))
    app.include_router(make_metrics_router(services.metrics))
    app.include_router(make_traffic_router(services))
    app.include_router(make_traces_router(services))
    app.include_router(make_fleet_router(services))
    app.include_router(make_rollouts_router(services))
    app.include_router(make_audit_router(services))
    app.include_router(make_feedback_router(services))
    app.include_router(
        make_registration_router(
            services.registration, body_timeout_s=services.limits.body_timeout_s
        )
    )
    app.include_router(make_registry_hook(services))
    app.include_router(
        make_log_level_router(services.log_level, body_timeout_s=services.limits.body_timeout_s)
    )
    install_docs(app)
    install_dashboard(app, services)
    _name_schemas(app)
    app.add_middleware(HostMiddleware, hosts=services.hosts)
    app.add_middleware(CorrelationMiddleware, now_s=services.clock.now_s)
    return app


def _name_schemas(app: FastAPI) -> None:
    """Puts the models of answers written by hand into the OpenAPI document."""
    generate = app.openapi

    def openapi() -> dict[str, Any]:
        document = generate()
        named = document["components"]["schemas"]
        for model in NAMED:
            if model.__name__ in named:
                continue
            schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
            named.update(schema.pop("$defs", {}))
            named[model.__name__] = schema
        return document

    app.openapi = openapi  # type: ignore[method-assign]
