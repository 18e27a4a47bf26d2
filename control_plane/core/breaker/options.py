"""The numbers of a breaker, and what each is for. They are checked here and nowhere else.

The defaults are those of a small fleet. Envoy's outlier detection (its default of 5
consecutive faults is taken over) compares a host with its neighbours for the rest, and needs
at least five hosts for that; a Triton fleet often has two. So every rule here judges an
instance by itself: by its run of faults, by its failure ratio (Polly v8) and by its share
of slow calls (resilience4j).
"""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class BreakerOptions:
    """When a breaker trips, how long it stays open, and what proof closes it.

    consecutive_failures: this many failures in a row trip it, whatever the ratio.
    failure_ratio: this share of failures in the window trips it, at min_calls or more.
    slow_ratio: this share of slow calls in the window trips it, at min_calls or more.
    min_calls: fewer calls than this in the window say nothing about a ratio.
    slow_call_s: a call that takes longer is slow, whether it failed or not; None: none is.
    window_s, window_buckets: how far back the ratios look, and in how many slices.
    first_open_s, longest_open_s: the open time before jitter; it doubles between the two.
    max_probes: probes out at the same time while half open.
    probes_to_close: good probes that close it.
    reset_after_s: closed for this long, the open time starts anew at first_open_s.

    Raises ValueError for numbers that make no breaker.
    """

    consecutive_failures: int = 5
    failure_ratio: float = 0.5
    slow_ratio: float = 0.8
    min_calls: int = 20
    slow_call_s: float | None = None
    window_s: float = 10.0
    window_buckets: int = 10
    first_open_s: float = 1.0
    longest_open_s: float = 60.0
    max_probes: int = 2
    probes_to_close: int = 3
    reset_after_s: float = 60.0

    def __post_init__(self) -> None:
        for name in (
            "consecutive_failures",
            "min_calls",
            "window_buckets",
            "max_probes",
            "probes_to_close",
        ):
            _require(getattr(self, name) >= 1, name, "must be at least 1")
        for name in ("failure_ratio", "slow_ratio"):
            _require(0 < getattr(self, name) <= 1, name, "must be over 0 and at most 1")
        for name in ("window_s", "first_open_s"):
            _require(getattr(self, name) > 0, name, "must be over 0")
        _require(
            self.slow_call_s is None or self.slow_call_s > 0,
            "slow_call_s",
            "must be over 0 or None",
        )
        _require(
            self.longest_open_s >= self.first_open_s,
            "longest_open_s",
            "must be at least first_open_s",
        )
        _require(self.reset_after_s >= 0, "reset_after_s", "must not be negative")

    @property
    def bucket_s(self) -> float:
        """The width of one slice of the window."""
        return self.window_s / self.window_buckets


def _require(is_met: bool, name: str, what: str) -> None:
    if not is_met:
        raise ValueError(f"{name} {what}")
