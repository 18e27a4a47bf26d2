"""Spans, written by hand where the work is done.

    with tracing.root("detect", correlation_id=..., carried=headers):     at an edge
        with span("engine", engine="damage") as traced:                   anywhere below
            traced.put(release="1.1.0")

A context variable holds the span that is current, so tasks begun below belong to it, and those
with a context of their own do not. Where none is current, ``span`` is nothing, and costs next to
nothing. Everything is recorded, because nobody knows at the start what will fail; what is exported
is decided at the end (``core/tracing/keeping.py``).
"""

from control_plane.services.tracing.scopes import (
    NOTHING,
    Traced,
    context_now,
    name_subject,
    outgoing,
    put,
    record,
    span,
)
from control_plane.services.tracing.tracer import (
    NOT_TRACED,
    NotTraced,
    Tracer,
    Tracing,
    TracingOptions,
)

__all__ = [
    "NOTHING",
    "NOT_TRACED",
    "NotTraced",
    "Traced",
    "Tracer",
    "Tracing",
    "TracingOptions",
    "context_now",
    "name_subject",
    "outgoing",
    "put",
    "record",
    "span",
]
