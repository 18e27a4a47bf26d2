"""What becomes of traces that are to be exported."""

from __future__ import annotations

from enum import StrEnum


class Outcome(StrEnum):
    """What became of a trace that was to be exported."""

    SENT = "sent"
    DROPPED = "dropped"
    """There was no room for it: more came than the collector took."""
    FAILED = "failed"
    """The collector did not take it."""
