"""Sees to jobs that nobody moves, again and again.

    order what has no order ─► take back ─► end what is late
    ─► now and then: order what was lost, forget, sweep ─► pause, jittered

A kind of work that fails, because the store or the queue is away, leaves the others their turn.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from control_plane.core.backoff import Rng
from control_plane.ports import Clock, QueueUnavailable, StoreUnavailable
from control_plane.services.jobs.upkeep import Upkeep

log = structlog.get_logger(__name__)

SELDOM_S = 30.0
"""Between two rounds of what is in no hurry: what was lost long ago, what is forgotten, and
what a crash has left."""


class UpkeepLoop:
    """``run`` never ends. interval_s: between two rounds; half as long at the least."""

    def __init__(self, upkeep: Upkeep, *, clock: Clock, rng: Rng, interval_s: float = 1.0) -> None:
        self._often: dict[str, Callable[[], Awaitable[int]]] = {
            "order_unpublished": upkeep.order_unpublished,
            "take_back": upkeep.take_back,
            "end_overdue": upkeep.end_overdue,
        }
        self._seldom: dict[str, Callable[[], Awaitable[int]]] = {
            "order_forgotten": upkeep.order_forgotten,
            "forget": upkeep.forget,
            "sweep": upkeep.sweep,
        }
        self._clock = clock
        self._rng = rng
        self._interval_s = interval_s
        self._seldom_after_s = float("-inf")
        self._has_more: set[str] = set()
        self._failing: set[str] = set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            # Processes that were started together do not stay in step.
            await asyncio.sleep(self._interval_s * (0.5 + self._rng.random()))
            await self.round()

    async def round(self) -> None:
        """One of each kind whose turn it is. What goes wrong is logged, once.

        A kind in no hurry that has moved something goes on with each round until there is no more:
        with a batch now and then it would fall behind who finishes jobs, for ever.
        """
        for name, act in self._often.items():
            await self._do(name, act)
        now_s = self._clock.now_s()
        if now_s >= self._seldom_after_s:
            self._seldom_after_s = now_s + SELDOM_S
            self._has_more = set(self._seldom)
        for name, act in self._seldom.items():
            if name in self._has_more and not await self._do(name, act):
                self._has_more.discard(name)

    async def _do(self, name: str, act: Callable[[], Awaitable[int]]) -> bool:
        """Whether it moved something."""
        try:
            moved = await act()
        except Exception as error:  # an oddity of one kind must not end the others
            if name not in self._failing:
                is_expected = isinstance(error, StoreUnavailable | QueueUnavailable)
                unexpected = None if is_expected else error
                log.warning(
                    "jobs are not seen to", what=name, reason=str(error), exc_info=unexpected
                )
            self._failing.add(name)
            return False
        if moved:
            log.info("jobs were seen to", what=name, jobs=moved)
        self._failing.discard(name)
        return moved > 0
