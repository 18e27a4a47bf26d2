"""What was seen of a rollout, as integers. They add up, and nothing else is ever kept.

All evidence is computed from these sums, never carried along as a running product: so the
counts of several control planes merge exactly, in any order, and a new leader that reads them
from the store comes to the same judgement as the old one.

What is counted is a **unit**: the first request of a routing key in a step (``tally``). Units
of one step fall into strata by what their arm was known to be before (``seen_weight_bp``),
because in each stratum the split has another share, and that share is what the tests bet on.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from enum import StrEnum

BUCKETS = 20
"""Confidences are counted in this many equal buckets of [0, 1]."""

ALL_BP = 10_000


class Arm(StrEnum):
    """Where the split sent a unit; it stays so if another release answered in the end."""

    STABLE = "stable"
    CANARY = "canary"


@dataclass(frozen=True, slots=True)
class ArmCounts:
    """The units of one arm.

    units: all of them, failed ones too.
    errors: those that failed, even if a retry or the fallback saved the answer.
    slow: those slower than stable's p95 from before the step, failed or not.
    confidences: how many had a confidence in each bucket; their sum may be less than units.

    Raises ValueError for counts that cannot be.
    """

    units: int = 0
    errors: int = 0
    slow: int = 0
    confidences: tuple[int, ...] = (0,) * BUCKETS

    def __post_init__(self) -> None:
        if len(self.confidences) != BUCKETS:
            raise ValueError(f"confidences must have {BUCKETS} buckets")
        parts = (self.errors, self.slow, sum(self.confidences))
        if min(self.units, *parts, *self.confidences) < 0 or max(parts) > self.units:
            raise ValueError("counts must not be negative, and no part more than units")

    def __add__(self, other: ArmCounts) -> ArmCounts:
        return ArmCounts(
            self.units + other.units,
            self.errors + other.errors,
            self.slow + other.slow,
            tuple(a + b for a, b in zip(self.confidences, other.confidences, strict=True)),
        )

    @property
    def with_confidence(self) -> int:
        """How many units had a confidence."""
        return sum(self.confidences)

    @property
    def mean_confidence(self) -> float | None:
        """The mean of the buckets' middles; None if no unit had a confidence."""
        count = self.with_confidence
        total = sum(number * middle_of(b) for b, number in enumerate(self.confidences))
        return total / count if count else None


@dataclass(frozen=True, slots=True)
class Step:
    """What was fixed before the units of a step came, and so may be bet on.

    number: 1 for the rollout's first step.
    weight_bp: the canary's weight in this step, in basis points.
    confidence_centre: stable's mean confidence, measured before the step. It only sharpens
        the test; any value fixed before the step keeps the guarantee.

    Raises ValueError for a step that compares nothing.
    """

    number: int
    weight_bp: int
    confidence_centre: float = 0.5

    def __post_init__(self) -> None:
        if self.number < 1:
            raise ValueError("number must be at least 1")
        if not 0 < self.weight_bp < ALL_BP:
            raise ValueError(f"weight_bp must be over 0 and below {ALL_BP}")
        if not 0.0 <= self.confidence_centre <= 1.0:
            raise ValueError("confidence_centre must be in 0..1")


@dataclass(frozen=True, slots=True)
class StepCounts:
    """The units of one step and one stratum.

    seen_weight_bp: the greatest weight under which these units' keys had been seen in stable
        before; 0: never seen. A key that 500 bp left in stable is in the top 2,500 bp with
        chance 2000/9500, not 2500/10000, for the split is sticky.

    Raises ValueError for a stratum whose arm was known.
    """

    step: Step
    seen_weight_bp: int = 0
    stable: ArmCounts = ArmCounts()
    canary: ArmCounts = ArmCounts()

    def __post_init__(self) -> None:
        if not 0 <= self.seen_weight_bp < self.step.weight_bp:
            raise ValueError("seen_weight_bp must be at least 0 and below the step's weight_bp")

    @property
    def canary_share(self) -> float:
        """The chance that a unit of this stratum falls to the canary, given what was known."""
        return (self.step.weight_bp - self.seen_weight_bp) / (ALL_BP - self.seen_weight_bp)


def merge(counts: Iterable[StepCounts]) -> tuple[StepCounts, ...]:
    """The sums by step and stratum, in their order, whatever the order of the parts.

    Counts of one number whose weight or centre differ stay apart: each has its own share.
    """
    merged: dict[tuple[int, int, float, int], StepCounts] = {}
    for part in counts:
        step = part.step
        key = (step.number, step.weight_bp, step.confidence_centre, part.seen_weight_bp)
        known = merged.get(key, replace(part, stable=ArmCounts(), canary=ArmCounts()))
        merged[key] = replace(
            known, stable=known.stable + part.stable, canary=known.canary + part.canary
        )
    return tuple(merged[key] for key in sorted(merged))


def bucket_of(confidence: float) -> int:
    """The bucket of a confidence in [0, 1]. Raises ValueError outside of it, and for NaN."""
    if not 0.0 <= confidence <= 1.0:
        raise ValueError("a confidence must be in 0..1")
    return min(int(confidence * BUCKETS), BUCKETS - 1)


def middle_of(bucket: int) -> float:
    """The confidence that a bucket stands for."""
    return (bucket + 0.5) / BUCKETS
