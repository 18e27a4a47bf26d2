"""The numbers of the analysis, and what each is for. They are checked here and nowhere else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum


class Metric(StrEnum):
    """What is compared between the arms."""

    ERRORS = "errors"
    LATENCY = "latency"
    CONFIDENCE = "confidence"
    SAMPLE_RATIO = "sample_ratio"


# Errors hurt callers at once and are rare, so their test needs the most; the others see an
# event in every twentieth unit or in every one, and pay for a small share with few units.
DEFAULT_SHARES: Mapping[Metric, float] = {
    Metric.ERRORS: 0.75,
    Metric.LATENCY: 0.10,
    Metric.CONFIDENCE: 0.10,
    Metric.SAMPLE_RATIO: 0.05,
}


@dataclass(frozen=True, slots=True)
class Margin:
    """How much worse is still as good: the wider of an absolute and a relative margin.

    absolute: in probability; 0.01 is one percentage point.
    ratio: of stable's probability.

    With stable at p, the canary is inferior from ``inferior_from(p)`` on. The absolute margin
    is what makes "not worse" reachable where both hardly ever fail: half as much again as
    nothing is nothing, and no number of requests proves a probability below that.

    Raises ValueError for numbers that make no margin.
    """

    absolute: float = 0.01
    ratio: float = 1.5

    def __post_init__(self) -> None:
        if not 0 < self.absolute < 0.5:
            raise ValueError("absolute must be over 0 and below 0.5")
        if not 1 < self.ratio <= 2:
            raise ValueError("ratio must be over 1 and at most 2")

    def inferior_from(self, stable: float) -> float:
        """The least probability of the canary that is worse by the margin; may exceed 1."""
        return max(stable + self.absolute, stable * self.ratio)


@dataclass(frozen=True, slots=True)
class AnalysisOptions:
    """How sure a judgement must be, and of what.

    alpha: the chance that a rollout whose canary is no worse in anything is ever judged worse
        (or its split broken); also the chance that one that is worse by a margin is ever
        judged not worse.
    alpha_shares: how alpha is split over the metrics' alarms; a metric without a share, or
        with 0, is not judged at all. Errors must have one, so that "not worse" never means
        that nothing was asked; latency must have none where stable's p95 is not known.
    tolerated_error_ratio, tolerated_slow_ratio: the canary is worse only where its
        probability is more than so many times stable's. Slow answers get some room, because a
        canary with a small share is batched differently, healthy or not.
    error_margin, slow_margin: what "not worse" must exclude.
    confidence_tolerance: a mean confidence that moved by more than this, up or down, is worse.
    confidence_margin: "not worse" must exclude that it moved by this much.
    least_units: each arm must have so many in the current step before "not worse" is said.

    Raises ValueError for numbers that make no analysis.
    """

    alpha: float = 0.01
    alpha_shares: Mapping[Metric, float] = field(default_factory=lambda: DEFAULT_SHARES)
    tolerated_error_ratio: float = 1.0
    tolerated_slow_ratio: float = 1.25
    error_margin: Margin = Margin()
    slow_margin: Margin = Margin()
    confidence_tolerance: float = 0.03
    confidence_margin: float = 0.1
    least_units: int = 50

    def __post_init__(self) -> None:
        shares = self.alpha_shares.values()
        _require(0 < self.alpha <= 0.2, "alpha", "must be over 0 and at most 0.2")
        _require(min(shares, default=0) >= 0, "alpha_shares", "must not be negative")
        # A hair over 1 is what 0.1 ten times adds up to.
        _require(sum(shares) <= 1 + 1e-9, "alpha_shares", "must sum to at most 1")
        is_asked = self.alpha_shares.get(Metric.ERRORS, 0) > 0
        _require(is_asked, "alpha_shares", "must give errors a share")
        for name in ("tolerated_error_ratio", "tolerated_slow_ratio"):
            _require(getattr(self, name) >= 1, name, "must be at least 1")
        _require(
            0 <= self.confidence_tolerance < self.confidence_margin <= 0.5,
            "confidence_margin",
            "must be over confidence_tolerance and at most 0.5",
        )
        _require(self.least_units >= 1, "least_units", "must be at least 1")


def _require(is_met: bool, name: str, what: str) -> None:
    if not is_met:
        raise ValueError(f"{name} {what}")
