"""The machine's clocks: one to measure with, one to tell people the time."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime

SET_ANEW_S = 0.5


class MonotonicClock:
    """Seconds that only go forward; their origin means nothing."""

    def now_s(self) -> float:
        return time.monotonic()


class SystemCalendar:
    """Readings of the monotonic clock as the wall clock had them.

    The distance between the two is kept, so that one moment is always shown as the same
    time, and taken anew when somebody has set the wall clock.
    """

    def __init__(
        self,
        monotonic_s: Callable[[], float] = time.monotonic,
        wall_s: Callable[[], float] = time.time,
    ) -> None:
        self._monotonic_s = monotonic_s
        self._wall_s = wall_s
        self._offset_s = wall_s() - monotonic_s()

    def utc(self, at_s: float) -> datetime:
        offset_s = self._wall_s() - self._monotonic_s()
        if abs(offset_s - self._offset_s) > SET_ANEW_S:
            self._offset_s = offset_s
        return datetime.fromtimestamp(at_s + self._offset_s, UTC)
