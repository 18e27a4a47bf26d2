"""``/api/v1/traces``: what became of the last requests, step by step."""

from __future__ import annotations

from typing import Annotated, Any

from fastapi import APIRouter, Query

from control_plane.core.detections import ALIASES
from control_plane.core.tracing import SpanView, TraceView
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import trace_schemas as schemas
from control_plane.rest_api.problems import problems
from control_plane.rest_api.services import RestServices

KEPT = "Kept in the memory of this control plane alone, the latest ones, and those that failed or \
were slow for longer."


def make_traces_router(services: RestServices) -> APIRouter:
    router = APIRouter(prefix="/api/v1/traces", tags=["traces"])
    traces = services.traces

    @router.get(
        "",
        summary="The traces of the last requests",
        description=f"Without their spans, the latest first. {KEPT}",
        operation_id="traces",
        responses=problems(400),
    )
    async def recent(
        limit: Annotated[int, Query(ge=1, le=500)] = 50,
        engine: Annotated[str | None, Query(description="That was asked.")] = None,
        is_error: bool | None = None,
        slower_than_ms: Annotated[float | None, Query(ge=0)] = None,
    ) -> schemas.Traces:
        found = traces.recent(
            limit=limit,
            engine=ALIASES.get(engine, engine) if engine else None,
            is_error=is_error,
            slower_than_s=None if slower_than_ms is None else slower_than_ms / 1000,
        )
        return schemas.Traces(traces=[schemas.TraceSummary(**_summary(one)) for one in found])

    @router.get(
        "/{trace_id}",
        summary="One trace, with its spans",
        description="By its own id, or that of a correlation, a request or a job. "
        f"One that is under way is shown as far as it has come. {KEPT}",
        operation_id="trace",
        responses=problems(404),
    )
    async def trace(trace_id: str) -> schemas.Trace:
        view = traces.find(trace_id)
        if view is None:
            raise ControlPlaneError(
                ErrorCode.NOT_FOUND,
                f"no trace is kept under {trace_id[:80]!r}: it is too long ago, of another control "
                "plane or worker, or there was no such request",
                field="trace_id",
            )
        return show_trace(view)

    return router


def show_trace(view: TraceView) -> schemas.Trace:
    return schemas.Trace(
        **_summary(view),
        parent_id=view.parent_id,
        spans_left_out=view.left_out,
        spans=[_span(one) for one in view.spans],
    )


def _summary(view: TraceView) -> dict[str, Any]:
    return {
        "trace_id": view.trace_id,
        "correlation_id": view.correlation_id,
        "request_id": view.subject or None,
        "name": view.name,
        "engines": list(view.engines),
        "started_at": view.started_at,
        "duration_ms": _ms(view.duration_s),
        "status": view.status,
        "error": view.error or None,
        "refusal": view.refusal or None,
        "is_sampled": view.is_sampled,
        "is_complete": view.is_complete,
    }


def _span(one: SpanView) -> schemas.Span:
    return schemas.Span(
        span_id=one.span_id,
        parent_id=one.parent_id,
        name=one.name,
        start_ms=_ms(one.start_s),
        duration_ms=None if one.duration_s is None else _ms(one.duration_s),
        status=one.status,
        error=one.error or None,
        attributes=dict(one.attributes),
    )


def _ms(seconds: float) -> float:
    return round(seconds * 1000, 3)
