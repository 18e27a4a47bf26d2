"""Adds up again and again how right the releases are, so that a scrape finds it ready."""

from __future__ import annotations

import asyncio

import structlog

from control_plane.ports import StoreUnavailable
from control_plane.services.accuracy import AccuracyBoard

log = structlog.get_logger(__name__)


REST = 4
"""Times as long as it took: of thousands of photos the intervals take seconds of a processor that
requests want, too, and feedback may come all day."""


class AccuracyLoop:
    """interval_s: between two looks, at least."""

    def __init__(self, board: AccuracyBoard, *, interval_s: float = 5.0) -> None:
        self._board = board
        self._interval_s = interval_s
        self._is_failing = False

    async def run(self) -> None:
        """Until cancelled. What goes wrong is logged, once; the figures stay as they were."""
        now_s = asyncio.get_running_loop().time
        while True:
            began_s = now_s()
            try:
                await self._board.refresh()
                self._is_failing = False
            except StoreUnavailable as away:
                self._note_failure(str(away))
            except Exception as error:  # an oddity of the store must not end the control plane
                self._note_failure(str(error), error)
            await asyncio.sleep(max(self._interval_s, REST * (now_s() - began_s)))

    def _note_failure(self, reason: str, unexpected: Exception | None = None) -> None:
        if not self._is_failing:
            log.warning("accuracy not refreshed", reason=reason, exc_info=unexpected)
        self._is_failing = True
