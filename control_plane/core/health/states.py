"""The health of one instance: a state machine as data.

Looks (liveness, readiness, a real inference per engine) are noisy and readiness lies, so no
single good look is believed and hardly any single bad one. What a row of looks amounts to is
an event; the table below says what an event does in each state.

                     ┌─────────┐
                     │ unknown │   before the first look, and after an operator let it go:
                     └────┬────┘   the next look decides at once
          ┌───────────────┼────────────────┐
          ▼               ▼                ▼
    ┌─────────┐ partial ┌──────────┐ bad ┌───────────┐
    │ healthy │────────►│ degraded │────►│ unhealthy │   down: one partial look, two failed
    │         │◄────────│          │◄────│           │   looks, or one dead one
    └─────────┘  good   └──────────┘     └───────────┘   up: three looks as good, in a row
     (any of the three reaches any other)
    - - - - - - - - - - - - - - - - - - - - - - - - - - - -  an operator's states win over looks
          drain ┌──────────┐ isolate ┌──────────┐
     any ──────►│ draining │────────►│ isolated │◄────── any (isolate)
     above      └────┬─────┘         └────┬─────┘
                     │ undrain            │ heal
                     └─────► unknown ◄────┘

*Degraded* takes traffic, for the engines that are fit there. *Draining* finishes what is in
flight and takes nothing new. *Isolated* is put aside until a person says ``heal``. Looks go
on in both, so that it can be seen what would be let back in, but move nothing. ``heal`` forgives
what looks have found too: degraded and unhealthy become unknown, healthy stays.

An event that a state does not know raises IllegalEvent and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.errors import ControlPlaneError, ErrorCode


class State(StrEnum):
    """What an instance is to the fleet. It takes new traffic when healthy or degraded."""

    UNKNOWN = "unknown"
    HEALTHY = "healthy"
    DEGRADED = "degraded"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    ISOLATED = "isolated"


class Event(StrEnum):
    """LOOKS_…: what the looks amount to. The others are said by an operator."""

    LOOKS_GOOD = "looks_good"
    LOOKS_PARTIAL = "looks_partial"
    LOOKS_BAD = "looks_bad"
    DRAIN = "drain"
    UNDRAIN = "undrain"
    ISOLATE = "isolate"
    HEAL = "heal"


class IllegalEvent(ControlPlaneError):
    """What was asked of an instance or engine makes no sense in the state it is in."""

    def __init__(self, subject: str, state: str, event: str) -> None:
        super().__init__(
            ErrorCode.CONFLICT, f"{subject} is {state}: {event} does not apply to it now"
        )


_LOOKED_AT: Mapping[Event, State] = {
    Event.LOOKS_GOOD: State.HEALTHY,
    Event.LOOKS_PARTIAL: State.DEGRADED,
    Event.LOOKS_BAD: State.UNHEALTHY,
    Event.DRAIN: State.DRAINING,
    Event.ISOLATE: State.ISOLATED,
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.UNKNOWN: {**_LOOKED_AT, Event.HEAL: State.UNKNOWN},
    State.HEALTHY: {**_LOOKED_AT, Event.HEAL: State.HEALTHY},
    State.DEGRADED: {**_LOOKED_AT, Event.HEAL: State.UNKNOWN},
    State.UNHEALTHY: {**_LOOKED_AT, Event.HEAL: State.UNKNOWN},
    State.DRAINING: {
        Event.LOOKS_GOOD: State.DRAINING,
        Event.LOOKS_PARTIAL: State.DRAINING,
        Event.LOOKS_BAD: State.DRAINING,
        Event.UNDRAIN: State.UNKNOWN,
        Event.ISOLATE: State.ISOLATED,
    },
    State.ISOLATED: {
        Event.LOOKS_GOOD: State.ISOLATED,
        Event.LOOKS_PARTIAL: State.ISOLATED,
        Event.LOOKS_BAD: State.ISOLATED,
        Event.HEAL: State.UNKNOWN,
    },
}

TAKES_TRAFFIC = frozenset({State.HEALTHY, State.DEGRADED})

HELD_BACK = frozenset({State.DRAINING, State.ISOLATED})
"""An operator's states: nothing new is sent there, and nothing is loaded or mended there."""


def next_state(subject: str, state: State, event: Event) -> State:
    """The state after an event. Raises IllegalEvent where the table has none."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        raise IllegalEvent(subject, state, event)
    return after
