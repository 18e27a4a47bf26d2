"""Asks again and again what waits in the queue, so that health knows at once when it is away."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from control_plane.core.backoff import Rng
from control_plane.services.jobs.depths import QueueDepths


class DepthsLoop:
    """``run`` never ends. interval_s: between two questions, jittered."""

    def __init__(self, depths: QueueDepths, *, rng: Rng, interval_s: float = 3.0) -> None:
        self._depths = depths
        self._rng = rng
        self._interval_s = interval_s

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            # What goes wrong is told by the depths themselves, once.
            with suppress(Exception):
                await self._depths.read()
            await asyncio.sleep(self._interval_s * (0.5 + self._rng.random()))
