"""What of a finished trace is worth more than the others: to be exported, and to be remembered."""

from __future__ import annotations

from enum import StrEnum

from control_plane.core.tracing.spans import Recording


class Keep(StrEnum):
    """Why a trace is exported."""

    SAMPLED = "sampled"
    ERROR = "error"
    SLOW = "slow"


def keeps(recording: Recording, *, slow_s: float) -> Keep | None:
    """Why a finished recording is exported; None: it is not.

    An error says more than that it was slow, and that more than a sample's luck.
    """
    notable = is_notable(recording, slow_s=slow_s)
    if notable is not None:
        return notable
    return Keep.SAMPLED if recording.is_sampled else None


def is_notable(recording: Recording, *, slow_s: float) -> Keep | None:
    """Whether it is one that somebody may look for: it failed, or took too long."""
    if recording.error:
        return Keep.ERROR
    ended_s = recording.ended_s
    is_slow = ended_s is not None and ended_s - recording.started_s >= slow_s
    return Keep.SLOW if is_slow else None
