"""How many messages wait in the queue, and whether it answers at all.

Asked by one at a time, however many want to know. Who asks waits no longer than he likes: the
question goes on for the next one, because one that is broken off costs a broker more than its
answer.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Mapping

import structlog

from control_plane.core.detections import Priority
from control_plane.ports import JobQueue, QueueUnavailable

log = structlog.get_logger(__name__)

MOST_S = 30.0
"""For one question: whatever the queue's own times are, there is an end to it."""


class QueueDepths:
    """``is_away`` is what the latest answer was; False before the first."""

    def __init__(self, queue: JobQueue) -> None:
        self._queue = queue
        self._asking: asyncio.Task[Mapping[Priority, int]] | None = None
        self.is_away = False

    async def read(self) -> Mapping[Priority, int]:
        """Raises QueueUnavailable."""
        if self._asking is None:
            # For all who ask, so without the ids of the first, in what is told of the answer too.
            alone = contextvars.Context()
            self._asking = asyncio.create_task(self._ask(), name="depths", context=alone)
            self._asking.add_done_callback(self._answered, context=alone)
        return await asyncio.shield(self._asking)

    async def _ask(self) -> Mapping[Priority, int]:
        try:
            async with asyncio.timeout(MOST_S):
                return await self._queue.depths()
        except TimeoutError as error:
            raise QueueUnavailable(f"it did not say within {MOST_S:g} s what waits") from error

    def _answered(self, task: asyncio.Task[Mapping[Priority, int]]) -> None:
        self._asking = None
        if task.cancelled():
            return
        error = task.exception()
        was_away, self.is_away = self.is_away, error is not None
        if error is not None and not was_away:
            unexpected = None if isinstance(error, QueueUnavailable) else error
            log.warning("the queue is away", reason=str(error), exc_info=unexpected)
        elif was_away and error is None:
            log.info("the queue is back")
