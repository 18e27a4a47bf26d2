"""The life of one embedded Triton as data, and the pause between its starts.

        LAUNCHED                BECAME_READY
    ┌──────────────► starting ────────────────► ready
    │                   │  ENDED                  │ ENDED
    │                   ▼                         │
    └────────────── backing_off ◄─────────────────┘
    stopped: before the first start, and from every state by STOPPED.

Decides only: no clock, no process, no randomness of its own.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum


class InstanceState(StrEnum):
    STARTING = "starting"
    READY = "ready"
    BACKING_OFF = "backing_off"
    STOPPED = "stopped"


class InstanceEvent(StrEnum):
    LAUNCHED = "launched"
    BECAME_READY = "became_ready"
    ENDED = "ended"
    STOPPED = "stopped"


TRANSITIONS: dict[tuple[InstanceState, InstanceEvent], InstanceState] = {
    (InstanceState.STOPPED, InstanceEvent.LAUNCHED): InstanceState.STARTING,
    (InstanceState.BACKING_OFF, InstanceEvent.LAUNCHED): InstanceState.STARTING,
    (InstanceState.STARTING, InstanceEvent.BECAME_READY): InstanceState.READY,
    (InstanceState.STARTING, InstanceEvent.ENDED): InstanceState.BACKING_OFF,
    (InstanceState.READY, InstanceEvent.ENDED): InstanceState.BACKING_OFF,
} | {(state, InstanceEvent.STOPPED): InstanceState.STOPPED for state in InstanceState}


class IllegalEvent(Exception):
    """The event cannot happen in the state; the state stays as it was."""


def next_state(state: InstanceState, event: InstanceEvent) -> InstanceState:
    try:
        return TRANSITIONS[state, event]
    except KeyError:
        raise IllegalEvent(f"{event} cannot happen while {state}") from None


@dataclass(frozen=True, slots=True)
class InstanceStatus:
    """What can be seen of one embedded Triton at one moment."""

    name: str
    state: InstanceState
    http_url: str
    grpc_url: str
    metrics_url: str
    restarts: int
    last_exit: str | None
    log_tail: tuple[str, ...]
