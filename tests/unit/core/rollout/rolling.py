"""Rollouts to test with, brought to a state by the moves that lead there."""

from __future__ import annotations

from control_plane.core.rollout import (
    Command,
    Facts,
    Kind,
    Plan,
    Rollout,
    Verdict,
    advance,
    obey,
    start,
)
from tests.unit.samples import ENGINES

NOW_S = 1_800_000_000.0
DAMAGE_ENGINE = ENGINES["damage"]
CANARY = Plan(steps_percent=(5, 50), min_step_s=10.0, max_step_s=100.0, min_samples=20)
MIRRORED = Plan(
    steps_percent=(5,), shadow_percent=30, min_step_s=10.0, max_step_s=100.0, min_samples=20
)
PLANS = {
    Kind.CANARY: CANARY,
    Kind.EXPERIMENT: Plan.experiment(30),
    Kind.SHADOW: Plan.shadow(30),
    Kind.DIRECT: Plan.direct(max_prepare_s=50.0),
}
PREPARED = Facts(is_prepared=True)
GONE = Facts(is_gone=True)
GOOD = Facts(is_prepared=True, verdict=Verdict.NOT_WORSE, samples=20)
WORSE = Facts(verdict=Verdict.WORSE, verdict_reason="the canary is worse: errors")


def started(plan: Plan = CANARY, *, is_reversal: bool = False) -> Rollout:
    """PENDING."""
    return start(
        "r1",
        DAMAGE_ENGINE,
        stable="1.0.0",
        target="1.1.0",
        plan=plan,
        last=None,
        now_s=NOW_S,
        reason="wanted",
        is_reversal=is_reversal,
    )


def preparing(plan: Plan = CANARY, *, is_reversal: bool = False) -> Rollout:
    return advance(started(plan, is_reversal=is_reversal), Facts(), NOW_S).rollout


def under_way(plan: Plan = CANARY, *, is_reversal: bool = False) -> Rollout:
    """The first state with traffic: SHADOW, STEP or PROMOTING."""
    return advance(preparing(plan, is_reversal=is_reversal), PREPARED, NOW_S).rollout


def promoting() -> Rollout:
    return under_way(PLANS[Kind.DIRECT])


def completed(plan: Plan = PLANS[Kind.DIRECT], *, is_reversal: bool = False) -> Rollout:
    return advance(under_way(plan, is_reversal=is_reversal), PREPARED, NOW_S).rollout


def rolling_back() -> Rollout:
    return obey(under_way(), Command.ABORT, "no", NOW_S)


def rolled_back() -> Rollout:
    return advance(rolling_back(), GONE, NOW_S).rollout


def failed() -> Rollout:
    return advance(preparing(), Facts(refusal="no such version"), NOW_S).rollout


def paused(rollout: Rollout) -> Rollout:
    return obey(rollout, Command.PAUSE, "wait", NOW_S)
