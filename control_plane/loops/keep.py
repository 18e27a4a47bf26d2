"""Hands answers that are kept for feedback to their store, and has old ones dropped."""

from __future__ import annotations

import asyncio

import structlog

from control_plane.services.keeping import Keeping

log = structlog.get_logger(__name__)

LAST_FLUSH_S = 1.0
"""How long a plane that stops waits for the store to take the last answers."""


class KeepLoop:
    """interval_s: between two writes. forget_s: between two looks for what is too old."""

    def __init__(
        self, keeping: Keeping, *, interval_s: float = 0.5, forget_s: float = 10.0
    ) -> None:
        self._keeping = keeping
        self._interval_s = interval_s
        self._every = max(1, round(forget_s / interval_s))

    async def run(self) -> None:
        """Until cancelled; then what is left is written, if the store takes it soon."""
        rounds = 0
        try:
            while True:
                await self._keeping.flush()
                if rounds % self._every == 0:
                    await self._keeping.forget()
                rounds += 1
                await asyncio.sleep(self._interval_s)
        finally:
            try:
                async with asyncio.timeout(LAST_FLUSH_S):
                    await self._keeping.flush()
            except TimeoutError:
                log.warning("the last answers were not kept", reason="the store takes too long")
