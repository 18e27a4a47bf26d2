"""What is wrong with a plan is said with the field and its limit."""

from __future__ import annotations

from dataclasses import replace
from math import inf, nan
from typing import Any

import pytest

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import IGNORABLE, Kind, Plan, read_split
from control_plane.errors import InvalidArgument


def test_the_defaults() -> None:
    assert Plan() == Plan(
        Kind.CANARY,
        (1, 5, 25, 50, 100),
        shadow_percent=0,
        min_step_s=60.0,
        max_step_s=3600.0,
        min_samples=100,
        max_prepare_s=600.0,
        is_manual=False,
        ignored=(),
    )


def test_weights_are_basis_points() -> None:
    plan = Plan(steps_percent=(1, 5, 100), shadow_percent=7)
    assert plan.steps == 3
    assert [plan.weight_bp(step) for step in (1, 2, 3)] == [100, 500, 10_000]
    assert plan.shadow_bp == 700


def test_the_other_kinds() -> None:
    assert Plan.direct(max_prepare_s=9.0) == Plan(Kind.DIRECT, (), max_prepare_s=9.0)
    assert Plan.direct().max_prepare_s == 600.0
    assert Plan.shadow(100) == Plan(Kind.SHADOW, (), shadow_percent=100)
    assert Plan.experiment(99) == Plan(Kind.EXPERIMENT, (99,))
    ignoring = Plan.experiment(99, ignored=("latency",))
    assert ignoring == Plan(Kind.EXPERIMENT, (99,), ignored=("latency",))


def test_what_is_ignored_has_one_order() -> None:
    plan = Plan(ignored=("latency", "confidence"))
    assert plan.ignored == IGNORABLE == ("confidence", "latency")
    assert Plan(Kind.SHADOW, (), 5, ignored=("confidence",)).ignored == ("confidence",)


def test_who_stays_where_it_is() -> None:
    assert Plan.shadow(1).stays
    assert Plan.experiment(1).stays
    assert Plan(is_manual=True).stays
    assert not Plan().stays
    assert not Plan.direct().stays


@pytest.mark.parametrize(
    "fields",
    [
        {"steps_percent": (1,)},
        {"steps_percent": tuple(range(81, 101))},
        {"min_step_s": 0.0, "max_step_s": 1.0},
        {"min_step_s": 2.0, "max_step_s": 2.0},
        {"min_step_s": 2_592_000.0, "max_step_s": 2_592_000.0},
        {"min_samples": 1},
        {"min_samples": 10_000_000},
        {"max_prepare_s": 1.0},
        {"shadow_percent": 100},
    ],
)
def test_limits_are_within_limits(fields: dict[str, Any]) -> None:
    Plan(**fields)


