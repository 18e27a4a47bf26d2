"""Our finished spans as OpenTelemetry's, which its exporters take."""

from __future__ import annotations

from collections.abc import Mapping

from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.sdk.util.instrumentation import InstrumentationScope
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState
from opentelemetry.trace.status import Status, StatusCode

from control_plane import __version__
from control_plane.core import tracing
from control_plane.core.tracing import FinishedSpan, FinishedTrace

PREFIX = "tidegate."
"""Of all attributes, which are nobody's convention but ours."""

SCOPE = InstrumentationScope("tidegate", __version__)
_NS = 1_000_000_000

KINDS: Mapping[tracing.SpanKind, SpanKind] = {
    tracing.SpanKind.SERVER: SpanKind.SERVER,
    tracing.SpanKind.CLIENT: SpanKind.CLIENT,
    tracing.SpanKind.PRODUCER: SpanKind.PRODUCER,
    tracing.SpanKind.CONSUMER: SpanKind.CONSUMER,
    tracing.SpanKind.INTERNAL: SpanKind.INTERNAL,
}


def readable_spans(trace: FinishedTrace, resource: Resource) -> list[ReadableSpan]:
    """All of a trace's. The first says what it is known by, and why it is here."""
    state = TraceState.from_header([trace.state]) if trace.state else TraceState()
    own = {one.span_id for one in trace.spans}
    made = []
    for number, one in enumerate(trace.spans):
        attributes = {PREFIX + name: value for name, value in one.attributes.items()}
        if number == 0:
            attributes[PREFIX + "correlation_id"] = trace.correlation_id
            attributes[PREFIX + "kept"] = trace.kept.value
        parent = None
        if one.parent_id:
            is_remote = one.parent_id not in own
            parent = _context(trace, one.parent_id, state, is_remote=is_remote)
        made.append(
            ReadableSpan(
                name=one.name,
                context=_context(trace, one.span_id, state, is_remote=False),
                parent=parent,
                resource=resource,
                attributes=attributes,
                kind=KINDS[one.kind],
                status=_status(one),
                start_time=round(one.started_s * _NS),
                end_time=round(one.ended_s * _NS),
                instrumentation_scope=SCOPE,
            )
        )
    return made


def _context(
    trace: FinishedTrace, span_id: str, state: TraceState, *, is_remote: bool
) -> SpanContext:
    # All that is exported is, by its flag, sampled.
    return SpanContext(
        trace_id=int(trace.trace_id, 16),
        span_id=int(span_id, 16),
        is_remote=is_remote,
        trace_flags=TraceFlags(TraceFlags.SAMPLED),
        trace_state=state,
    )


def _status(one: FinishedSpan) -> Status:
    return Status(StatusCode.ERROR, one.error) if one.error else Status(StatusCode.UNSET)
