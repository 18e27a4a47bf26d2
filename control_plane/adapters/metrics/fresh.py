"""Figures of somebody who may be away or slow, asked for at most so often."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar

import structlog

log = structlog.get_logger(__name__)

MAX_AGE_S = 2.0
TIMEOUT_S = 2.0

Figures = TypeVar("Figures")


class Fresh(Generic[Figures]):
    """``value`` is what the last answer was; None where there was none.

    what: for the log. now_s: a monotonic clock's reading.
    """

    def __init__(
        self, what: str, ask: Callable[[], Awaitable[Figures]], now_s: Callable[[], float]
    ) -> None:
        self._what = what
        self._ask = ask
        self._now_s = now_s
        self._read_at_s: float | None = None
        self._refreshing = asyncio.Lock()
        self.value: Figures | None = None

    async def refresh(self) -> None:
        """Asks, unless somebody has a moment ago. It never raises and never waits for long."""
        async with self._refreshing:
            now_s = self._now_s()
            if self._read_at_s is not None and now_s - self._read_at_s < MAX_AGE_S:
                return
            self.value = await self._read()
            self._read_at_s = now_s

    async def _read(self) -> Figures | None:
        try:
            async with asyncio.timeout(TIMEOUT_S):
                return await self._ask()
        except Exception as error:  # whatever it is, the other series are still to be had
            reason = str(error) or type(error).__name__
            log.warning("figures are missing", what=self._what, reason=reason)
            return None
