"""The states of a job and what moves it between them: the machine as data.

A job is a detection that nobody waits for. Its state is kept in the job store, and what the
queue carries is only the order to look at it; so whatever becomes of a message, the store knows
what is still to be done.

    accepted ─► queued ──claim──► processing ──finish──► completed, or partial
                  ▲ ▲                │ │ └──── bury ───► failed: a dead letter, or a discarded one
                  │ └─ retry, return ┘ │                    │
                  │                    ▼                    │
                  │     claim by another worker when        │
                  │     the first one's claim has run out   │
                  └──────────────────── replay ─────────────┘

*Processing* is held by a claim: a worker's name, the attempt, and the moment when another worker
may take over. Only who holds the claim moves the job on, so of two workers that have the same job
the one that lost it changes nothing. *Retry* has used up an attempt, *return* has not: the worker
was told to stop, or the fleet was full. *Bury* is for what can never succeed (unprocessable) and
for what ran out of attempts or of time (failed).

*Completed* and *partial* are the end: nothing moves them, so a result is never replaced.
*Failed* is moved by a person alone: *replay* begins a new run with all its attempts, *discard*
takes it out of the dead letters and leaves it failed.

An event that a state does not know raises IllegalJobEvent and changes nothing.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.core.detections import DetectionStatus
from control_plane.errors import ControlPlaneError, ErrorCode


class JobEvent(StrEnum):
    """What can happen to a job. COMPLETE, PARTLY: how it is finished."""

    CLAIM = "claim"
    RETRY = "retry"
    RETURN = "return"
    COMPLETE = "complete"
    PARTLY = "partly"
    BURY = "bury"
    REPLAY = "replay"
    DISCARD = "discard"


class DeadReason(StrEnum):
    """Which dead-letter queue a failed job lies in."""

    UNPROCESSABLE = "unprocessable"
    """It can never succeed: no image, a bad request, a photo that is not there."""
    FAILED = "failed"
    """It ran out of attempts, or of time."""


class IllegalJobEvent(ControlPlaneError):
    """What was asked of a job makes no sense in the state it is in. Nothing was changed."""

    def __init__(
        self, state: DetectionStatus, event: JobEvent, *, is_discarded: bool = False
    ) -> None:
        how = "was discarded" if is_discarded else f"is {state.value}"
        super().__init__(
            ErrorCode.CONFLICT, f"the job {how}: {event.value} does not apply to it now"
        )


_QUEUED, _PROCESSING = DetectionStatus.QUEUED, DetectionStatus.PROCESSING

TRANSITIONS: Mapping[DetectionStatus, Mapping[JobEvent, DetectionStatus]] = {
    _QUEUED: {
        JobEvent.CLAIM: _PROCESSING,
        JobEvent.BURY: DetectionStatus.FAILED,
    },
    _PROCESSING: {
        JobEvent.CLAIM: _PROCESSING,
        JobEvent.RETRY: _QUEUED,
        JobEvent.RETURN: _QUEUED,
        JobEvent.COMPLETE: DetectionStatus.COMPLETED,
        JobEvent.PARTLY: DetectionStatus.PARTIAL,
        JobEvent.BURY: DetectionStatus.FAILED,
    },
    DetectionStatus.COMPLETED: {},
    DetectionStatus.PARTIAL: {},
    DetectionStatus.FAILED: {
        JobEvent.REPLAY: _QUEUED,
        JobEvent.DISCARD: DetectionStatus.FAILED,
    },
}

FINISHED = frozenset({DetectionStatus.COMPLETED, DetectionStatus.PARTIAL, DetectionStatus.FAILED})
"""No worker moves it any more."""


def next_state(state: DetectionStatus, event: JobEvent) -> DetectionStatus:
    """The state after an event. Raises IllegalJobEvent where the table has none."""
    after = TRANSITIONS[state].get(event)
    if after is None:
        raise IllegalJobEvent(state, event)
    return after
