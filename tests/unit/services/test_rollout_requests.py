"""What was asked of a rollout, with the server's defaults for the rest."""

from __future__ import annotations

import pytest

from control_plane.core.accuracy import AccuracyGate
from control_plane.core.rollout import Kind, Plan
from control_plane.errors import ErrorCode, InvalidArgument
from control_plane.services.rollout_requests import PlanDefaults, PlanRequest, check_who

DEFAULTS = PlanDefaults((5, 50), 30.0, 600.0, 20, shadow_percent=7, max_prepare_s=90.0)


@pytest.mark.parametrize(
    ("asked", "plan"),
    [
        (PlanRequest(), Plan(Kind.CANARY, (5, 50), 0, 30.0, 600.0, 20, 90.0)),
        (PlanRequest(Kind.DIRECT), Plan.direct(max_prepare_s=90.0)),
        (PlanRequest(Kind.SHADOW), Plan(Kind.SHADOW, (), 7, max_prepare_s=90.0)),
        (
            PlanRequest(Kind.SHADOW, shadow_percent=100),
            Plan(Kind.SHADOW, (), 100, max_prepare_s=90.0),
        ),
        (
            PlanRequest(ignored=("latency", "confidence")),
            Plan(Kind.CANARY, (5, 50), 0, 30.0, 600.0, 20, 90.0, ignored=("confidence", "latency")),
        ),
        (
            PlanRequest(Kind.SHADOW, ignored=("confidence",)),
            Plan(Kind.SHADOW, (), 7, max_prepare_s=90.0, ignored=("confidence",)),
        ),
    ],
)
def test_what_is_left_out_takes_the_defaults(asked: PlanRequest, plan: Plan) -> None:
    assert DEFAULTS.plan(asked) == plan


def test_the_defaults_are_those_of_a_plan() -> None:
    assert PlanDefaults().plan(PlanRequest()) == Plan()


@pytest.mark.parametrize(
    ("asked", "limits_s"),
    [
        (PlanRequest(min_step_s=7200.0), (7200.0, 7200.0)),
        (PlanRequest(min_step_s=0.0), (0.0, 600.0)),
        (PlanRequest(max_step_s=10.0), (10.0, 10.0)),
        (PlanRequest(max_step_s=900.0), (30.0, 900.0)),
        (PlanRequest(min_step_s=1.0, max_step_s=2.0), (1.0, 2.0)),
    ],
)
def test_a_limit_that_was_left_out_makes_room(
    asked: PlanRequest, limits_s: tuple[float, float]
) -> None:
    plan = DEFAULTS.plan(asked)
    assert (plan.min_step_s, plan.max_step_s) == limits_s


def test_two_limits_that_contradict_each_other_are_refused() -> None:
    with pytest.raises(InvalidArgument) as refused:
        DEFAULTS.plan(PlanRequest(min_step_s=20.0, max_step_s=10.0))
    assert refused.value.field == "max_step_s"


@pytest.mark.parametrize(
    ("asked", "field"),
    [
        (PlanRequest(Kind.DIRECT, steps_percent=(1,)), "steps_percent"),
        (PlanRequest(Kind.DIRECT, shadow_percent=1), "shadow_percent"),
        (PlanRequest(Kind.DIRECT, ignored=("confidence",)), "ignore"),
        (PlanRequest(ignored=("errors",)), "ignore"),
        (PlanRequest(Kind.DIRECT, accuracy=AccuracyGate("f1")), "accuracy"),
        (PlanRequest(Kind.SHADOW, accuracy=AccuracyGate("f1")), "accuracy"),
        (PlanRequest(Kind.SHADOW, max_step_s=1.0), "max_step_s"),
        (PlanRequest(Kind.SHADOW, min_samples=1), "min_samples"),
        (PlanRequest(Kind.SHADOW, is_manual=True), "manual"),
        (PlanRequest(Kind.EXPERIMENT, min_step_s=1.0), "min_step_s"),
        (PlanRequest(Kind.EXPERIMENT), "kind"),
        (PlanRequest(Kind.EXPERIMENT, ignored=("latency",)), "kind"),
    ],
)
def test_what_a_kind_does_not_know_is_refused(asked: PlanRequest, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        DEFAULTS.plan(asked)
    assert refused.value.field == field


def test_no_is_not_manual_for_any_kind() -> None:
    assert DEFAULTS.plan(PlanRequest(Kind.DIRECT, is_manual=False)).kind is Kind.DIRECT


def test_who_asks_is_a_line_or_the_default() -> None:
    assert check_who("  Ada Lovelace ", "rest") == "Ada Lovelace"
    assert check_who(" ", "rest") == "rest"
    assert len(check_who("a" * 100, "rest")) == 100


@pytest.mark.parametrize("who", ["a" * 101, "ada\x1b[2J", "ada\nroot"])
def test_what_cannot_be_shown_is_nobody(who: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_who(who, "rest")
    assert (refused.value.code, refused.value.field) == (ErrorCode.INVALID_ARGUMENT, "who")
