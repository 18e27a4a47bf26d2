"""The conditional test: exact under the null, sharper with every bad unit, and soon enough."""

from __future__ import annotations

from math import exp, log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.analysis import ArmCounts, Step, StepCounts
from control_plane.core.analysis.conditional import (
    ODDS,
    ODDS_WEIGHTS,
    RATIO_WEIGHTS,
    RATIOS,
    error_scores,
    slow_scores,
    split_scores,
)
from control_plane.core.analysis.evidence import log_mixture
from tests.unit.core.analysis.laws import SLOW, events, expected_e, expected_when_stopped

UNITS = 5


def log_errors(counts: StepCounts, tolerated_ratio: float = 1.0) -> float:
    return log_mixture(error_scores(counts, tolerated_ratio), RATIO_WEIGHTS)


def log_slow(counts: StepCounts) -> float:
    return log_mixture(slow_scores(counts, 1.25), RATIO_WEIGHTS)


def log_split(counts: StepCounts) -> float:
    return log_mixture(split_scores(counts), ODDS_WEIGHTS)


@pytest.mark.parametrize(
    ("weights", "bets"), [(RATIO_WEIGHTS, RATIOS), (ODDS_WEIGHTS, ODDS)], ids=["ratios", "odds"]
)
def test_the_stakes_are_no_more_than_there_is(weights: tuple[float, ...], bets: object) -> None:
    assert sum(weights) == pytest.approx(1)
    assert len(weights) == len(bets)


@pytest.mark.parametrize("rate", [0.01, 0.3, 0.9])
def test_between_equals_the_expected_evidence_is_one(rate: float) -> None:
    law = events(0.2, rate, rate)
    assert expected_e(law, UNITS, log_errors) == pytest.approx(1)
    assert expected_when_stopped(law, UNITS, log_errors, at=2.0) == pytest.approx(1)


@pytest.mark.parametrize(("stable", "canary"), [(0.3, 0.1), (0.5, 0.49), (0.9, 0.0)])
def test_a_better_canary_is_expected_to_lose(stable: float, canary: float) -> None:
    law = events(0.2, stable, canary)
    assert expected_e(law, UNITS, log_errors) < 1
    assert expected_when_stopped(law, UNITS, log_errors, at=1.5) < 1


def test_a_worse_canary_is_expected_to_be_found() -> None:
    assert expected_e(events(0.2, 0.1, 0.5), UNITS, log_errors) > 1.2


def test_slow_answers_are_judged_against_what_is_tolerated() -> None:
    assert expected_e(events(0.2, 0.4, 0.5, SLOW), UNITS, log_slow) == pytest.approx(1)
    assert expected_e(events(0.2, 0.4, 0.45, SLOW), UNITS, log_slow) < 1
    assert expected_e(events(0.2, 0.4, 0.6, SLOW), UNITS, log_slow) > 1


def test_errors_do_not_count_as_slow_nor_slow_as_errors() -> None:
    failing = StepCounts(Step(1, 500), canary=ArmCounts(9, errors=9))
    slow = StepCounts(Step(1, 500), canary=ArmCounts(9, slow=9))
    assert log_errors(failing) > 5 > 0.1 > abs(log_errors(slow))
    assert log_slow(slow) > 5 > 0.1 > abs(log_slow(failing))


def test_one_error_is_worth_what_the_formula_says() -> None:
    one = StepCounts(Step(1, 500), canary=ArmCounts(1, errors=1))
    expected = [log(r / (0.95 + 0.05 * r)) for r in RATIOS]
    assert error_scores(one, 1.0) == pytest.approx(expected)
    one = StepCounts(Step(1, 500), stable=ArmCounts(1, errors=1))
    expected = [log((0.95 + 0.05 * 2) / (0.95 + 0.05 * 2 * r)) for r in RATIOS]
    assert error_scores(one, 2.0) == pytest.approx(expected)


def test_a_fair_split_is_expected_to_stay_at_one_and_another_is_found() -> None:
    assert expected_e(events(0.2, 0.5, 0.5), UNITS, log_split) == pytest.approx(1)
    assert expected_e(events(0.6, 0.5, 0.5), UNITS, log_split) > 1.5
    assert expected_e(events(0.0, 0.5, 0.5), UNITS, log_split) > 1.05


COUNTS = st.tuples(
    st.integers(1, 9_999), st.integers(0, 500), st.integers(0, 500), st.floats(1.0, 3.0)
)


@given(COUNTS)
def test_one_more_error_of_the_canary_never_lowers_the_evidence(
    case: tuple[int, int, int, float],
) -> None:
    weight_bp, of_canary, of_stable, tolerated = case

    def at(canary: int) -> float:
        arms = (ArmCounts(501, of_stable), ArmCounts(501, canary))
        return log_errors(StepCounts(Step(1, weight_bp), 0, *arms), tolerated)

    # What a sum of logs may lose.
    assert at(of_canary + 1) >= at(of_canary) - 1e-9


@given(COUNTS)
def test_one_more_error_of_stable_never_raises_it(case: tuple[int, int, int, float]) -> None:
    weight_bp, of_canary, of_stable, tolerated = case

    def at(stable: int) -> float:
        arms = (ArmCounts(501, stable), ArmCounts(501, of_canary))
        return log_errors(StepCounts(Step(1, weight_bp), 0, *arms), tolerated)

    assert at(of_stable + 1) <= at(of_stable) + 1e-9


def test_ten_errors_in_a_row_of_a_small_canary_are_beyond_doubt() -> None:
    counts = StepCounts(Step(1, 100), canary=ArmCounts(10, errors=10))
    assert exp(-log_errors(counts)) < 1e-12
