"""The states of a breaker and what moves it between them: the machine as data.

A breaker stands between callers and one instance, for one engine release. While calls end
well it is *closed*, like a switch that lets the current through. When they do not, it trips:
*open*, nobody gets through, so callers lose no time on an instance that cannot answer and the
instance gets the quiet it needs to recover. After the open time it lets a few calls through
as probes: *half_open*. Enough good probes close it; one bad probe opens it again, for longer.

A person, or the mending of an instance, can take it out of this circle: *isolated* lets
nobody through for as long as it takes, and only RELEASE ends it. Released is not trusted:
it comes back half open and must prove itself like after any other outage.

Nor is an open one that somebody vouches for: it has answered a call that was made against the
breaker's advice, because nobody else was left, or health checks have found it well. It need
not sit out its open time, and probes decide. When a whole fleet comes back, waiting for every
open time to pass would leave the first one or two that are due with the traffic of all.

                                                     PROBE
                     TRIP                         the open time is over
      +----------+  too many faults   +--------+  VOUCH a sign of life    +-----------+
      |  closed  | -----------------> |  open  | -----------------------> | half_open |
      +----------+                    +--------+ <----------------------- +-----------+
        ^                                              RELAPSE a bad probe   |       ^
        |                              PROVE enough good probes              |       |
        +--------------------------------------------------------------------+       |
                                                                                     |
                  ISOLATE              +----------+             RELEASE              |
      any state ---------------------> | isolated | ---------------------------------+
                  by a person          +----------+             by a person

Each stay in a state is a *period*, numbered by the breaker's generation. A call that was let
through in one period and ends in another says nothing about the present, and is not counted.

An event that has no arrow is a mistake in the program, not a refusal to a caller: it raises
IllegalEvent, and the breaker is as it was.

The circle is Michael Nygard's (Release It!, 2nd ed., chapter 5, "Circuit Breaker"); the
isolated state is Polly v8's (``CircuitState.Isolated``); the table as data is python-hyper's
h11's.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum


class State(StrEnum):
    """Where a breaker is."""

    CLOSED = "closed"
    OPEN = "open"
    HALF_OPEN = "half_open"
    ISOLATED = "isolated"


class Event(StrEnum):
    """What can happen to it."""

    TRIP = "trip"
    PROBE = "probe"
    VOUCH = "vouch"
    RELAPSE = "relapse"
    PROVE = "prove"
    ISOLATE = "isolate"
    RELEASE = "release"


TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.CLOSED: {
        Event.TRIP: State.OPEN,
        Event.ISOLATE: State.ISOLATED,
    },
    State.OPEN: {
        Event.PROBE: State.HALF_OPEN,
        Event.VOUCH: State.HALF_OPEN,
        Event.ISOLATE: State.ISOLATED,
    },
    State.HALF_OPEN: {
        Event.RELAPSE: State.OPEN,
        Event.PROVE: State.CLOSED,
        Event.ISOLATE: State.ISOLATED,
    },
    State.ISOLATED: {
        # Asked for twice, it is isolated once: no new period begins.
        Event.ISOLATE: State.ISOLATED,
        Event.RELEASE: State.HALF_OPEN,
    },
}


class IllegalEvent(RuntimeError):
    """The event cannot happen in this state. Nothing was changed."""

    def __init__(self, state: State, event: Event) -> None:
        super().__init__(f"{event.value!r} cannot happen to a breaker that is {state.value}")
        self.state = state
        self.event = event


def next_state(state: State, event: Event) -> State:
    """Where an event leads. Raises IllegalEvent."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        raise IllegalEvent(state, event)
    return after
