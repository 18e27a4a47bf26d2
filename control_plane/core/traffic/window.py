"""The last quarter of an hour, in slots of a few seconds: what a summary for people is made of.

    slot    │ 41 │ 42 │ 43 │ … │ 220 │   a ring: slot n lies at n modulo the ring's length, and
                              now ──┘     what lies there of an older round is overwritten

Each slot counts latencies in buckets whose edges grow by a twelfth of an octave, the same in
every window: what two windows counted, of two releases or in two processes, is merged by adding,
and a percentile of the merged is as good as of one, off by 6 % at most. A span of a minute is made
of whole slots and of the one that is not over yet, and rates are by the time that these cover.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise
from math import ceil, log2

from control_plane.core.traffic.histogram import (
    CONFIDENCE_BOUNDS,
    Distribution,
    bucket_of_confidence,
)

SLOT_S = 5.0
SPANS_S = (60, 300, 900)
_LENGTHS = tuple(round(span_s / SLOT_S) for span_s in SPANS_S)
SLOTS = _LENGTHS[-1]

LEAST_S = 1e-4
"""What is quicker counts as that."""

PER_OCTAVE = 12
BUCKETS = 20 * PER_OCTAVE
"""From 0.1 ms to 100 s; what takes longer counts as that."""


@dataclass(slots=True)
class Counted:
    """What was counted; two of them add up.

    errors: what the fleet or Tidegate failed at, the shed among them.
    latencies: how many requests in each bucket (``bucket_of``).
    sureness: how many confidences in each bucket of ``CONFIDENCE_BOUNDS``.
    """

    requests: int = 0
    errors: int = 0
    shed: int = 0
    confidences: int = 0
    confidence_sum: float = 0.0
    latencies: dict[int, int] = field(default_factory=dict)
    sureness: dict[int, int] = field(default_factory=dict)

    def add_confidence(self, confidence: float) -> None:
        self.confidences += 1
        self.confidence_sum += confidence
        bucket = bucket_of_confidence(confidence)
        self.sureness[bucket] = self.sureness.get(bucket, 0) + 1

    def merge(self, other: Counted) -> None:
        self.requests += other.requests
        self.errors += other.errors
        self.shed += other.shed
        _add(self.latencies, other.latencies)
        self.merge_confidences(other)

    def merge_confidences(self, other: Counted) -> None:
        self.confidences += other.confidences
        self.confidence_sum += other.confidence_sum
        _add(self.sureness, other.sureness)

    def figures(self, covered_s: float) -> Figures:
        """covered_s: the time in which it was counted."""
        p50, p90, p95, p99 = self.percentiles_ms(0.5, 0.9, 0.95, 0.99)
        return Figures(
            requests=self.requests,
            rate_per_s=self.requests / covered_s if covered_s > 0 else 0.0,
            errors=self.errors,
            shed=self.shed,
            p50_ms=p50,
            p90_ms=p90,
            p95_ms=p95,
            p99_ms=p99,
            confidence_mean=self.confidence_sum / self.confidences if self.confidences else None,
        )

    def confidence_distribution(self) -> Distribution:
        counts = tuple(self.sureness.get(bucket, 0) for bucket in range(len(CONFIDENCE_BOUNDS) + 1))
        return Distribution(CONFIDENCE_BOUNDS, counts, self.confidence_sum)

    def percentiles_ms(self, *shares: float) -> tuple[float | None, ...]:
        """The upper edges of the buckets in which they lie; None if there is nothing.

        shares: in rising order.
        """
        whole, seen = sum(self.latencies.values()), 0
        found: list[float] = []
        wanted = [ceil(whole * share) for share in shares] if whole else []
        for bucket in sorted(self.latencies):
            seen += self.latencies[bucket]
            while len(found) < len(wanted) and seen >= wanted[len(found)]:
                found.append(1000.0 * edge_s(bucket))
        return tuple(found) if whole else (None,) * len(shares)


Slots = Mapping[int, Counted]
"""What was counted, by the slot's number: the moment that it began, in ``SLOT_S``."""


@dataclass(frozen=True, slots=True)
class Figures:
    """What one span came to.

    p50_ms …: of the requests that were let in, without those that the caller called off or got
        wrong. confidence_mean: of the answers that were looked at. None where there was nothing.
    """

    requests: int
    rate_per_s: float
    errors: int
    shed: int
    p50_ms: float | None
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    confidence_mean: float | None


@dataclass(slots=True)
class _Slot:
    number: int
    counted: Counted = field(default_factory=Counted)


class Window:
    """Counts over the last ``SPANS_S[-1]`` seconds. O(1) for what is added, bounded in memory."""

    __slots__ = ("_slots",)

    def __init__(self) -> None:
        self._slots: list[_Slot | None] = [None] * SLOTS

    def add(
        self, now_s: float, latency_s: float | None, *, is_error: bool, is_shed: bool = False
    ) -> None:
        """Counts a request. latency_s: None where it says nothing."""
        counted = self._now(now_s)
        counted.requests += 1
        counted.errors += is_error
        counted.shed += is_shed
        if latency_s is not None:
            latencies, bucket = counted.latencies, bucket_of(latency_s)
            latencies[bucket] = latencies.get(bucket, 0) + 1

    def add_confidence(self, now_s: float, confidence: float) -> None:
        self._now(now_s).add_confidence(confidence)

    def slots(self, now_s: float) -> dict[int, Counted]:
        """What is not too old, by the slot's number. It is counted on in the last one."""
        last = int(now_s // SLOT_S)
        return {
            slot.number: slot.counted
            for slot in self._slots
            if slot is not None and 0 <= last - slot.number < SLOTS
        }

    def _now(self, now_s: float) -> Counted:
        number = int(now_s // SLOT_S)
        slot = self._slots[number % SLOTS]
        if slot is None or slot.number != number:
            slot = self._slots[number % SLOTS] = _Slot(number)
        return slot.counted


def _add(to: dict[int, int], more: dict[int, int]) -> None:
    for bucket, count in more.items():
        to[bucket] = to.get(bucket, 0) + count


def spans(slots: Slots, now_s: float) -> tuple[Counted, ...]:
    """All that was counted in each of ``SPANS_S`` until now."""
    last = int(now_s // SLOT_S)
    found = tuple(Counted() for _ in SPANS_S)
    for number, counted in slots.items():
        age = last - number
        if 0 <= age < SLOTS:
            # The shortest that it is in; the longer ones have the shorter ones in them.
            found[bisect_right(_LENGTHS, age)].merge(counted)
    for shorter, longer in pairwise(found):
        longer.merge(shorter)
    return found


def covered_s(span_s: float, now_s: float, began_s: float) -> float:
    """How much of the time the slots of a span cover. began_s: when the counting began."""
    first = int(now_s // SLOT_S) - round(span_s / SLOT_S) + 1
    return now_s - max(first * SLOT_S, began_s)


def bucket_of(latency_s: float) -> int:
    if latency_s <= LEAST_S:
        return 0
    return min(int(log2(latency_s / LEAST_S) * PER_OCTAVE), BUCKETS - 1)


def edge_s(bucket: int) -> float:
    """A bucket's upper edge."""
    return float(LEAST_S * 2 ** ((bucket + 1) / PER_OCTAVE))
