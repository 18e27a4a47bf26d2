"""Time, as the services ask for it."""

from __future__ import annotations

from datetime import datetime
from typing import Protocol


class Clock(Protocol):
    """Time, handed in so that decisions can be tested."""

    def now_s(self) -> float:
        """Seconds on a monotonic clock."""
        ...


class Calendar(Protocol):
    """What a person's clock showed at a reading of a Clock."""

    def utc(self, at_s: float) -> datetime:
        """at_s: a reading of the monotonic clock, in the past or future. Aware, in UTC."""
        ...
