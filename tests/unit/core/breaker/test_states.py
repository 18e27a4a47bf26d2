"""The table is the machine: every arrow of the diagram, and no other."""

from __future__ import annotations

import pytest

from control_plane.core.breaker.states import TRANSITIONS, Event, IllegalEvent, State, next_state

ARROWS = {
    (State.CLOSED, Event.TRIP): State.OPEN,
    (State.OPEN, Event.PROBE): State.HALF_OPEN,
    (State.OPEN, Event.VOUCH): State.HALF_OPEN,
    (State.HALF_OPEN, Event.RELAPSE): State.OPEN,
    (State.HALF_OPEN, Event.PROVE): State.CLOSED,
    (State.CLOSED, Event.ISOLATE): State.ISOLATED,
    (State.OPEN, Event.ISOLATE): State.ISOLATED,
    (State.HALF_OPEN, Event.ISOLATE): State.ISOLATED,
    (State.ISOLATED, Event.ISOLATE): State.ISOLATED,
    (State.ISOLATED, Event.RELEASE): State.HALF_OPEN,
}


@pytest.mark.parametrize("state", State)
@pytest.mark.parametrize("event", Event)
def test_an_event_follows_its_arrow_or_raises(state: State, event: Event) -> None:
    after = ARROWS.get((state, event))
    if after is not None:
        assert next_state(state, event) is after
        return
    with pytest.raises(IllegalEvent) as raised:
        next_state(state, event)
    assert (raised.value.state, raised.value.event) == (state, event)


def test_an_illegal_event_says_what_could_not_happen() -> None:
    with pytest.raises(
        IllegalEvent, match=r"^'prove' cannot happen to a breaker that is isolated$"
    ):
        next_state(State.ISOLATED, Event.PROVE)


def test_every_state_has_its_row_and_can_be_left() -> None:
    assert set(TRANSITIONS) == set(State)
    assert all(set(row.values()) - {state} for state, row in TRANSITIONS.items())
