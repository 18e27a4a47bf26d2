"""Which headers carry a trace's context, in and out."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.core.tracing import w3c, xray
from control_plane.core.tracing.context import TraceContext


class Propagation(StrEnum):
    """The headers that are understood and written."""

    W3C = "w3c"
    XRAY = "xray"
    BOTH = "both"

    @property
    def is_w3c(self) -> bool:
        return self is not Propagation.XRAY

    @property
    def is_xray(self) -> bool:
        return self is not Propagation.W3C


CARRIERS = frozenset({w3c.TRACEPARENT, w3c.TRACESTATE, xray.HEADER})
"""The names of all headers that may carry something, in lower case."""


def read_context(carried: Mapping[str, str], propagation: Propagation) -> TraceContext | None:
    """What the headers tell, by their names in lower case; the W3C's first where both are there."""
    context: TraceContext | None = None
    if propagation.is_w3c:
        context = w3c.read_traceparent(
            carried.get(w3c.TRACEPARENT, ""), carried.get(w3c.TRACESTATE, "")
        )
    if context is None and propagation.is_xray:
        context = xray.read_xray(carried.get(xray.HEADER, ""))
    return context


def write_context(context: TraceContext, propagation: Propagation) -> tuple[tuple[str, str], ...]:
    """The headers that say so, with names in lower case."""
    headers: list[tuple[str, str]] = []
    if propagation.is_w3c:
        headers.append((w3c.TRACEPARENT, w3c.write_traceparent(context)))
        if context.state:
            headers.append((w3c.TRACESTATE, context.state))
    if propagation.is_xray:
        headers.append((xray.HEADER, xray.write_xray(context)))
    return tuple(headers)
