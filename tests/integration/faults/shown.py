"""What a scenario has shown: figures, each with the bound that was promised.

The bounds are kept with the scenarios, so that the tests and the benchmark hold the product
to the same ones.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass

from tests.integration.faults.load import Outcome, quantile


@dataclass(frozen=True, slots=True)
class Figure:
    """One measured value. at_most, at_least: what was promised of it; None for nothing.

    busy_at_most: what a test holds it to instead, on a machine that does other things too.
        Only for latencies that such a machine adds to, before and after the fault alike.
    """

    name: str
    value: float
    unit: str = ""
    at_most: float | None = None
    at_least: float | None = None
    busy_at_most: float | None = None

    def is_kept(self, *, is_busy: bool = False) -> bool:
        """Whether it is within its bounds; what is not a number never is, if it has any."""
        at_most = self.busy_at_most if is_busy and self.busy_at_most is not None else self.at_most
        return (at_most is None or self.value <= at_most) and (
            self.at_least is None or self.value >= self.at_least
        )

    @property
    def bound(self) -> str:
        if self.at_most is not None:
            return f"at most {_short(self.at_most)}{self._unit}"
        return "" if self.at_least is None else f"at least {_short(self.at_least)}{self._unit}"

    @property
    def _unit(self) -> str:
        return f" {self.unit}" if self.unit else ""

    def __str__(self) -> str:
        return f"{self.name} {_short(self.value)}{self._unit}"


@dataclass(frozen=True, slots=True)
class Shown:
    """fault: what was done to the fleet. failures: what callers were told, and how often."""

    fault: str
    figures: tuple[Figure, ...]
    failures: Counter[str]

    def broken(self, *, is_busy: bool = False) -> list[str]:
        """The promises that were not kept, for a person."""
        told = f"; callers were told {dict(self.failures)}" if self.failures else ""
        return [
            f"{self.fault}: {figure}, promised {figure.bound}{told}"
            for figure in self.figures
            if not figure.is_kept(is_busy=is_busy)
        ]


def _short(value: float) -> str:
    """Three digits, or all of a number that has more before its point."""
    return f"{value:.0f}" if value >= 100 else f"{value:.3g}"


def callers(outcome: Outcome, *, failed_at_most: int | None = 0) -> tuple[Figure, ...]:
    """How callers fared: requests, failures, latencies."""
    latencies_s = outcome.latencies_s
    return (
        Figure("asked", outcome.asked),
        Figure("failed", len(outcome.errors), at_most=failed_at_most),
        Figure("p50", 1000 * quantile(latencies_s, 0.5), "ms"),
        Figure("p99", 1000 * quantile(latencies_s, 0.99), "ms"),
    )
