"""What a rollout wants of the fleet in each state, and which may begin."""

from __future__ import annotations

import pytest

from control_plane.core.rollout import (
    Command,
    Event,
    IllegalEvent,
    Kind,
    Plan,
    Rollout,
    State,
    Traffic,
    obey,
    start,
    words_of,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.core.rollout.rolling import (
    CANARY,
    DAMAGE_ENGINE,
    MIRRORED,
    NOW_S,
    PLANS,
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

NONE = Traffic()


@pytest.mark.parametrize(
    ("rollout", "state", "wants_target", "traffic"),
    [
        (started(), State.PENDING, False, NONE),
        (paused(started()), State.PAUSED, False, NONE),
        (preparing(), State.PREPARING, True, NONE),
        (paused(preparing()), State.PAUSED, True, NONE),
        (under_way(MIRRORED), State.SHADOW, True, Traffic(shadow_bp=3_000)),
        (under_way(CANARY), State.STEP, True, Traffic(weight_bp=500)),
        (paused(under_way(CANARY)), State.PAUSED, True, Traffic(weight_bp=500)),
        (promoting(), State.PROMOTING, True, Traffic(weight_bp=10_000)),
        (paused(promoting()), State.PAUSED, True, Traffic(weight_bp=10_000)),
        (completed(), State.COMPLETED, False, NONE),
        (rolling_back(), State.ROLLING_BACK, False, NONE),
        (rolled_back(), State.ROLLED_BACK, False, NONE),
        (failed(), State.FAILED, False, NONE),
    ],
)
def test_what_each_state_wants(
    rollout: Rollout, state: State, wants_target: bool, traffic: Traffic
) -> None:
    assert (rollout.state, rollout.wants_target) == (state, wants_target)
    assert rollout.traffic == traffic
    assert rollout.traffic.is_any is (traffic != NONE)
    assert rollout.is_finished is (state in (State.COMPLETED, State.ROLLED_BACK, State.FAILED))


def test_only_who_is_completed_has_moved_stable() -> None:
    assert completed().stable_now == "1.1.0"
    assert {
        one.stable_now
        for one in (
            started(),
            under_way(),
            promoting(),
            paused(promoting()),
            rolled_back(),
            failed(),
        )
    } == {"1.0.0"}


def test_a_shadow_that_is_over_has_moved_nothing() -> None:
    over = obey(under_way(PLANS[Kind.SHADOW]), Command.ADVANCE, "seen enough", NOW_S)
    assert over.state is State.COMPLETED
    assert over.stable_now == "1.0.0"


def test_an_event_says_when_and_why() -> None:
    step = started().after(Event.PREPARE, "begun", NOW_S + 1).after(Event.STEP, "ok", NOW_S + 2)
    assert (step.step, step.since_s, step.reason, step.paused_in) == (1, NOW_S + 2, "ok", None)
    waiting = step.after(Event.PAUSE, "wait", NOW_S + 3)
    assert (waiting.step, waiting.since_s, waiting.paused_in) == (1, NOW_S + 3, State.STEP)
    again = waiting.after(Event.RESUME, "on", NOW_S + 4)
    assert (again.state, again.step, again.paused_in) == (State.STEP, 1, None)
    assert again.after(Event.STEP, "ok", NOW_S + 5).step == 2


def test_an_illegal_event_raises_and_changes_nothing() -> None:
    rollout = started()
    with pytest.raises(IllegalEvent):
        rollout.after(Event.PROMOTE, "now", NOW_S + 1)
    assert rollout == started()


@pytest.mark.parametrize("rollout", [rolling_back(), rolled_back(), failed()])
def test_a_rollback_that_is_said_again_changes_nothing(rollout: Rollout) -> None:
    assert rollout.after(Event.ROLL_BACK, "again", NOW_S + 1) is rollout


def test_time_that_goes_backwards_is_none() -> None:
    assert started().elapsed_s(NOW_S + 2.5) == 2.5
    assert started().elapsed_s(NOW_S - 2.5) == 0.0


def test_a_new_rollout_is_pending() -> None:
    assert started() == Rollout(
        rollout_id="r1",
        engine="damage",
        stable="1.0.0",
        target="1.1.0",
        plan=CANARY,
        state=State.PENDING,
        step=0,
        since_s=NOW_S,
        paused_in=None,
        reason="wanted",
        is_reversal=False,
        started_s=NOW_S,
    )


@pytest.mark.parametrize("last", [None, completed(), rolled_back(), failed()])
def test_one_may_begin_when_the_last_is_over(last: Rollout | None) -> None:
    begun = start(
        "r2",
        DAMAGE_ENGINE,
        stable="1.0.0",
        target="1.1.0",
        plan=Plan.direct(),
        last=last,
        now_s=NOW_S,
    )
    assert (begun.state, begun.reason) == (State.PENDING, "")


@pytest.mark.parametrize(
    "last", [started(), preparing(), under_way(), paused(under_way()), promoting(), rolling_back()]
)
def test_one_at_a_time(last: Rollout) -> None:
    with pytest.raises(ControlPlaneError) as refused:
        start(
            "r2",
            DAMAGE_ENGINE,
            stable="1.0.0",
            target="1.1.0",
            plan=CANARY,
            last=last,
            now_s=NOW_S,
        )
    assert refused.value.code is ErrorCode.CONFLICT
    assert refused.value.message == (
        "engine 'damage' has the rollout r1 under way, to 1.1.0: "
        f"{words_of(last.state, last.paused_in)}; one at a time"
    )


@pytest.mark.parametrize(
    ("target", "code", "message"),
    [
        (
            "9" * 100,
            ErrorCode.UNKNOWN_RELEASE,
            f"engine 'damage' has no release '{'9' * 80}'; releases: 1.0.0, 1.1.0",
        ),
        (
            "1.0.0",
            ErrorCode.INVALID_ARGUMENT,
            "release 1.0.0 is the stable one of engine 'damage' already",
        ),
    ],
)
def test_the_target_must_be_another_release(target: str, code: ErrorCode, message: str) -> None:
    with pytest.raises(ControlPlaneError) as refused:
        start(
            "r1",
            DAMAGE_ENGINE,
            stable="1.0.0",
            target=target,
            plan=CANARY,
            last=None,
            now_s=NOW_S,
        )
    assert (refused.value.code, refused.value.field) == (code, "release")
    assert refused.value.message == message
