"""What was seen in the last seconds: calls, failures and slow calls in a sliding window.

Time is cut into buckets of equal width, and the window is the newest few of them. Recording
is O(1), and memory is bounded by the number of buckets, however many calls there are. The
price is grain: with ten buckets of a second each, the window reaches back between nine and
ten seconds. The design is that of resilience4j's ``SlidingTimeWindowMetrics`` and of
Polly v8's ``RollingHealthMetrics``.

It counts and judges nothing: what is too much is the trip rule's question.
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Counts:
    """Calls that ended within a window, and how many of them failed or were slow."""

    calls: int = 0
    failures: int = 0
    slow: int = 0

    @property
    def failure_ratio(self) -> float:
        """0 without calls."""
        return self.failures / self.calls if self.calls else 0.0

    @property
    def slow_ratio(self) -> float:
        """0 without calls."""
        return self.slow / self.calls if self.calls else 0.0


@dataclass(slots=True)
class _Bucket:
    """One slice of time. number: how many widths after time zero it begins."""

    number: int
    calls: int = 0
    failures: int = 0
    slow: int = 0


class Window:
    """Counts over the newest ``buckets`` slices of ``bucket_s`` seconds."""

    __slots__ = ("_bucket_s", "_buckets", "_live")

    def __init__(self, bucket_s: float = 1.0, buckets: int = 10) -> None:
        self._bucket_s = bucket_s
        self._buckets = buckets
        # Oldest first, and only slices in which something was recorded.
        self._live: list[_Bucket] = []

    def record(self, now_s: float, *, is_failure: bool = False, is_slow: bool = False) -> None:
        """Count one call that ended now. A time before the newest bucket counts in that."""
        number = self._number(now_s)
        live = self._live
        if not live or live[-1].number < number:
            self._live = live = [old for old in live if old.number > number - self._buckets]
            live.append(_Bucket(number))
        newest = live[-1]
        newest.calls += 1
        newest.failures += is_failure
        newest.slow += is_slow

    def counts(self, now_s: float) -> Counts:
        """What the window holds at this time. A look: it forgets nothing."""
        oldest = self._number(now_s) - self._buckets + 1
        calls = failures = slow = 0
        for bucket in self._live:
            if bucket.number >= oldest:
                calls += bucket.calls
                failures += bucket.failures
                slow += bucket.slow
        return Counts(calls, failures, slow)

    def clear(self) -> None:
        """Forget everything."""
        self._live = []

    def _number(self, now_s: float) -> int:
        return int(now_s // self._bucket_s)
