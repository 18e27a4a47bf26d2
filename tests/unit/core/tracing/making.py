"""Recordings for tests."""

from __future__ import annotations

from control_plane.core.tracing import Attribute, Recording, Span, SpanKind

TRACE, OTHER_TRACE = "4bf92f3577b34da6a3ce929d0e0e4736", "5759e988bd862e3fe1be46a994272793"


def recording(
    correlation_id: str = "c-1",
    *,
    trace_id: str = TRACE,
    started_s: float = 100.0,
    lasted_s: float | None = None,
    error: str = "",
    is_sampled: bool = False,
) -> Recording:
    """With one span."""
    made = Recording(trace_id, correlation_id, is_sampled, started_s, max_spans=10)
    made.begin(span("root", started_s=started_s, lasted_s=lasted_s, error=error))
    if lasted_s is not None:
        made.ended_s = started_s + lasted_s
    return made


def span(
    name: str,
    *,
    span_id: str = "00f067aa0ba902b7",
    parent_id: str = "",
    started_s: float = 100.0,
    lasted_s: float | None = None,
    error: str = "",
    is_minor: bool = False,
    **attributes: Attribute,
) -> Span:
    ended_s = None if lasted_s is None else started_s + lasted_s
    return Span(
        name,
        span_id,
        parent_id,
        SpanKind.INTERNAL,
        started_s,
        ended_s,
        error,
        is_minor,
        dict(attributes),
    )
