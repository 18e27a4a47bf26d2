from __future__ import annotations

import random
from itertools import product

import pytest

from control_plane.embedded.lifecycle import (
    TRANSITIONS,
    BackOff,
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


def test_pauses_double_up_to_the_longest_and_stay_between_half_and_whole() -> None:
    back_off = BackOff(first_s=0.5, longest_s=30.0)
    rng = random.Random(7)
    for failures, whole in [(1, 0.5), (2, 1.0), (3, 2.0), (7, 30.0), (10_000, 30.0)]:
        drawn = [back_off.pause_s(failures, rng) for _ in range(200)]
        assert whole / 2 <= min(drawn) < whole * 0.6
        assert whole * 0.9 < max(drawn) <= whole
