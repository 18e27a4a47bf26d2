"""Traces, as the settings want them: who records them, and where they are sent."""

from __future__ import annotations

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.bootstrap.instances import make_rng
from control_plane.core.tracing import Propagation, RecentOptions
from control_plane.ports import SpanSink
from control_plane.services.tracing import NOT_TRACED, NotTraced, Tracing, TracingOptions
from control_plane.settings import Settings


def make_tracing(settings: Settings, sink: SpanSink | None) -> Tracing | NotTraced:
    tracing = settings.tracing
    if not tracing.enabled:
        return NOT_TRACED
    return Tracing(
        clock=MonotonicClock(),
        calendar=SystemCalendar(),
        bits=make_rng(),
        options=TracingOptions(
            sample_ratio=tracing.sample_ratio,
            propagation=Propagation(tracing.propagation),
            max_spans=tracing.max_spans,
            recent=RecentOptions(
                max_quick=tracing.kept_quick,
                max_notable=tracing.kept_notable,
                slow_s=tracing.slow_s,
            ),
        ),
        sink=sink,
    )
