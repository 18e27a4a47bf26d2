"""What is written of the process's log lines, as the services ask for it."""

from __future__ import annotations

from typing import Literal, Protocol

LevelName = Literal["debug", "info", "warning", "error"]


class LogLevels(Protocol):
    """The least severe message that the process writes."""

    def level(self) -> LevelName: ...

    def set_level(self, level: LevelName) -> None:
        """From now on, for every logger of the process, those included that exist already."""
        ...
