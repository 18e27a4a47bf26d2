"""The last minutes' traffic.

GET /api/v1/orchestrator/metrics       rates, percentiles and confidence by span
GET /api/v1/engines/{engine}/series    the same as curves, to be drawn
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated

from fastapi import APIRouter, Query

from control_plane.core.traffic import SPANS_S, Curve, Figures
from control_plane.rest_api import traffic_schemas as schemas
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import RestServices
from control_plane.rest_api.status import find_engine
from control_plane.services.traffic import CurvesView, EngineTrafficView

NAMES: Mapping[int, str] = {60: "1m", 300: "5m", 900: "15m"}
"""What a span in seconds is called."""


def make_traffic_router(services: RestServices) -> APIRouter:
    router = APIRouter(tags=["status"])

    @router.get(
        "/api/v1/orchestrator/metrics",
        summary="Rates, percentiles and confidence of the last minutes",
        description="By engine and release, over 1, 5 and 15 minutes, as all control planes and "
        "workers have seen it together; what the others counted in the last few seconds may be "
        "missing. While the store is away it is what this one has seen, and `is_merged` is false. "
        "An engine or a release that had no request yet is missing. Streams and results out of "
        "the cache are not in it.",
        operation_id="traffic",
    )
    async def traffic() -> schemas.Traffic:
        view = services.traffic.summary()
        return schemas.Traffic(
            plane=services.standing.now().plane,
            is_merged=view.is_merged,
            planes=[
                schemas.CoveredPlane(
                    plane=one.plane, told_ago_s=round(one.told_ago_s, 1), is_gone=one.is_gone
                )
                for one in view.planes
            ],
            engines={name: _show_engine(one) for name, one in view.engines.items()},
        )

    @router.get(
        "/api/v1/engines/{engine}/series",
        summary="Rates and percentiles of the last minutes, step by step",
        description="By release, a number for each step, and how sure the answers were over all "
        "the steps. The step that is not over yet is there once it has lasted 5 s.",
        operation_id="series",
        responses=problems(400, 404),
    )
    async def series(
        engine: str,
        span_s: Annotated[
            int, Query(ge=SPANS_S[0], le=SPANS_S[-1], description="How far back.")
        ] = SPANS_S[-1],
    ) -> schemas.Series:
        name = find_engine(engine, services.status.engines()).name
        return _show_curves(services.traffic.curves(name, span_s))

    return router


def _show_curves(view: CurvesView) -> schemas.Series:
    curves = view.curves
    return schemas.Series(
        engine=view.engine,
        step_s=curves.step_s,
        is_merged=view.is_merged,
        at=[round(at.timestamp(), 3) for at in view.at],
        releases={version: _show_curve(curve) for version, curve in curves.releases.items()},
        confidence={
            version: schemas.Confidences(bounds=list(seen.bounds), counts=list(seen.counts))
            for version, seen in curves.confidences.items()
        },
    )


def _show_curve(curve: Curve) -> schemas.Curve:
    return schemas.Curve(
        requests_per_s=[round(rate, 3) for rate in curve.requests_per_s],
        errors_per_s=[round(rate, 3) for rate in curve.errors_per_s],
        p50_ms=_all_rounded(curve.p50_ms),
        p95_ms=_all_rounded(curve.p95_ms),
        p99_ms=_all_rounded(curve.p99_ms),
    )


def _all_rounded(values: Iterable[float | None]) -> list[float | None]:
    return [_rounded(value, 2) for value in values]


def _show_engine(view: EngineTrafficView) -> schemas.EngineTraffic:
    summary = view.summary
    return schemas.EngineTraffic(
        total=_show(summary.total),
        releases={release: _show(spans) for release, spans in summary.releases.items()},
        confidence_drift={
            release: schemas.ConfidenceDrift(
                index=_rounded(drift.index, 4),
                samples=drift.samples,
                against=drift.against.value,
                reference_samples=drift.reference_samples,
            )
            for release, drift in view.drifts.items()
        },
    )


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
