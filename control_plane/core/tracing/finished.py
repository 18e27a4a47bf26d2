"""Finished recordings as they are exported: values with times that other machines understand."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.core.tracing.keeping import Keep
from control_plane.core.tracing.spans import Attribute, Recording, SpanKind


@dataclass(frozen=True, slots=True)
class FinishedSpan:
    """started_s, ended_s: since the epoch. parent_id: "" where there is none. error: "" if good."""

    span_id: str
    parent_id: str
    name: str
    kind: SpanKind
    started_s: float
    ended_s: float
    error: str
    attributes: Mapping[str, Attribute]


@dataclass(frozen=True, slots=True)
class FinishedTrace:
    """kept: why it is exported. state: other vendors' ``tracestate``."""

    trace_id: str
    correlation_id: str
    state: str
    kept: Keep
    spans: tuple[FinishedSpan, ...]


def finished_of(recording: Recording, kept: Keep, *, epoch_offset_s: float) -> FinishedTrace:
    """epoch_offset_s: what is added to a reading of the monotonic clock.

    A span that was not ended ends with the whole.
    """
    end_s = recording.ended_s if recording.ended_s is not None else recording.started_s
    return FinishedTrace(
        trace_id=recording.trace_id,
        correlation_id=recording.correlation_id,
        state=recording.state,
        kept=kept,
        spans=tuple(
            FinishedSpan(
                span_id=one.span_id,
                parent_id=one.parent_id,
                name=one.name,
                kind=one.kind,
                started_s=one.started_s + epoch_offset_s,
                ended_s=(end_s if one.ended_s is None else one.ended_s) + epoch_offset_s,
                error=one.error,
                attributes=dict(one.attributes),
            )
            for one in recording.spans
        ),
    )
