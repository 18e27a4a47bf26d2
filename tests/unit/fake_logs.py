"""The level of log lines, in memory."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta

from control_plane.ports import LevelName
from control_plane.services.log_level import LogLevel

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


class FakeLevels:
    """Keeps ``LogLevels``. seen: every level that was set."""

    def __init__(self, level: LevelName = "info") -> None:
        self.seen: list[LevelName] = [level]

    def level(self) -> LevelName:
        return self.seen[-1]

    def set_level(self, level: LevelName) -> None:
        self.seen.append(level)


class LoopClock:
    """The event loop's own clock, which is noon when it shows 0."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()

    def utc(self, at_s: float) -> datetime:
        return NOON + timedelta(seconds=at_s)


def make_log_level(levels: FakeLevels | None = None) -> LogLevel:
    clock = LoopClock()
    return LogLevel("gate-1", levels or FakeLevels(), clock, clock)
