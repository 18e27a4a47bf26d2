"""Sends results on as they come.

which are due ─► send them side by side, so many at most ─► again, after one or a pause
"""

from __future__ import annotations

import asyncio

import structlog

from control_plane.core.backoff import Rng, backoff_s
from control_plane.ports import StoreUnavailable
from control_plane.services.jobs.delivering import Delivering

log = structlog.get_logger(__name__)

MOST_BACKOFF_S = 10.0


class DeliverLoop:
    """``run`` never ends. concurrency: results under way at once; interval_s: between two looks
    when nothing is due."""

    def __init__(
        self, delivering: Delivering, *, rng: Rng, concurrency: int = 8, interval_s: float = 0.5
    ) -> None:
        self._delivering = delivering
        self._rng = rng
        self._concurrency = concurrency
        self._interval_s = interval_s
        self._under_way: dict[str, asyncio.Task[None]] = {}
        self._changed = asyncio.Event()
        self._failures = 0

    async def run(self) -> None:
        """Until cancelled; what is under way then is sent again by whoever comes next."""
        try:
            while True:
                await self._round()
                await self._pause()
        finally:
            for task in self._under_way.values():
                task.cancel()
            await asyncio.gather(*self._under_way.values(), return_exceptions=True)

    async def _round(self) -> None:
        self._changed.clear()
        room = self._concurrency - len(self._under_way)
        if room <= 0:
            return
        try:
            # Those that have just begun may be found again, so as many more are asked for.
            due = await self._delivering.due(limit=self._concurrency + room)
        except Exception as error:  # it is looked again after a pause
            self._note(error)
            return
        if not due:
            self._failures = 0
        for job_id in [one for one in due if one not in self._under_way][:room]:
            task = asyncio.create_task(self._deliver(job_id), name=f"deliver {job_id}")
            self._under_way[job_id] = task

    async def _deliver(self, job_id: str) -> None:
        try:
            await self._delivering.deliver(job_id)
        except Exception as error:  # one result's oddity must not end the others
            self._note(error)
        else:
            self._failures = 0
        finally:
            self._under_way.pop(job_id, None)
            self._changed.set()

    async def _pause(self) -> None:
        """Until there is room again, or for the interval; longer while the store is away."""
        if self._failures:
            await asyncio.sleep(
                backoff_s(
                    self._failures,
                    first_s=self._interval_s,
                    most_s=MOST_BACKOFF_S,
                    rng=self._rng,
                )
            )
            return
        try:
            async with asyncio.timeout(self._interval_s * (0.5 + 0.5 * self._rng.random())):
                await self._changed.wait()
        except TimeoutError:
            return

    def _note(self, error: Exception) -> None:
        """Once, until it has gone well again."""
        if not self._failures:
            unexpected = None if isinstance(error, StoreUnavailable) else error
            log.warning("results are not sent", reason=str(error), exc_info=unexpected)
        self._failures += 1
