"""Exact expectations: every possible outcome of a few units, with its probability."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from itertools import product
from math import exp, prod

from control_plane.core.analysis import BUCKETS, ArmCounts, Step, StepCounts

Law = dict[tuple[str, ArmCounts], float]
"""The chance of each (arm, what one unit of it adds)."""

GOOD = ArmCounts(1)
FAILED = ArmCounts(1, errors=1)
SLOW = ArmCounts(1, slow=1)


def sure_of(bucket: int) -> ArmCounts:
    return ArmCounts(1, confidences=tuple(int(b == bucket) for b in range(BUCKETS)))


def events(share: float, stable: float, canary: float, event: ArmCounts = FAILED) -> Law:
    """One unit: the canary's with this share, and with an event with its arm's probability."""
    return {
        ("stable", GOOD): (1 - share) * (1 - stable),
        ("stable", event): (1 - share) * stable,
        ("canary", GOOD): share * (1 - canary),
        ("canary", event): share * canary,
    }


def paths(law: Law, units: int) -> Iterator[tuple[list[StepCounts], float]]:
    """Every sequence of units, as the counts after each of them; and its chance.

    The counts carry a weight of 2,000 bp: the law's share must be 0.2.
    """
    for sequence in product(law, repeat=units):
        counts, so_far = [], StepCounts(Step(1, 2_000))
        for arm, unit in sequence:
            so_far = add(so_far, arm, unit)
            counts.append(so_far)
        yield counts, prod(law[unit] for unit in sequence)


def add(counts: StepCounts, arm: str, unit: ArmCounts) -> StepCounts:
    stable, canary = counts.stable, counts.canary
    if arm == "stable":
        stable += unit
    else:
        canary += unit
    return StepCounts(counts.step, counts.seen_weight_bp, stable, canary)


def expected_e(law: Law, units: int, log_e: Callable[[StepCounts], float]) -> float:
    """The expectation of the e-value after so many units."""
    return sum(chance * exp(log_e(counts[-1])) for counts, chance in paths(law, units))


def expected_when_stopped(
    law: Law, units: int, log_e: Callable[[StepCounts], float], at: float
) -> float:
    """The same for who stops as soon as the e-value is high enough: the greediest look."""
    expected = 0.0
    for counts, chance in paths(law, units):
        values = [exp(log_e(part)) for part in counts]
        expected += chance * next((value for value in values if value >= at), values[-1])
    return expected
