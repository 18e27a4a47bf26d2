"""The table is the machine: every arrow of the diagram, and no other."""

from __future__ import annotations

import pytest

from control_plane.core.rollout.states import (
    FINISHED,
    FORWARD,
    TRANSITIONS,
    Event,
    IllegalEvent,
    State,
    next_state,
)
from control_plane.errors import ErrorCode

ARROWS = {
    (State.PENDING, Event.PREPARE): State.PREPARING,
    (State.PREPARING, Event.FAIL): State.FAILED,
    (State.PREPARING, Event.MIRROR): State.SHADOW,
    (State.PREPARING, Event.STEP): State.STEP,
    (State.PREPARING, Event.PROMOTE): State.PROMOTING,
    (State.SHADOW, Event.STEP): State.STEP,
    (State.SHADOW, Event.COMPLETE): State.COMPLETED,
    (State.STEP, Event.STEP): State.STEP,
    (State.STEP, Event.PROMOTE): State.PROMOTING,
    (State.PROMOTING, Event.COMPLETE): State.COMPLETED,
    (State.ROLLING_BACK, Event.ROLL_BACK): State.ROLLING_BACK,
    (State.ROLLING_BACK, Event.END): State.ROLLED_BACK,
    (State.ROLLED_BACK, Event.ROLL_BACK): State.ROLLED_BACK,
    (State.FAILED, Event.ROLL_BACK): State.FAILED,
}
PAUSABLE = [State.PENDING, State.PREPARING, State.SHADOW, State.STEP, State.PROMOTING]
for one in PAUSABLE:
    ARROWS[one, Event.PAUSE] = State.PAUSED
    ARROWS[one, Event.ROLL_BACK] = State.ROLLING_BACK


WORDS = {
    State.PENDING: "pending",
    State.PREPARING: "preparing",
    State.SHADOW: "in the shadow",
    State.STEP: "in a step",
    State.PROMOTING: "promoting",
    State.COMPLETED: "completed",
    State.ROLLING_BACK: "rolling back",
    State.ROLLED_BACK: "rolled back",
    State.FAILED: "failed",
}


@pytest.mark.parametrize("state", [state for state in State if state is not State.PAUSED])
@pytest.mark.parametrize("event", Event)
def test_an_event_follows_its_arrow_or_raises(state: State, event: Event) -> None:
    after = ARROWS.get((state, event))
    if after is not None:
        assert next_state(state, event) is after
        return
    with pytest.raises(IllegalEvent) as raised:
        next_state(state, event)
    assert raised.value.code is ErrorCode.CONFLICT
    words = event.replace("_", " ")
    assert str(raised.value) == f"the rollout is {WORDS[state]}: {words} does not apply to it now"


FROM_PAUSE = {
    State.PENDING: {},
    State.PREPARING: {Event.STEP: State.STEP, Event.PROMOTE: State.PROMOTING},
    State.SHADOW: {Event.STEP: State.STEP, Event.COMPLETE: State.COMPLETED},
    State.STEP: {Event.STEP: State.STEP, Event.PROMOTE: State.PROMOTING},
    State.PROMOTING: {Event.COMPLETE: State.COMPLETED},
}


@pytest.mark.parametrize("paused_in", PAUSABLE)
@pytest.mark.parametrize("event", Event)
def test_paused_it_knows_what_it_knew_where_it_was_paused(paused_in: State, event: Event) -> None:
    arrows = {
        **FROM_PAUSE[paused_in],
        Event.RESUME: paused_in,
        Event.ROLL_BACK: State.ROLLING_BACK,
    }
    if event in arrows:
        assert next_state(State.PAUSED, event, paused_in=paused_in) is arrows[event]
        return
    where = WORDS[paused_in].removeprefix("in ")
    with pytest.raises(IllegalEvent, match=f"^the rollout is paused in {where}: {event} does not"):
        next_state(State.PAUSED, event, paused_in=paused_in)


@pytest.mark.parametrize("event", [Event.RESUME, Event.STEP])
def test_what_was_paused_nowhere_goes_nowhere(event: Event) -> None:
    with pytest.raises(IllegalEvent, match=r"^the rollout is paused: "):
        next_state(State.PAUSED, event)


def test_every_state_has_its_row_and_is_forward_or_going_back_or_over() -> None:
    assert set(TRANSITIONS) == set(State)
    assert set(State) == FINISHED | FORWARD | {State.ROLLING_BACK}
    assert not FINISHED & FORWARD
    assert {State.COMPLETED, State.ROLLED_BACK, State.FAILED} == FINISHED
    assert all(Event.ROLL_BACK in TRANSITIONS[state] for state in set(State) - {State.COMPLETED})
