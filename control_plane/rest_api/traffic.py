"""``/api/v1/orchestrator/metrics``: rates, percentiles and confidence of the last minutes."""

from __future__ import annotations

from collections.abc import Mapping

from fastapi import APIRouter

from control_plane.core.traffic import Figures
from control_plane.rest_api import traffic_schemas as schemas
from control_plane.rest_api.services import RestServices

NAMES: Mapping[int, str] = {60: "1m", 300: "5m", 900: "15m"}
"""What a span in seconds is called."""


def make_traffic_router(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["status"])

    @router.get(
        "/api/v1/orchestrator/metrics",
        summary="Rates, percentiles and confidence of the last minutes",
        description="By engine and release, over 1, 5 and 15 minutes, as this control plane has "
        "seen it; those of several are not merged. An engine or a release that had no request yet "
        "is missing. Streams and results out of the cache are not in it.",
        operation_id="traffic",
    )
    async def traffic() -> schemas.Traffic:
        return schemas.Traffic(
            plane=services.standing.now().plane,
            engines={
                name: schemas.EngineTraffic(
                    total=_show(summary.total),
                    releases={release: _show(spans) for release, spans in summary.releases.items()},
                )
                for name, summary in services.traffic.summary(services.clock.now_s()).items()
            },
        )

    return router


def _show(spans: Mapping[int, Figures]) -> dict[str, schemas.TrafficFigures]:
    return {NAMES[span_s]: _show_figures(figures) for span_s, figures in spans.items()}


def _show_figures(figures: Figures) -> schemas.TrafficFigures:
    return schemas.TrafficFigures(
        requests=figures.requests,
        rate_per_s=round(figures.rate_per_s, 3),
        errors=figures.errors,
        shed=figures.shed,
        p50_ms=_rounded(figures.p50_ms, 2),
        p90_ms=_rounded(figures.p90_ms, 2),
        p95_ms=_rounded(figures.p95_ms, 2),
        p99_ms=_rounded(figures.p99_ms, 2),
        confidence_mean=_rounded(figures.confidence_mean, 4),
    )


def _rounded(value: float | None, digits: int) -> float | None:
    return None if value is None else round(value, digits)
