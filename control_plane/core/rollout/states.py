"""The states of a rollout and what moves it between them: the machine as data.

A rollout takes an engine from its *stable* release to a *target*. What was observed, judged or
said by a person amounts to an event (``advance`` and ``commands`` say to which); the table says
what an event does in each state.

    ┌─────────┐ prepare ┌───────────┐ mirror ┌────────┐
    │ pending │────────►│ preparing │───────►│ shadow │ a copy of the traffic, no answer is used
    └─────────┘         └─┬───┬───┬─┘        └─┬────┬─┘
                     fail │   │   │ step       │    │ complete (a shadow that stays one)
              ┌───────────┘   │   ▼            │    │
              │       promote │ ┌──────┐ step  │    │
              │      (direct) │ │ step │◄──────┘    │
              │               │ └─┬──┬─┘ step k     │
              │               │   │  └──► step k+1   │
              ▼               ▼   ▼ promote         ▼
         ┌────────┐         ┌───────────┐ complete ┌───────────┐
         │ failed │         │ promoting │─────────►│ completed │
         └────────┘         └───────────┘          └───────────┘

           pause ┌────────┐ resume          roll_back ┌──────────────┐ end  ┌─────────────┐
    any of ─────►│ paused │───────► where   any of ──►│ rolling_back │─────►│ rolled_back │
    the five     └────────┘         it was  the six   └──────────────┘      └─────────────┘

*Preparing* loads the target and proves it; nothing is routed to it. *Step* gives it the weight
of its step, *promoting* all traffic, while stable stays loaded: until *completed*, going back is
a change of the route and nothing else. *Paused* keeps the traffic where it was, and what may be
done there next is what could be done where it was paused. *Rolling back* has the traffic
with stable already, and waits until the target's requests are over and its models are gone; it
cannot be paused. *Failed* never had traffic.

``roll_back`` is known everywhere but in *completed*: there the target is stable, and going back
is a rollout of its own (``commands.roll_back``). Said again, or where nothing is left to take
back, it changes nothing.

An event that a state does not know raises IllegalEvent and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.errors import ControlPlaneError, ErrorCode


class State(StrEnum):
    """Where a rollout is."""

    PENDING = "pending"
    PREPARING = "preparing"
    SHADOW = "shadow"
    STEP = "step"
    PROMOTING = "promoting"
    PAUSED = "paused"
    COMPLETED = "completed"
    ROLLING_BACK = "rolling_back"
    ROLLED_BACK = "rolled_back"
    FAILED = "failed"


class Event(StrEnum):
    """What can happen to it. STEP: the next step begins; END: nothing of the target is left."""

    PREPARE = "prepare"
    FAIL = "fail"
    MIRROR = "mirror"
    STEP = "step"
    PROMOTE = "promote"
    COMPLETE = "complete"
    PAUSE = "pause"
    RESUME = "resume"
    ROLL_BACK = "roll_back"
    END = "end"


class IllegalEvent(ControlPlaneError):
    """What was asked of a rollout makes no sense in the state it is in. Nothing was changed."""

    def __init__(self, state: State, event: str, paused_in: State | None = None) -> None:
        super().__init__(
            ErrorCode.CONFLICT,
            f"the rollout is {words_of(state, paused_in)}: {event.replace('_', ' ')} does not "
            "apply to it now",
        )


_PLACES: Mapping[State, str] = {State.SHADOW: "the shadow", State.STEP: "a step"}


def words_of(state: State, paused_in: State | None = None) -> str:
    """Where a rollout is, for a person to read after *is*. paused_in: of a paused one."""
    if paused_in is not None:
        return f"paused in {_PLACES.get(paused_in, paused_in.value)}"
    if state in _PLACES:
        return f"in {_PLACES[state]}"
    return state.value.replace("_", " ")


_INTERRUPTED: Mapping[Event, State] = {
    Event.PAUSE: State.PAUSED,
    Event.ROLL_BACK: State.ROLLING_BACK,
}

TRANSITIONS: Mapping[State, Mapping[Event, State]] = {
    State.PENDING: {**_INTERRUPTED, Event.PREPARE: State.PREPARING},
    State.PREPARING: {
        **_INTERRUPTED,
        Event.FAIL: State.FAILED,
        Event.MIRROR: State.SHADOW,
        Event.STEP: State.STEP,
        Event.PROMOTE: State.PROMOTING,
    },
    State.SHADOW: {**_INTERRUPTED, Event.STEP: State.STEP, Event.COMPLETE: State.COMPLETED},
    State.STEP: {**_INTERRUPTED, Event.STEP: State.STEP, Event.PROMOTE: State.PROMOTING},
    State.PROMOTING: {**_INTERRUPTED, Event.COMPLETE: State.COMPLETED},
    # RESUME leads to where it was paused; ``next_state`` is told.
    State.PAUSED: {
        Event.ROLL_BACK: State.ROLLING_BACK,
        Event.STEP: State.STEP,
        Event.PROMOTE: State.PROMOTING,
        Event.COMPLETE: State.COMPLETED,
    },
    State.ROLLING_BACK: {Event.ROLL_BACK: State.ROLLING_BACK, Event.END: State.ROLLED_BACK},
    State.COMPLETED: {},
    State.ROLLED_BACK: {Event.ROLL_BACK: State.ROLLED_BACK},
    State.FAILED: {Event.ROLL_BACK: State.FAILED},
}

FINISHED = frozenset({State.COMPLETED, State.ROLLED_BACK, State.FAILED})
"""Nothing moves it any more, and another rollout of the engine may begin."""

FORWARD = frozenset(
    {
        State.PENDING,
        State.PREPARING,
        State.SHADOW,
        State.STEP,
        State.PROMOTING,
        State.PAUSED,
    }
)
"""On its way to the target: WORSE takes it back from here."""


def next_state(state: State, event: Event, *, paused_in: State | None = None) -> State:
    """The state after an event. Raises IllegalEvent where the table has none.

    paused_in: the state that a paused rollout was paused in; no event but ROLL_BACK moves it on
        that would not have done so there.
    """
    if state is not State.PAUSED or event is Event.ROLL_BACK:
        after = TRANSITIONS[state].get(event)
    elif event is Event.RESUME:
        after = paused_in
    else:
        was_known = paused_in is not None and event in TRANSITIONS[paused_in]
        after = TRANSITIONS[state].get(event) if was_known else None
    if after is None:
        raise IllegalEvent(state, event, paused_in)
    return after
