"""What can become of one delivery."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

from control_plane.core.detections import DetectionStatus


class Ending(StrEnum):
    """What became of a delivery."""

    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"
    """The job is a dead letter."""
    RETRIED = "retried"
    """An attempt was used up, and there is another one."""
    RETURNED = "returned"
    """It could not be worked on now, by no fault of its own."""
    DUPLICATE = "duplicate"
    """The job had been finished before."""
    ELSEWHERE = "elsewhere"
    """Another worker has it in hand."""
    EARLY = "early"
    """It waits for its next attempt."""
    UNKNOWN = "unknown"
    """The store does not know the job any more."""
    LOST = "lost"
    """Another worker has taken the job over."""
    AWAY = "away"
    """The store could not be reached."""
    FAULT = "fault"
    """Something unexpected; it comes again."""


ENDINGS: Mapping[DetectionStatus, Ending] = {
    DetectionStatus.COMPLETED: Ending.COMPLETED,
    DetectionStatus.PARTIAL: Ending.PARTIAL,
    DetectionStatus.FAILED: Ending.FAILED,
}
