"""Who writes next in this process, where one writes at a time.

Whoever is patient lets all others go ahead. Jobs are: of a thousand that are taken in at once each
writes three times, and behind them the leader would lose its lease and a rollback would wait.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager


class Turns:
    """First come, first served, among the patient and among the others."""

    def __init__(self) -> None:
        self._is_taken = False
        self._waiting: deque[asyncio.Future[None]] = deque()
        self._patient: deque[asyncio.Future[None]] = deque()

    @asynccontextmanager
    async def turn(self, *, is_patient: bool) -> AsyncIterator[None]:
        await self._wait(self._patient if is_patient else self._waiting)
        try:
            yield
        finally:
            self._pass_on()

    async def _wait(self, line: deque[asyncio.Future[None]]) -> None:
        if not self._is_taken:
            self._is_taken = True
            return
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        line.append(mine)
        try:
            await mine
        except asyncio.CancelledError:
            if not mine.cancelled():
                # It was passed on to who does not want it any more.
                self._pass_on()
            raise

    def _pass_on(self) -> None:
        for line in (self._waiting, self._patient):
            while line:
                following = line.popleft()
                if not following.done():
                    following.set_result(None)
                    return
        self._is_taken = False
