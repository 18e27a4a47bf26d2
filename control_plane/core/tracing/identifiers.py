"""New ids of traces and spans, and which traces are sampled by their id."""

from __future__ import annotations

from typing import Protocol

_SPAN_BITS, _TRACE_BITS, _EPOCH_BITS = 64, 128, 32


class Bits(Protocol):
    """What ids need of ``random.Random``."""

    def getrandbits(self, k: int, /) -> int:
        """Uniform in [0, 2^k)."""
        ...


def new_trace_id(bits: Bits, *, epoch_s: float | None = None) -> str:
    """epoch_s: for X-Ray, which finds a trace by the time that its id begins with."""
    if epoch_s is None:
        return f"{bits.getrandbits(_TRACE_BITS) or 1:032x}"
    seconds = int(epoch_s) % (1 << _EPOCH_BITS)
    return f"{seconds:08x}{bits.getrandbits(_TRACE_BITS - _EPOCH_BITS) or 1:024x}"


def new_span_id(bits: Bits) -> str:
    return f"{bits.getrandbits(_SPAN_BITS) or 1:016x}"


def is_chosen(trace_id: str, ratio: float) -> bool:
    """Whether a trace is of the share that is sampled: the same answer from whoever is asked.

    By the lower half of the id, as OpenTelemetry's TraceIdRatioBased does; the upper half may be
    a time.
    """
    return int(trace_id[16:], 16) < round(ratio * (1 << _SPAN_BITS))
