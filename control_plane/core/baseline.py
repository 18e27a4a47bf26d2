"""How a release has been doing lately: what a rollout's step is measured by, from before it.

Latencies are counted in buckets whose edges grow by a twentieth, so that a percentile is off by
no more than that, and that it takes as much memory for a thousand requests a second as for one.
Time goes by in slices; what is older than the window is forgotten a slice at a time.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from math import ceil, log

GROWTH = 1.05
LEAST_S = 1e-4
"""What is faster is counted in the lowest bucket."""

LONGEST_S = 3600.0

_LOG_GROWTH = log(GROWTH)


@dataclass(frozen=True, slots=True)
class Baseline:
    """samples: of the latency. p95_s, confidence_mean: None where nothing was seen."""

    samples: int = 0
    p95_s: float | None = None
    confidence_mean: float | None = None


@dataclass(slots=True)
class _Slice:
    latencies: Counter[int] = field(default_factory=Counter)
    confidences: int = 0
    confidence_sum: float = 0.0


class RollingBaseline:
    """The last ``window_s`` of one release of an engine. O(1) for what is added.

    confidences_per_s: how many are asked for at most, for each must be read from an answer.
    """

    def __init__(
        self, *, window_s: float = 600.0, slice_s: float = 10.0, confidences_per_s: float = 10.0
    ) -> None:
        self._kept = ceil(window_s / slice_s)
        self._slice_s = slice_s
        self._pause_s = 1 / confidences_per_s
        self._next_confidence_s = float("-inf")
        self._slices: dict[int, _Slice] = {}

    def add_latency(self, latency_s: float, now_s: float) -> None:
        self._now(now_s).latencies[_bucket(latency_s)] += 1

    def wants_confidence(self, now_s: float) -> bool:
        """Whether another confidence is welcome; True is taken for a promise to bring it."""
        if now_s < self._next_confidence_s:
            return False
        self._next_confidence_s = now_s + self._pause_s
        return True

    def add_confidence(self, confidence: float, now_s: float) -> None:
        current = self._now(now_s)
        current.confidences += 1
        current.confidence_sum += confidence

    def read(self, now_s: float) -> Baseline:
        self._forget(now_s)
        latencies: Counter[int] = Counter()
        for one in self._slices.values():
            latencies.update(one.latencies)
        count = sum(one.confidences for one in self._slices.values())
        total = sum(one.confidence_sum for one in self._slices.values())
        return Baseline(
            samples=latencies.total(),
            p95_s=_percentile(latencies, 0.95),
            confidence_mean=total / count if count else None,
        )

    def _now(self, now_s: float) -> _Slice:
        number = int(now_s // self._slice_s)
        current = self._slices.get(number)
        if current is None:
            self._forget(now_s)
            current = self._slices[number] = _Slice()
        return current

    def _forget(self, now_s: float) -> None:
        oldest = int(now_s // self._slice_s) - self._kept
        for number in [number for number in self._slices if number <= oldest]:
            del self._slices[number]


def _bucket(latency_s: float) -> int:
    within_s = min(max(latency_s, LEAST_S), LONGEST_S)
    return int(log(within_s / LEAST_S) / _LOG_GROWTH)


def _percentile(latencies: Counter[int], share: float) -> float | None:
    """The upper edge of the bucket in which it lies; None if there is nothing."""
    least = ceil(latencies.total() * share)
    seen = 0
    for bucket in sorted(latencies):
        seen += latencies[bucket]
        if seen >= least:
            return float(LEAST_S * GROWTH ** (bucket + 1))
    return None
