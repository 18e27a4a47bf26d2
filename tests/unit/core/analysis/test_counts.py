"""Counts add up exactly, and impossible ones are refused."""

from __future__ import annotations

import pytest

from control_plane.core.analysis import BUCKETS, ArmCounts, Step, StepCounts, bucket_of, merge
from tests.unit.core.analysis.laws import sure_of

STEP = Step(1, 500)


@pytest.mark.parametrize(
    ("confidence", "bucket"),
    [(0.0, 0), (0.049, 0), (0.05, 1), (0.5, 10), (0.999, BUCKETS - 1), (1.0, BUCKETS - 1)],
)
def test_a_confidence_has_its_bucket(confidence: float, bucket: int) -> None:
    assert bucket_of(confidence) == bucket


@pytest.mark.parametrize("confidence", [-0.01, 1.01, float("nan")])
def test_what_is_no_confidence_is_refused(confidence: float) -> None:
    with pytest.raises(ValueError, match="must be in 0"):
        bucket_of(confidence)


def test_arms_add_up_kind_by_kind() -> None:
    both = ArmCounts(3, 1, 2, sure_of(4).confidences) + ArmCounts(2, 0, 1, sure_of(5).confidences)
    assert (both.units, both.errors, both.slow, both.with_confidence) == (5, 1, 3, 2)
    assert both.confidences[4:6] == (1, 1)
    assert both.mean_confidence == pytest.approx(0.25)


def test_without_confidences_there_is_no_mean() -> None:
    assert ArmCounts(10).mean_confidence is None


@pytest.mark.parametrize(
    "wrong",
    [
        {"units": -1},
        {"units": 1, "errors": 2},
        {"units": 1, "slow": 2},
        {"units": 1, "errors": -1},
        {"units": 1, "slow": -1},
        {"units": 0, "confidences": sure_of(3).confidences},
        {"units": 5, "confidences": (2, -1, *(0,) * (BUCKETS - 2))},
        {"confidences": (0,) * (BUCKETS - 1)},
    ],
)
def test_impossible_counts_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="must"):
        ArmCounts(**wrong)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"number": 0, "weight_bp": 500}, "number"),
        ({"number": 1, "weight_bp": 0}, "weight_bp"),
        ({"number": 1, "weight_bp": 10_000}, "weight_bp"),
        ({"number": 1, "weight_bp": 500, "confidence_centre": -0.1}, "confidence_centre"),
        ({"number": 1, "weight_bp": 500, "confidence_centre": 1.1}, "confidence_centre"),
    ],
)
def test_a_step_that_compares_nothing_is_refused(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Step(**wrong)


@pytest.mark.parametrize("seen_weight_bp", [-1, 500, 501])
def test_a_stratum_whose_arm_was_known_is_refused(seen_weight_bp: int) -> None:
    with pytest.raises(ValueError, match="seen_weight_bp"):
        StepCounts(STEP, seen_weight_bp)


def test_the_share_is_that_of_what_was_not_known() -> None:
    assert StepCounts(Step(1, 500)).canary_share == 0.05
    assert StepCounts(Step(2, 2_500), 500).canary_share == pytest.approx(2_000 / 9_500)


def test_merging_adds_strata_and_keeps_them_apart() -> None:
    later = Step(2, 2_500)
    parts = [
        StepCounts(later, 500, canary=ArmCounts(1)),
        StepCounts(STEP, stable=ArmCounts(10, 1), canary=ArmCounts(2)),
        StepCounts(later, stable=ArmCounts(4)),
        StepCounts(STEP, stable=ArmCounts(5), canary=ArmCounts(1, 1)),
    ]
    assert merge(parts) == (
        StepCounts(STEP, stable=ArmCounts(15, 1), canary=ArmCounts(3, 1)),
        StepCounts(later, stable=ArmCounts(4)),
        StepCounts(later, 500, canary=ArmCounts(1)),
    )
    assert merge([]) == ()
