"""The reconcile loop of the leader: a tick whenever there is news: seen, said or judged.

Level-triggered: what a tick does depends on how things are, not on what has happened. So a
tick too many is harmless, and one that was missed is made up for by the next.
"""

from __future__ import annotations

import asyncio

import structlog

from control_plane.ports import Fenced
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet
from control_plane.services.leading import Leading
from control_plane.services.reconciling import Reconciler, Spawn

log = structlog.get_logger(__name__)

INTERVAL_S = 0.5
"""Between two ticks at the most: time alone may have changed something."""

LEAST_PAUSE_S = 0.02


class ReconcileLoop:
    """Implements Duty."""

    def __init__(
        self,
        leading: Leading,
        reconciler: Reconciler,
        *,
        fleet: Fleet,
        board: Board,
        interval_s: float = INTERVAL_S,
    ) -> None:
        self._leading = leading
        self._reconciler = reconciler
        self._news = (fleet.listen(), board.listen(), leading.judged)
        self._interval_s = interval_s
        self._is_failing = False

    async def run(self, epoch: int) -> None:
        """Until cancelled; the work that it began is cancelled with it."""
        self._reconciler.begin()
        try:
            async with asyncio.TaskGroup() as group:
                while True:
                    for event in self._news:
                        event.clear()
                    if not await self._tick(epoch, group.create_task):
                        await self._pause()
        finally:
            self._reconciler.forget_work()

    async def _tick(self, epoch: int, spawn: Spawn) -> bool:
        """A tick that fails decides nothing; the requests of every engine go on without it."""
        try:
            has_moved = await self._leading.tick(epoch, spawn)
        except Fenced:
            raise
        except Exception:
            if not self._is_failing:
                log.exception("a tick of the leader failed unexpectedly")
            self._is_failing = True
            return False
        self._is_failing = False
        return has_moved

    async def _pause(self) -> None:
        await asyncio.sleep(LEAST_PAUSE_S)
        waits = [asyncio.create_task(event.wait()) for event in self._news]
        try:
            await asyncio.wait(waits, timeout=self._interval_s, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for wait in waits:
                wait.cancel()
