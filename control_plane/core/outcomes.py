"""How a call to an instance ended, in Tidegate's own words.

``UNAVAILABLE`` from Triton means several things (queue full, version not ready, server
going away, connection refused) and is told apart by its message, as observed on
Triton 2.51.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class CallFailure:
    """The end of a call that brought no answer: gRPC's status name and its message."""

    status: str
    message: str


_BY_STATUS = {
    "INVALID_ARGUMENT": ErrorCode.INVALID_ARGUMENT,
    "OUT_OF_RANGE": ErrorCode.INVALID_ARGUMENT,
    "NOT_FOUND": ErrorCode.RELEASE_NOT_READY,
    "UNIMPLEMENTED": ErrorCode.UNIMPLEMENTED,
    "RESOURCE_EXHAUSTED": ErrorCode.OVERLOADED,
    "DEADLINE_EXCEEDED": ErrorCode.DEADLINE_EXCEEDED,
    "CANCELLED": ErrorCode.CANCELLED,
    "UNAVAILABLE": ErrorCode.BACKEND_UNAVAILABLE,
}


def classify(failure: CallFailure) -> ErrorCode:
    """What a failed call means. Every status has a meaning; the rest are backend faults."""
    message = failure.message.lower()
    if failure.status == "UNAVAILABLE":
        if "maximum queue size" in message or "request timeout expired" in message:
            return ErrorCode.OVERLOADED  # a queue that is full, or that was waited in too long
        if "not at ready state" in message or "has no available versions" in message:
            return ErrorCode.RELEASE_NOT_READY
    if failure.status == "RESOURCE_EXHAUSTED" and "message larger than max" in message:
        return ErrorCode.MESSAGE_TOO_LARGE
    return _BY_STATUS.get(failure.status, ErrorCode.BACKEND_FAULT)
