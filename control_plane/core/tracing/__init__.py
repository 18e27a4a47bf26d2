"""Traces: what of them travels, what is recorded of a request, and what of that is kept.

context, w3c, xray, propagation   between services
identifiers                       new ids, and whose turn it is to be sampled
spans, views, finished            what happened here; as it is looked at; as it is exported
keeping, recent                   what is worth exporting, and what is remembered
"""

from control_plane.core.tracing.context import TraceContext
from control_plane.core.tracing.finished import FinishedSpan, FinishedTrace, finished_of
from control_plane.core.tracing.identifiers import Bits, is_chosen, new_span_id, new_trace_id
from control_plane.core.tracing.keeping import Keep, is_notable, keeps
from control_plane.core.tracing.propagation import (
    CARRIERS,
    Propagation,
    read_context,
    write_context,
)
from control_plane.core.tracing.recent import RecentOptions, RecentTraces
from control_plane.core.tracing.spans import Attribute, Recording, Span, SpanKind
from control_plane.core.tracing.views import SpanView, TraceView, view_of

__all__ = [
    "CARRIERS",
    "Attribute",
    "Bits",
    "FinishedSpan",
    "FinishedTrace",
    "Keep",
    "Propagation",
    "RecentOptions",
    "RecentTraces",
    "Recording",
    "Span",
    "SpanKind",
    "SpanView",
    "TraceContext",
    "TraceView",
    "finished_of",
    "is_chosen",
    "is_notable",
    "keeps",
    "new_span_id",
    "new_trace_id",
    "read_context",
    "view_of",
    "write_context",
]
