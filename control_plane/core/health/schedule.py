"""When an engine on an instance is to be probed next, and how hard.

A probe is a real inference and costs what one costs, so where all is well one comes every
``interval_s``. Where there is doubt it comes after ``doubt_s``, and not as one inference but
as a row of them: of a model that runs in two processes one may be dead, and single probes
would find the other one every second time.

Doubt is a probe that was not answered rightly, a breaker that is not closed, or a request that
failed since the last probe began. Requests can fail for reasons of their own; so when a row of
probes finds nothing, the next doubt waits twice as long, up to the interval. A slow or
busy probe is no doubt: where there is too much to do already, more probes would not help.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf

from control_plane.core.health.looks import ProbeResult


@dataclass(frozen=True, slots=True)
class ProbeOptions:
    """interval_s: between probes where all is well. doubt_s: where it may not be, at first.

    row: inferences in a probe that settles a doubt.
    """

    interval_s: float = 10.0
    doubt_s: float = 1.0
    row: int = 6

    def __post_init__(self) -> None:
        if not 0.0 < self.doubt_s <= self.interval_s:
            raise ValueError("0 < doubt_s <= interval_s must hold")
        if self.row < 1:
            raise ValueError("row must be at least 1")


class ProbeSchedule:
    """The probes of one engine on one instance. Every time is in seconds on one clock."""

    __slots__ = ("_ended_s", "_needless_rows", "_options", "_result", "_started_s")

    def __init__(self, options: ProbeOptions) -> None:
        self._options = options
        self._started_s = -inf
        self._ended_s = -inf
        self._result: ProbeResult | None = None
        self._needless_rows = 0

    def is_doubted(self, *, failed_at_s: float, is_breaker_open: bool) -> bool:
        """failed_at_s: when a request to the engine last failed there, -inf if none did."""
        has_bad_probe = self._result is not None and self._result.is_fault
        return has_bad_probe or is_breaker_open or failed_at_s >= self._started_s > -inf

    def due_s(self, *, is_doubted: bool) -> float:
        """When the next one is due; at once when there was none."""
        wait_s = self._options.interval_s
        if is_doubted:
            wait_s = min(wait_s, self._options.doubt_s * 2.0**self._needless_rows)
        return self._ended_s + wait_s

    def inferences(self, *, is_doubted: bool) -> int:
        """How many the next one is made of."""
        return self._options.row if is_doubted else 1

    def ran(
        self, result: ProbeResult, *, is_doubted: bool, started_s: float, ended_s: float
    ) -> None:
        """Take in one probe, and whether it was made in doubt."""
        self._started_s, self._ended_s, self._result = started_s, ended_s, result
        if not is_doubted or result.is_fault:
            self._needless_rows = 0
        elif self._options.doubt_s * 2.0**self._needless_rows < self._options.interval_s:
            self._needless_rows += 1
