"""The time as people read it."""

from __future__ import annotations

import time
from datetime import UTC, datetime

from control_plane.adapters.clock import MonotonicClock, SystemCalendar

NOON_S = datetime(2025, 1, 31, 12, tzinfo=UTC).timestamp()


class Clocks:
    monotonic_s = 1000.0
    wall_s = NOON_S

    def calendar(self) -> SystemCalendar:
        return SystemCalendar(lambda: self.monotonic_s, lambda: self.wall_s)


def test_a_reading_is_shown_as_the_wall_clock_had_it() -> None:
    calendar = Clocks().calendar()
    assert calendar.utc(1000.0) == datetime(2025, 1, 31, 12, tzinfo=UTC)
    assert calendar.utc(939.5) == datetime(2025, 1, 31, 11, 58, 59, 500_000, tzinfo=UTC)


def test_one_moment_is_always_shown_as_the_same_time() -> None:
    clocks = Clocks()
    calendar = clocks.calendar()
    before = calendar.utc(990.0)
    clocks.monotonic_s, clocks.wall_s = 1060.0, NOON_S + 60.2  # slewed by ntpd
    assert calendar.utc(990.0) == before


def test_a_clock_that_was_set_is_followed() -> None:
    clocks = Clocks()
    calendar = clocks.calendar()
    clocks.wall_s += 3600.0
    assert calendar.utc(1000.0) == datetime(2025, 1, 31, 13, tzinfo=UTC)


def test_the_machines_clocks_are_read() -> None:
    shown = SystemCalendar().utc(MonotonicClock().now_s())
    assert abs(shown.timestamp() - time.time()) < 60
