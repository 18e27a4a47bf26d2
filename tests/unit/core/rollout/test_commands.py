"""What a person may say, in every state."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.rollout import (
    Command,
    IllegalEvent,
    Kind,
    Plan,
    Rollout,
    State,
    obey,
    roll_back,
    words_of,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.core.rollout.rolling import (
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

EVERYWHERE = [
    started(),
    preparing(),
    under_way(),
    under_way(MIRRORED),
    promoting(),
    paused(under_way()),
    completed(),
    rolling_back(),
    rolled_back(),
    failed(),
]
FORWARD = [started(), preparing(), under_way(), under_way(MIRRORED), promoting()]


def back(last: Rollout | None, *, to: str | None = None, stable: str = "1.0.0") -> Rollout:
    return roll_back(
        "r2",
        DAMAGE_ENGINE,
        stable=stable,
        last=last,
        to=to,
        reason="bad photos",
        now_s=NOW_S + 5,
    )


@pytest.mark.parametrize("rollout", FORWARD)
def test_paused_and_resumed_it_is_where_it_was(rollout: Rollout) -> None:
    waiting = obey(rollout, Command.PAUSE, "lunch", NOW_S + 5)
    assert (waiting.state, waiting.reason) == (State.PAUSED, "lunch")
    assert waiting.traffic == rollout.traffic
    again = obey(waiting, Command.RESUME, "back", NOW_S + 9)
    assert (again.state, again.step, again.since_s) == (rollout.state, rollout.step, NOW_S + 9)
    assert again.traffic == rollout.traffic


@pytest.mark.parametrize("rollout", [one for one in EVERYWHERE if one not in FORWARD])
def test_nothing_else_is_paused(rollout: Rollout) -> None:
    with pytest.raises(IllegalEvent):
        obey(rollout, Command.PAUSE, "lunch", NOW_S)


@pytest.mark.parametrize("rollout", [one for one in EVERYWHERE if one.state is not State.PAUSED])
def test_only_who_is_paused_is_resumed(rollout: Rollout) -> None:
    with pytest.raises(IllegalEvent):
        obey(rollout, Command.RESUME, "on", NOW_S)


@pytest.mark.parametrize(
    ("rollout", "state", "step"),
    [
        (under_way(), State.STEP, 2),
        (paused(under_way()), State.STEP, 2),
        (obey(under_way(), Command.ADVANCE, "", NOW_S), State.PROMOTING, 2),
        (under_way(MIRRORED), State.STEP, 1),
        (paused(under_way(MIRRORED)), State.STEP, 1),
        (under_way(PLANS[Kind.EXPERIMENT]), State.PROMOTING, 1),
        (under_way(PLANS[Kind.SHADOW]), State.COMPLETED, 0),
        (paused(under_way(PLANS[Kind.SHADOW])), State.COMPLETED, 0),
    ],
)
def test_advance_goes_on_whatever_the_verdict(rollout: Rollout, state: State, step: int) -> None:
    on = obey(rollout, Command.ADVANCE, "go", NOW_S + 5)
    assert (on.state, on.step, on.reason, on.since_s) == (state, step, "go", NOW_S + 5)


@pytest.mark.parametrize(
    "rollout",
    [
        started(),
        preparing(),
        paused(preparing()),
        promoting(),
        completed(),
        rolling_back(),
        rolled_back(),
        failed(),
    ],
)
def test_what_is_not_proved_or_is_on_its_last_way_cannot_be_advanced(rollout: Rollout) -> None:
    with pytest.raises(IllegalEvent) as refused:
        obey(rollout, Command.ADVANCE, "go", NOW_S)
    assert refused.value.message == (
        f"the rollout is {words_of(rollout.state, rollout.paused_in)}: "
        "advance does not apply to it now"
    )


def test_what_was_paused_because_an_instance_lacks_it_can_be_completed_without() -> None:
    done = obey(paused(promoting()), Command.ADVANCE, "triton-1 is too small", NOW_S)
    assert (done.state, done.stable_now) == (State.COMPLETED, "1.1.0")


@pytest.mark.parametrize("rollout", [*FORWARD, *map(paused, FORWARD)])
def test_aborted_it_goes_back(rollout: Rollout) -> None:
    gone = obey(rollout, Command.ABORT, "no", NOW_S + 5)
    assert (gone.state, gone.reason, gone.since_s) == (State.ROLLING_BACK, "no", NOW_S + 5)
    assert not gone.traffic.is_any


def test_what_is_completed_is_not_aborted() -> None:
    with pytest.raises(IllegalEvent):
        obey(completed(), Command.ABORT, "no", NOW_S)


@pytest.mark.parametrize("to", [None, "1.0.0"])
@pytest.mark.parametrize("rollout", [*FORWARD, *map(paused, FORWARD)])
def test_a_rollback_takes_back_what_is_under_way(rollout: Rollout, to: str | None) -> None:
    gone = back(rollout, to=to)
    assert (gone.rollout_id, gone.state, gone.reason) == ("r1", State.ROLLING_BACK, "bad photos")


@pytest.mark.parametrize("rollout", [rolling_back(), rolled_back(), failed()])
def test_a_rollback_said_again_changes_nothing(rollout: Rollout) -> None:
    assert back(rollout) is rollout


def test_under_way_it_goes_back_to_stable_only() -> None:
    with pytest.raises(ControlPlaneError) as refused:
        back(under_way(), to="0.9.0")
    assert (refused.value.code, refused.value.field) == (ErrorCode.CONFLICT, "to")
    assert refused.value.message == (
        "rollout r1 of engine 'damage' is under way; roll it back to 1.0.0 first"
    )


@pytest.mark.parametrize("to", [None, "1.0.0"])
def test_what_is_completed_is_taken_back_by_a_direct_one(to: str | None) -> None:
    again = back(completed(), to=to, stable="1.1.0")
    assert again == Rollout(
        "r2",
        "damage",
        "1.1.0",
        "1.0.0",
        Plan.direct(),
        since_s=NOW_S + 5,
        started_s=NOW_S + 5,
        reason="bad photos",
        is_reversal=True,
    )


@pytest.mark.parametrize(
    "last", [None, rolled_back(), failed(), completed(PLANS[Kind.DIRECT], is_reversal=True)]
)
def test_a_release_that_is_named_can_always_be_gone_to(last: Rollout | None) -> None:
    again = back(last, to="1.1.0")
    assert (again.stable, again.target, again.is_reversal) == ("1.0.0", "1.1.0", True)


def test_a_rollback_is_not_taken_back_by_another() -> None:
    going = under_way(Plan.direct(), is_reversal=True)
    assert back(going) is going
    assert back(going, to="1.1.0") is going
    with pytest.raises(ControlPlaneError, match=r"roll it back to 1\.1\.0 first"):
        back(going, to="1.0.0")
    assert obey(going, Command.ABORT, "no", NOW_S).state is State.ROLLING_BACK


def test_a_rollback_that_is_done_is_one_however_often_it_is_said() -> None:
    done = completed(PLANS[Kind.DIRECT], is_reversal=True)
    assert back(done, stable="1.1.0") is done


def test_a_rollback_that_has_failed_is_tried_again() -> None:
    lost = replace(failed(), is_reversal=True)
    again = back(lost)
    assert (again.rollout_id, again.target, again.is_reversal) == ("r2", "1.1.0", True)


def test_where_nothing_can_be_taken_back_a_release_must_be_named() -> None:
    with pytest.raises(ControlPlaneError) as refused:
        back(None, stable="1.1.0")
    assert (refused.value.code, refused.value.field) == (ErrorCode.CONFLICT, "to")
    assert refused.value.message == (
        "engine 'damage' has no rollout to take back; stable is 1.1.0. Name the release to go to"
    )


def test_a_shadow_that_is_over_has_left_nothing_to_take_back() -> None:
    over = obey(under_way(PLANS[Kind.SHADOW]), Command.ADVANCE, "", NOW_S)
    with pytest.raises(ControlPlaneError) as refused:
        back(over)
    assert refused.value.code is ErrorCode.CONFLICT
