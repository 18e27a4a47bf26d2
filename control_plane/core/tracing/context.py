"""What of a trace travels from one service to the next."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A place in a trace, as whoever asked has told it.

    trace_id: 32 hexadecimal digits. span_id: 16 of them, of the span that asked; "" where only the
        trace is known. is_sampled: None where who asked leaves that to us.
    state: other vendors' ``tracestate``, passed on as it came.
    """

    trace_id: str
    span_id: str
    is_sampled: bool | None = None
    state: str = ""
