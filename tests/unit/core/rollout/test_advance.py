"""When a rollout moves by itself, when it waits, and how long."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.rollout import (
    Command,
    Decision,
    Facts,
    Kind,
    Plan,
    Rollout,
    State,
    Traffic,
    Verdict,
    advance,
    obey,
)
from tests.unit.core.rollout.rolling import (
    CANARY,
    GONE,
    GOOD,
    MIRRORED,
    NOW_S,
    PLANS,
    PREPARED,
    WORSE,
    completed,
    failed,
    paused,
    preparing,
    promoting,
    rolled_back,
    rolling_back,
    started,
    under_way,
)

MANUAL = replace(CANARY, is_manual=True)


def test_it_is_prepared_first() -> None:
    decision = advance(started(), GOOD, NOW_S)
    assert decision.rollout.state is State.PREPARING
    assert decision.rollout.reason == "to be loaded and proved"
    assert decision.wake_s == NOW_S


@pytest.mark.parametrize(
    ("plan", "state", "traffic"),
    [
        (PLANS[Kind.CANARY], State.STEP, Traffic(weight_bp=500)),
        (PLANS[Kind.EXPERIMENT], State.STEP, Traffic(weight_bp=3_000)),
        (PLANS[Kind.SHADOW], State.SHADOW, Traffic(shadow_bp=3_000)),
        (MIRRORED, State.SHADOW, Traffic(shadow_bp=3_000)),
        (PLANS[Kind.DIRECT], State.PROMOTING, Traffic(weight_bp=10_000)),
    ],
)
def test_proved_it_gets_its_first_traffic(plan: Plan, state: State, traffic: Traffic) -> None:
    decision = advance(preparing(plan), PREPARED, NOW_S + 1)
    assert (decision.rollout.state, decision.rollout.traffic) == (state, traffic)
    assert decision.rollout.step == (1 if state is State.STEP else 0)
    assert decision.rollout.reason == "proved on every instance"
    assert decision.wake_s == NOW_S + 1


def test_until_it_is_proved_it_waits() -> None:
    rollout = preparing()
    assert advance(rollout, Facts(), NOW_S + 599.0).rollout is rollout
    assert advance(rollout, Facts(), NOW_S + 1.0).wake_s == NOW_S + 600.0


def test_what_is_not_proved_in_time_has_failed() -> None:
    over = advance(preparing(PLANS[Kind.DIRECT]), Facts(), NOW_S + 50.0).rollout
    assert (over.state, over.reason) == (
        State.FAILED,
        "not proved within max_prepare_s (50 s)",
    )
    just = advance(preparing(PLANS[Kind.DIRECT]), PREPARED, NOW_S + 50.0).rollout
    assert just.state is State.PROMOTING


def test_what_was_refused_has_failed() -> None:
    facts = Facts(is_prepared=True, refusal="triton-0: wrong answer")
    decision = advance(preparing(), facts, NOW_S)
    assert (decision.rollout.state, decision.rollout.reason) == (
        State.FAILED,
        "triton-0: wrong answer",
    )
    assert decision.rollout.traffic == Traffic()


def test_a_refusal_fails_nothing_that_has_been_proved() -> None:
    rollout = under_way()
    assert advance(rollout, Facts(refusal="triton-1: restarted"), NOW_S).rollout is rollout


def test_good_with_its_least_time_and_samples_it_goes_through_all_steps() -> None:
    rollout, states = under_way(MIRRORED), []
    for tick in range(1, 5):
        rollout = advance(rollout, GOOD, NOW_S + 10.0 * tick).rollout
        states.append((rollout.state, rollout.step, rollout.traffic.weight_bp))
    assert states == [
        (State.STEP, 1, 500),
        (State.PROMOTING, 1, 10_000),
        (State.COMPLETED, 1, 0),
        (State.COMPLETED, 1, 0),
    ]


def test_each_step_has_its_own_time() -> None:
    first = under_way()
    second = advance(first, GOOD, NOW_S + 30.0).rollout
    assert (second.step, second.traffic) == (2, Traffic(weight_bp=5_000))
    assert second.reason == "not worse"
    assert advance(second, GOOD, NOW_S + 39.9).rollout is second
    told = replace(GOOD, verdict_reason="no metric is worse by its margin")
    third = advance(second, told, NOW_S + 40.0).rollout
    assert (third.state, third.reason) == (State.PROMOTING, "no metric is worse by its margin")


@pytest.mark.parametrize(
    ("facts", "after_s"),
    [
        (replace(GOOD, samples=19), 99.9),
        (GOOD, 9.9),
        (replace(GOOD, verdict=Verdict.UNDECIDED), 99.9),
        (replace(GOOD, verdict=Verdict.ERROR), 99.9),
    ],
)
def test_without_all_three_it_waits(facts: Facts, after_s: float) -> None:
    rollout = under_way()
    decision = advance(rollout, facts, NOW_S + after_s)
    assert decision.rollout is rollout
    assert decision.wake_s == (NOW_S + 10.0 if after_s < 10.0 else NOW_S + 100.0)


def test_at_its_least_time_it_waits_for_its_greatest() -> None:
    assert advance(under_way(), Facts(), NOW_S + 10.0).wake_s == NOW_S + 100.0


@pytest.mark.parametrize(
    ("facts", "reason"),
    [
        (
            replace(GOOD, verdict=Verdict.UNDECIDED),
            "not decided within max_step_s (100 s): undecided",
        ),
        (
            Facts(verdict=Verdict.ERROR, samples=20, verdict_reason="no stable unit"),
            "not decided within max_step_s (100 s): no stable unit",
        ),
        (
            replace(GOOD, samples=19),
            "not decided within max_step_s (100 s): 19 of at least 20 samples; not_worse",
        ),
        (
            Facts(),
            "not decided within max_step_s (100 s): 0 of at least 20 samples; undecided",
        ),
    ],
)
@pytest.mark.parametrize("plan", [CANARY, MIRRORED])
def test_undecided_at_its_greatest_time_it_asks(plan: Plan, facts: Facts, reason: str) -> None:
    rollout = under_way(plan)
    decision = advance(rollout, facts, NOW_S + 100.0)
    assert (decision.rollout.state, decision.rollout.reason) == (State.PAUSED, reason)
    assert decision.rollout.traffic == rollout.traffic
    again = advance(decision.rollout, GOOD, NOW_S + 1_000.0)
    assert again.rollout is decision.rollout
    assert again.wake_s is None


def test_decided_at_its_greatest_time_it_goes_on() -> None:
    assert advance(under_way(), GOOD, NOW_S + 100.0).rollout.step == 2


@pytest.mark.parametrize(
    "rollout", [under_way(MANUAL), under_way(PLANS[Kind.EXPERIMENT]), under_way(PLANS[Kind.SHADOW])]
)
@pytest.mark.parametrize("facts", [GOOD, Facts()])
def test_what_stays_waits_for_a_person(rollout: Rollout, facts: Facts) -> None:
    decision = advance(rollout, facts, NOW_S + 1_000_000.0)
    assert decision.rollout is rollout
    assert decision.wake_s is None


@pytest.mark.parametrize(
    "rollout",
    [
        started(),
        preparing(),
        under_way(),
        under_way(MIRRORED),
        under_way(MANUAL),
        under_way(PLANS[Kind.EXPERIMENT]),
        under_way(PLANS[Kind.SHADOW]),
        promoting(),
        *(paused(one) for one in (preparing(), under_way(), promoting())),
    ],
)
def test_worse_takes_it_back_at_once(rollout: Rollout) -> None:
    decision = advance(rollout, replace(WORSE, is_prepared=True), NOW_S)
    assert decision.rollout.state is State.ROLLING_BACK
    assert decision.rollout.traffic == Traffic()
    assert decision.rollout.reason == "the canary is worse: errors"
    assert decision.wake_s == NOW_S
    untold = advance(rollout, Facts(verdict=Verdict.WORSE), NOW_S)
    assert untold.rollout.reason == "the target is worse"


@pytest.mark.parametrize("rollout", [rolling_back(), completed(), rolled_back(), failed()])
def test_worse_moves_nothing_that_is_over(rollout: Rollout) -> None:
    decision = advance(rollout, WORSE, NOW_S)
    assert decision.rollout is rollout
    assert decision.wake_s is None


def test_no_verdict_takes_a_persons_rollback_back() -> None:
    rollout = under_way(Plan.direct(), is_reversal=True)
    assert advance(rollout, WORSE, NOW_S).rollout is rollout


def test_promoted_once_it_is_ready_everywhere() -> None:
    rollout = under_way(PLANS[Kind.DIRECT])
    assert advance(rollout, Facts(), NOW_S + 3599.0) == Decision(rollout, NOW_S + 3600.0)
    done = advance(rollout, PREPARED, NOW_S + 9_999.0).rollout
    assert (done.state, done.stable_now, done.traffic) == (State.COMPLETED, "1.1.0", Traffic())


@pytest.mark.parametrize(
    ("lacking", "where"), [("triton-1, triton-3", "triton-1, triton-3"), ("", "any instance")]
)
def test_what_an_instance_never_gets_is_asked_about(lacking: str, where: str) -> None:
    asked = advance(under_way(PLANS[Kind.DIRECT]), Facts(lacking=lacking), NOW_S + 3600.0).rollout
    assert (asked.state, asked.traffic) == (State.PAUSED, Traffic(weight_bp=10_000))
    assert asked.reason == f"not ready within max_step_s (3600 s) on {where}"


def test_rolled_back_once_nothing_is_left_of_it() -> None:
    rollout = rolling_back()
    waiting = advance(rollout, PREPARED, NOW_S + 9_999.0)
    assert (waiting.rollout, waiting.wake_s) == (rollout, None)
    over = advance(rollout, GONE, NOW_S + 1.0).rollout
    assert (over.state, over.reason) == (State.ROLLED_BACK, rollout.reason)


def test_a_clock_that_was_set_back_asks_nobody_and_advances_nothing() -> None:
    rollout = under_way()
    decision = advance(rollout, GOOD, NOW_S - 1_000.0)
    assert decision.rollout is rollout
    assert decision.wake_s == NOW_S + 10.0


def test_the_last_step_is_followed_by_all_traffic_and_a_person_may_say_so() -> None:
    rollout = under_way(MANUAL)
    second = obey(rollout, Command.ADVANCE, "go", NOW_S)
    assert second.traffic == Traffic(weight_bp=5_000)
    assert obey(second, Command.ADVANCE, "go", NOW_S).state is State.PROMOTING
