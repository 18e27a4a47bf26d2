"""The test behind "not worse": exact on the edge of the margin, reached without any error."""

from __future__ import annotations

from math import log

import pytest

from control_plane.core.analysis import ArmCounts, Margin, Step, StepCounts
from control_plane.core.analysis.evidence import log_mixture
from control_plane.core.analysis.noninferiority import (
    BASELINE_WEIGHTS,
    BASELINES,
    error_scores,
    nearest_inferior,
    slow_scores,
)
from tests.unit.core.analysis.laws import SLOW, events, expected_e, expected_when_stopped

UNITS = 5
MARGINS = [Margin(), Margin(0.2, 2.0), Margin(0.001, 1.1)]
ALPHA_LOG = log(100)


def log_clear(counts: StepCounts, margin: Margin) -> float:
    return log_mixture(error_scores(counts, margin), BASELINE_WEIGHTS)


def distance(stable: float, canary: float, baseline: float, share: float) -> float:
    def kl(p: float) -> float:
        other = (1 - baseline) * log((1 - baseline) / (1 - p))
        return baseline * log(baseline / p) + other

    return (1 - share) * kl(stable) + share * kl(canary)


def test_the_stakes_are_no_more_than_there_is() -> None:
    assert sum(BASELINE_WEIGHTS) == pytest.approx(1)
    assert len(BASELINE_WEIGHTS) == len(BASELINES)


@pytest.mark.parametrize("margin", MARGINS, ids=str)
@pytest.mark.parametrize("share", [0.01, 0.25, 0.9])
@pytest.mark.parametrize("baseline", BASELINES)
def test_no_inferior_point_is_nearer(margin: Margin, share: float, baseline: float) -> None:
    stable, canary = nearest_inferior(baseline, share, margin)
    assert 0 < stable < baseline < canary == margin.inferior_from(stable) < 1
    least = distance(stable, canary, baseline, share)
    for step in range(1, 200):
        other = baseline * step / 200
        if margin.inferior_from(other) < 1:
            found = distance(other, margin.inferior_from(other), baseline, share)
            assert found >= least - 1e-12


@pytest.mark.parametrize("margin", MARGINS, ids=str)
@pytest.mark.parametrize("stable", [0.0, 0.005, 0.02, 0.1, 0.3])
def test_on_the_edge_of_the_margin_the_expected_evidence_is_at_most_one(
    margin: Margin, stable: float
) -> None:
    def log_e(counts: StepCounts) -> float:
        return log_clear(counts, margin)

    edge = events(0.2, stable, margin.inferior_from(stable))
    assert expected_e(edge, UNITS, log_e) <= 1 + 1e-12
    assert expected_when_stopped(edge, UNITS, log_e, at=1.05) <= 1 + 1e-12


@pytest.mark.parametrize(("stable", "canary"), [(0.0, 0.5), (0.1, 0.9), (0.01, 0.03), (0.6, 0.95)])
def test_beyond_the_margin_it_is_less(stable: float, canary: float) -> None:
    assert expected_e(events(0.2, stable, canary), UNITS, lambda c: log_clear(c, Margin())) < 1


@pytest.mark.parametrize("rate", [0.0, 0.01, 0.05])
def test_between_equals_it_grows(rate: float) -> None:
    law = events(0.2, rate, rate)
    assert expected_e(law, UNITS, lambda c: log_clear(c, Margin(0.2, 2.0))) > 1.1


def test_two_releases_that_never_fail_are_told_not_worse() -> None:
    def flawless(units: int) -> StepCounts:
        return StepCounts(Step(1, 500), 0, ArmCounts(19 * units), ArmCounts(units))

    # 459 = log(0.01) / log(0.99) is what a test with nothing but this one bet would take.
    assert log_clear(flawless(459), Margin()) < ALPHA_LOG
    assert log_clear(flawless(650), Margin()) > ALPHA_LOG


def test_slow_units_are_judged_the_same_way() -> None:
    law = events(0.2, 0.05, 0.075, SLOW)

    def log_e(counts: StepCounts) -> float:
        return log_mixture(slow_scores(counts, Margin()), BASELINE_WEIGHTS)

    assert expected_e(law, UNITS, log_e) <= 1 + 1e-12
    some = StepCounts(Step(1, 500), 0, ArmCounts(100, 3, 5), ArmCounts(100, 5, 3))
    swapped = StepCounts(Step(1, 500), 0, ArmCounts(100, 5, 3), ArmCounts(100, 3, 5))
    assert slow_scores(some, Margin()) == error_scores(swapped, Margin())