@pytest.mark.parametrize(
    ("fields", "field", "message"),
    [
        (
            {"steps_percent": ()},
            "steps_percent",
            "steps_percent has 0 steps; a plan of kind canary has 1 to 20",
        ),
        (
            {"steps_percent": tuple(range(1, 22))},
            "steps_percent",
            "steps_percent has 21 steps; a plan of kind canary has 1 to 20",
        ),
        (
            {"kind": Kind.DIRECT},
            "steps_percent",
            "steps_percent has 5 steps; a plan of kind direct has 0",
        ),
        (
            {"kind": Kind.SHADOW, "shadow_percent": 1},
            "steps_percent",
            "steps_percent has 5 steps; a plan of kind shadow has 0",
        ),
        (
            {"kind": Kind.EXPERIMENT, "steps_percent": (1, 2)},
            "steps_percent",
            "steps_percent has 2 steps; a plan of kind experiment has 1",
        ),
        (
            {"kind": Kind.EXPERIMENT, "steps_percent": (100,)},
            "steps_percent[0]",
            "steps_percent[0] is 100; it must be 1 to 99",
        ),
        (
            {"steps_percent": (0, 5)},
            "steps_percent[0]",
            "steps_percent[0] is 0; it must be 1 to 100",
        ),
        (
            {"steps_percent": (5, 101)},
            "steps_percent[1]",
            "steps_percent[1] is 101; it must be 1 to 100",
        ),
        (
            {"steps_percent": (1, 5, 5)},
            "steps_percent[2]",
            "steps_percent[2] is 5, after 5; steps must rise",
        ),
        ({"shadow_percent": 101}, "shadow_percent", "shadow_percent is 101; it must be 0 to 100"),
        ({"shadow_percent": -1}, "shadow_percent", "shadow_percent is -1; it must be 0 to 100"),
        (
            {"kind": Kind.SHADOW, "steps_percent": ()},
            "shadow_percent",
            "shadow_percent is 0; it must be 1 to 100",
        ),
        (
            {"kind": Kind.DIRECT, "steps_percent": (), "shadow_percent": 1},
            "shadow_percent",
            "shadow_percent is 1; it must be 0 to 0",
        ),
        (
            {"kind": Kind.EXPERIMENT, "steps_percent": (1,), "shadow_percent": 1},
            "shadow_percent",
            "shadow_percent is 1; it must be 0 to 0",
        ),
        ({"min_step_s": -1.0}, "min_step_s", "min_step_s is -1; it must be 0 to 2592000"),
        ({"min_step_s": nan}, "min_step_s", "min_step_s is nan; it must be 0 to 2592000"),
        (
            {"min_step_s": 9.0, "max_step_s": 8.0},
            "max_step_s",
            "max_step_s is 8; it must be at least min_step_s, which is 9",
        ),
        (
            {"min_step_s": 0.0, "max_step_s": 0.5},
            "max_step_s",
            "max_step_s is 0.5; it must be 1 to 2592000",
        ),
        ({"max_step_s": inf}, "max_step_s", "max_step_s is inf; it must be 1 to 2592000"),
        ({"min_samples": 0}, "min_samples", "min_samples is 0; it must be 1 to 10000000"),
        (
            {"min_samples": 10_000_001},
            "min_samples",
            "min_samples is 10000001; it must be 1 to 10000000",
        ),
        ({"max_prepare_s": 0.5}, "max_prepare_s", "max_prepare_s is 0.5; it must be 1 to 2592000"),
        (
            {"ignored": ("confidence", "errors")},
            "ignore",
            "ignore names 'errors'; what may be ignored: confidence, latency",
        ),
        (
            {"ignored": ("sample_ratio",)},
            "ignore",
            "ignore names 'sample_ratio'; what may be ignored: confidence, latency",
        ),
        (
            {"ignored": ("x" * 81,)},
            "ignore",
            f"ignore names '{'x' * 80}'; what may be ignored: confidence, latency",
        ),
        (
            {"ignored": ("latency", "confidence", "latency")},
            "ignore",
            "ignore names latency twice",
        ),
        (
            {"kind": Kind.DIRECT, "steps_percent": (), "ignored": ("latency",)},
            "ignore",
            "ignore means nothing to a rollout of kind direct: nothing is compared",
        ),
    ],
)
def test_a_wrong_plan_is_refused(fields: dict[str, Any], field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        Plan(**fields)
    assert (refused.value.field, refused.value.message) == (field, message)


def test_a_split_names_its_target_and_its_share() -> None:
    assert read_split({"1.0.0": 70, "1.1.0": 30}, "1.0.0") == ("1.1.0", 30)
    assert read_split({"1.1.0": 1, "1.0.0": 99}, "1.0.0") == ("1.1.0", 1)


@pytest.mark.parametrize(
    ("split", "field", "message"),
    [
        (
            {},
            "split",
            "split must name two releases, the stable 1.0.0 and another one; it names none",
        ),
        (
            {"1.1.0": 50, "1.2.0": 50},
            "split",
            "split must name two releases, the stable 1.0.0 and another one; it names 1.1.0, 1.2.0",
        ),
        (
            {"1.0.0": 50, "1.1.0": 25, "1.2.0": 25},
            "split",
            "split must name two releases, the stable 1.0.0 and another one; "
            "it names 1.0.0, 1.1.0, 1.2.0",
        ),
        ({"1.0.0": 100, "1.1.0": 0}, "split[1.0.0]", "split[1.0.0] is 100; it must be 1 to 99"),
        ({"1.0.0": 99, "1.1.0": 0}, "split[1.1.0]", "split[1.1.0] is 0; it must be 1 to 99"),
        ({"1.0.0": 50, "1.1.0": 51}, "split", "split must sum to 100 percent; it sums to 101"),
    ],
)
def test_a_wrong_split_is_refused(split: dict[str, int], field: str, message: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        read_split(split, "1.0.0")
    assert (refused.value.field, refused.value.message) == (field, message)


def test_feedback_is_asked_of_a_canary_only() -> None:
    gate = AccuracyGate("f1")
    assert Plan(accuracy=gate).accuracy is gate
    for plan in (Plan.direct(), Plan.shadow(5), Plan.experiment(50)):
        with pytest.raises(InvalidArgument) as refused:
            replace(plan, accuracy=gate)
        assert refused.value.field == "accuracy"
        assert refused.value.message == (f"accuracy means nothing to a rollout of kind {plan.kind}")
