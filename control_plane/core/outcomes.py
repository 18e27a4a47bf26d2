"""How a call to an instance can end, and what each ending means: one table.

An ending says three things at once: whether the instance's breaker should count it, whether
the request may be tried on another instance, and what the caller is told when it may not.

    ending            breaker   elsewhere   the caller is told
    success           SUCCESS   -           -
    overload          IGNORED   yes         overloaded           (never ejects, never same instance)
    not_ready_here    IGNORED   yes         release_not_ready    (wakes the instance's watch)
    backend_fault     FAILURE   yes         backend_fault
    unreachable       FAILURE   yes         backend_unavailable
    slow              FAILURE   yes         deadline_exceeded    (the try's own timeout ran out)
    deadline          IGNORED   no          deadline_exceeded    (the request's deadline ran out)
    callers_mistake   IGNORED   no          invalid_argument
    malformed         IGNORED   no          invalid_argument     (the instance failed on no message)
    unsupported       IGNORED   no          unimplemented
    too_large         IGNORED   no          message_too_large
    cancelled         IGNORED   no          cancelled

A try that ran out of time is a fault of its instance because admission keeps what an engine is
asked for far from where tries run out of time (``core/admission.py``); without that, a fleet
that is merely asked for too much would lose its healthy instances one after the other, and the
rest to what they leave behind. A try that had no whole try's time, because the deadline was
near, says nothing of its instance: it ends as ``deadline``.

``UNAVAILABLE`` from Triton means several things (queue full, version not ready, server
going away, connection refused) and is told apart by its message, as observed on
Triton 2.51.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from enum import StrEnum

from control_plane.errors import ErrorCode


class Verdict(StrEnum):
    """What a breaker makes of an ending. IGNORED returns a probe and moves no counter."""

    SUCCESS = "success"
    FAILURE = "failure"
    IGNORED = "ignored"


class Ending(StrEnum):
    """Every way a call can end."""

    SUCCESS = "success"
    OVERLOAD = "overload"
    NOT_READY_HERE = "not_ready_here"
    BACKEND_FAULT = "backend_fault"
    UNREACHABLE = "unreachable"
    SLOW = "slow"
    DEADLINE = "deadline"
    CALLERS_MISTAKE = "callers_mistake"
    MALFORMED = "malformed"
    UNSUPPORTED = "unsupported"
    TOO_LARGE = "too_large"
    CANCELLED = "cancelled"


@dataclass(frozen=True, slots=True)
class Meaning:
    """What follows from an ending. code is None for success."""

    verdict: Verdict
    may_go_elsewhere: bool
    code: ErrorCode | None


MEANINGS: Mapping[Ending, Meaning] = {
    Ending.SUCCESS: Meaning(Verdict.SUCCESS, False, None),
    Ending.OVERLOAD: Meaning(Verdict.IGNORED, True, ErrorCode.OVERLOADED),
    Ending.NOT_READY_HERE: Meaning(Verdict.IGNORED, True, ErrorCode.RELEASE_NOT_READY),
    Ending.BACKEND_FAULT: Meaning(Verdict.FAILURE, True, ErrorCode.BACKEND_FAULT),
    Ending.UNREACHABLE: Meaning(Verdict.FAILURE, True, ErrorCode.BACKEND_UNAVAILABLE),
    Ending.SLOW: Meaning(Verdict.FAILURE, True, ErrorCode.DEADLINE_EXCEEDED),
    Ending.DEADLINE: Meaning(Verdict.IGNORED, False, ErrorCode.DEADLINE_EXCEEDED),
    Ending.CALLERS_MISTAKE: Meaning(Verdict.IGNORED, False, ErrorCode.INVALID_ARGUMENT),
    Ending.MALFORMED: Meaning(Verdict.IGNORED, False, ErrorCode.INVALID_ARGUMENT),
    Ending.UNSUPPORTED: Meaning(Verdict.IGNORED, False, ErrorCode.UNIMPLEMENTED),
    Ending.TOO_LARGE: Meaning(Verdict.IGNORED, False, ErrorCode.MESSAGE_TOO_LARGE),
    Ending.CANCELLED: Meaning(Verdict.IGNORED, False, ErrorCode.CANCELLED),
}


@dataclass(frozen=True, slots=True)
class CallFailure:
    """The end of a call that brought no answer: gRPC's status name and its message."""

    status: str
    message: str


_BY_STATUS: Mapping[str, Ending] = {
    "INVALID_ARGUMENT": Ending.CALLERS_MISTAKE,
    "OUT_OF_RANGE": Ending.CALLERS_MISTAKE,
    "NOT_FOUND": Ending.NOT_READY_HERE,
    "UNIMPLEMENTED": Ending.UNSUPPORTED,
    "RESOURCE_EXHAUSTED": Ending.OVERLOAD,
    "CANCELLED": Ending.CANCELLED,
    "UNAVAILABLE": Ending.UNREACHABLE,
}

# A queue that is full, or that was waited in too long.
_OVERLOADED = ("exceeds maximum queue size", "request timeout expired")
_NOT_READY = ("not at ready state", "has no available versions", "is not ready")


DEAD_PROCESS = re.compile(r"Stub process '(.+)_\d+_\d+' is not healthy")
"""What Triton 2.51 says of a request to a model whose process died; the group is the model."""


def names_dead_process(failure: CallFailure, components: Collection[str]) -> bool:
    """Whether a call failed because a process of one of its components is dead, for good.

    Only in Triton's own words about a fault: what it says of a caller's mistake repeats what
    the caller wrote.
    """
    if classify(failure, is_cut_short=False) is not Ending.BACKEND_FAULT:
        return False
    found = DEAD_PROCESS.search(failure.message)
    return found is not None and found[1] in components


def classify(failure: CallFailure, *, is_cut_short: bool) -> Ending:
    """The ending of a call that failed. Total: what is not known is a backend fault.

    is_cut_short: whether the deadline left it less than a try's time, which tells a caller who
        left no time from an instance that took too long.
    """
    message = failure.message.lower()
    if failure.status == "DEADLINE_EXCEEDED":
        return Ending.DEADLINE if is_cut_short else Ending.SLOW
    if failure.status == "UNAVAILABLE":
        if any(words in message for words in _OVERLOADED):
            return Ending.OVERLOAD
        if any(words in message for words in _NOT_READY):
            return Ending.NOT_READY_HERE
    if failure.status == "RESOURCE_EXHAUSTED" and "message larger than max" in message:
        return Ending.TOO_LARGE
    return _BY_STATUS.get(failure.status, Ending.BACKEND_FAULT)
