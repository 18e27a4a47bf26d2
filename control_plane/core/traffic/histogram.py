"""A histogram with fixed bounds, for a whole life: what Prometheus makes rates and quantiles of."""

from __future__ import annotations

from bisect import bisect_left
from dataclasses import dataclass

LATENCY_BOUNDS_S = (
    *(0.001, 0.002, 0.003, 0.005, 0.0075),
    *(0.01, 0.015, 0.025, 0.05, 0.075),
    *(0.1, 0.15, 0.25, 0.5, 0.75),
    *(1.0, 1.5, 2.5, 5.0, 10.0),
)
"""A quick model takes a millisecond or two; an engine's whole part of a request, some seconds."""

CONFIDENCE_BOUNDS = tuple(tenth / 10 for tenth in range(1, 11))


def bucket_of_confidence(confidence: float) -> int:
    """Which bucket of ``CONFIDENCE_BOUNDS`` it lies in."""
    return bisect_left(CONFIDENCE_BOUNDS, confidence)


@dataclass(frozen=True, slots=True)
class Distribution:
    """A histogram at one moment.

    counts: of each bucket by itself, the last one's being what is above all bounds.
    total: the sum of all values.
    """

    bounds: tuple[float, ...]
    counts: tuple[int, ...]
    total: float


class Histogram:
    """Counts values. A bucket holds what is above the bound before it and not above its own."""

    __slots__ = ("_bounds", "_counts", "_total")

    def __init__(self, bounds: tuple[float, ...]) -> None:
        self._bounds = bounds
        self._counts = [0] * (len(bounds) + 1)
        self._total = 0.0

    def add(self, value: float) -> None:
        self._counts[bisect_left(self._bounds, value)] += 1
        self._total += value

    def read(self) -> Distribution:
        return Distribution(self._bounds, tuple(self._counts), self._total)
