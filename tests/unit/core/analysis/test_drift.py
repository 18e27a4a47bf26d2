"""The test of means: exact for whatever has the same mean, and both ways."""

from __future__ import annotations

from collections.abc import Callable
from math import log

import pytest

from control_plane.core.analysis import ArmCounts, Step, StepCounts
from control_plane.core.analysis.drift import (
    FRACTION_WEIGHTS,
    FRACTIONS,
    MOVED_WEIGHTS,
    moved_scores,
    not_dropped_scores,
    not_risen_scores,
)
from control_plane.core.analysis.evidence import log_mixture
from tests.unit.core.analysis.laws import (
    GOOD,
    Law,
    expected_e,
    expected_when_stopped,
    sure_of,
)

UNITS = 5
SHARE = 0.2


def confidences(stable: dict[int, float], canary: dict[int, float]) -> Law:
    """One unit of the canary with its share, and each arm's chances of its buckets."""
    law = {("stable", sure_of(b)): (1 - SHARE) * chance for b, chance in stable.items()}
    return law | {("canary", sure_of(b)): SHARE * chance for b, chance in canary.items()}


def log_moved(counts: StepCounts, tolerance: float = 0.05) -> float:
    return log_mixture(moved_scores(counts, tolerance), MOVED_WEIGHTS)


def log_not_dropped(counts: StepCounts) -> float:
    return log_mixture(not_dropped_scores(counts, 0.05), FRACTION_WEIGHTS)


def log_not_risen(counts: StepCounts) -> float:
    return log_mixture(not_risen_scores(counts, 0.05), FRACTION_WEIGHTS)


def test_the_stakes_are_no_more_than_there_is() -> None:
    assert sum(FRACTION_WEIGHTS) == pytest.approx(1)
    assert sum(MOVED_WEIGHTS) == pytest.approx(1)
    assert len(MOVED_WEIGHTS) == 2 * len(FRACTIONS)
    assert max(FRACTIONS) < 1


def test_the_same_confidences_are_expected_to_lose() -> None:
    same = {2: 0.3, 10: 0.7}
    assert expected_e(confidences(same, same), UNITS, log_moved) < 1
    assert expected_e(confidences(same, same), UNITS, lambda c: log_moved(c, 0.0)) == pytest.approx(
        1
    )


@pytest.mark.parametrize("stable_bucket", [0, 9, 18])
def test_a_move_within_the_tolerance_is_no_evidence(stable_bucket: int) -> None:
    # One bucket is 0.05, all of the tolerance; the spread of the other arm does not matter.
    for law in (
        confidences({stable_bucket: 1.0}, {stable_bucket + 1: 1.0}),
        confidences({stable_bucket + 1: 1.0}, {stable_bucket: 1.0}),
    ):
        assert expected_e(law, UNITS, log_moved) <= 1 + 1e-12
        assert expected_when_stopped(law, UNITS, log_moved, at=1.02) <= 1 + 1e-12


@pytest.mark.parametrize("canary_bucket", [2, 18])
def test_a_move_beyond_the_tolerance_is_found_both_ways(canary_bucket: int) -> None:
    law = confidences({10: 1.0}, {canary_bucket: 1.0})
    assert expected_e(law, UNITS, log_moved) > 1.01


@pytest.mark.parametrize(
    ("log_moved_e", "log_other_e", "canary_bucket"),
    [(log_not_dropped, log_not_risen, 9), (log_not_risen, log_not_dropped, 11)],
)
def test_a_move_by_the_margin_is_not_expected_to_look_like_none(
    log_moved_e: Callable[[StepCounts], float],
    log_other_e: Callable[[StepCounts], float],
    canary_bucket: int,
) -> None:
    law = confidences({10: 1.0}, {canary_bucket: 1.0})
    assert expected_e(law, UNITS, log_moved_e) == pytest.approx(1)
    assert expected_e(law, UNITS, log_other_e) > 1.01


def test_units_without_a_confidence_bet_nothing() -> None:
    counts = StepCounts(Step(1, 2_000), 0, GOOD, GOOD)
    assert set(moved_scores(counts, 0.05)) == {0.0}


def test_one_unit_is_worth_what_the_formula_says() -> None:
    one = StepCounts(Step(1, 2_000, confidence_centre=0.7), 0, canary=sure_of(0))
    # A canary's unit at 0.025, share 0.2: (1 - s)(c - x) - s (1 - s) tolerance; the worst that
    # could be is all of c against it.
    payoff, worst = 0.8 * 0.675 - 0.16 * 0.05, 0.7 * 0.8 + 0.16 * 0.05
    expected = [log(1 + fraction * payoff / worst) for fraction in FRACTIONS]
    assert moved_scores(one, 0.05)[: len(FRACTIONS)] == pytest.approx(expected)


def test_the_extremes_leave_every_wealth_positive() -> None:
    for centre in (0.0, 0.5, 1.0):
        for weight_bp in (1, 5_000, 9_999):
            step = Step(1, weight_bp, centre)
            ends = ArmCounts(2, confidences=(1, *(0,) * 18, 1))
            counts = StepCounts(step, 0, ends, ends)
            assert all(abs(score) < 20 for score in moved_scores(counts, 0.05))
            assert all(abs(score) < 20 for score in not_dropped_scores(counts, 0.5))
            assert all(abs(score) < 20 for score in not_risen_scores(counts, 0.5))
