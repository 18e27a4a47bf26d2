"""``/metrics``: everything that can be counted, in Prometheus' text format."""

from __future__ import annotations

from fastapi import APIRouter
from starlette.responses import Response

from control_plane.rest_api.services import MetricsText

# Prometheus, "Exposition formats".
TEXT = "text/plain; version=0.0.4; charset=utf-8"


def make_metrics_router(text: MetricsText) -> APIRouter:
    router = APIRouter(tags=["status"])

    @router.get(
        "/metrics",
        summary="Metrics for Prometheus",
        description="What cannot be had now is missing, and `tidegate_job_figures_up` is 0; a "
        "scrape never fails for it.",
        operation_id="metrics",
        response_class=Response,
        responses={
            200: {
                "description": "Text format, version 0.0.4.",
                "content": {"text/plain": {"schema": {"type": "string"}}},
            }
        },
    )
    async def metrics() -> Response:
        return Response(await text.render(), headers={"Content-Type": TEXT})

    return router
