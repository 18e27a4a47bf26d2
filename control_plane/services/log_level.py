"""The level of this process's log lines, changed for a while or until it ends.

A level that was asked for with an end goes back by itself to that of the settings: nobody has to
remember that a plane writes every detail. It is of this process alone; each control plane and
each worker has its own.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from datetime import datetime

import structlog

from control_plane.ports import Calendar, Clock, LevelName, LogLevels

log = structlog.get_logger(__name__)

MUTE = "error"
"""At this level a warning is not written."""


@dataclass(frozen=True, slots=True)
class LevelView:
    """plane: whose it is. configured: the settings' one. until: when it goes back to that."""

    plane: str
    level: LevelName
    configured: LevelName
    until: datetime | None


class LogLevel:
    """plane: this process's name. The level that holds when it is built is the settings'."""

    def __init__(self, plane: str, levels: LogLevels, clock: Clock, calendar: Calendar) -> None:
        self._plane = plane
        self._levels = levels
        self._clock = clock
        self._calendar = calendar
        self._configured = levels.level()
        self._until: datetime | None = None
        self._going_back: asyncio.TimerHandle | None = None

    def now(self) -> LevelView:
        return LevelView(self._plane, self._levels.level(), self._configured, self._until)

    def set(
        self, level: LevelName, *, for_s: float | None = None, who: str, reason: str = ""
    ) -> LevelView:
        """for_s: after so many seconds it goes back; None leaves it until the process ends.

        Whoever asks last is obeyed: an end that was set before no longer counts.
        """
        self._forget_end()
        if for_s is not None and level != self._configured:
            self._until = self._calendar.utc(self._clock.now_s() + for_s)
            self._going_back = asyncio.get_running_loop().call_later(for_s, self._go_back)
        self._change(level, who=who, reason=reason)
        return self.now()

    def _go_back(self) -> None:
        self._forget_end()
        self._change(self._configured, who="tidegate", reason="its time is over")

    def _forget_end(self) -> None:
        if self._going_back is not None:
            self._going_back.cancel()
        self._going_back, self._until = None, None

    def _change(self, level: LevelName, *, who: str, reason: str) -> None:
        """Says it while warnings are written, before or after."""
        was = self._levels.level()
        if was == MUTE:
            self._levels.set_level(level)
        log.warning(
            "log level changed",
            level_now=level,
            level_before=was,
            until=None if self._until is None else self._until.isoformat(),
            plane=self._plane,
            who=who,
            reason=reason,
        )
        if was != MUTE:
            self._levels.set_level(level)
