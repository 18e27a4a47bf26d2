from __future__ import annotations

from itertools import product

import pytest

from control_plane.embedded.lifecycle import (
    TRANSITIONS,
    IllegalEvent,
    InstanceEvent,
    InstanceState,
    next_state,
)


@pytest.mark.parametrize(("state", "event"), list(product(InstanceState, InstanceEvent)))
def test_every_event_is_either_in_the_table_or_refused(
    state: InstanceState, event: InstanceEvent
) -> None:
    if (state, event) in TRANSITIONS:
        assert next_state(state, event) is TRANSITIONS[state, event]
    else:
        with pytest.raises(IllegalEvent, match=f"{event} cannot happen while {state}"):
            next_state(state, event)


def test_a_stop_ends_every_state() -> None:
    assert {next_state(state, InstanceEvent.STOPPED) for state in InstanceState} == {
        InstanceState.STOPPED
    }
