"""What a broker has sent ahead: it waits here, by priority, until a worker takes it."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Mapping

from control_plane.adapters.queues.standing_in import stand_ins
from control_plane.core.detections import Priority
from control_plane.ports import Delivery


class Buffer:
    """Deliveries that nobody has in hand yet. How many there can be is up to who fills it."""

    def __init__(self) -> None:
        self._waiting: dict[Priority, deque[Delivery]] = {one: deque() for one in Priority}
        self._changed = asyncio.Event()

    def __repr__(self) -> str:
        return f"<Buffer {self.depths()}>"

    def add(self, delivery: Delivery) -> None:
        self._waiting[delivery.priority].append(delivery)
        self.wake()

    def wake(self) -> None:
        """Whoever waits looks again."""
        changed, self._changed = self._changed, asyncio.Event()
        changed.set()

    async def wait(self, until_s: float) -> None:
        """For a change, at most until this time of the event loop."""
        changed = self._changed
        try:
            async with asyncio.timeout_at(until_s):
                await changed.wait()
        except TimeoutError:
            pass

    def pick(self, wanted: Mapping[Priority, int]) -> tuple[Delivery, ...]:
        """Of each priority what is wanted; for what is missing others, the most urgent first."""
        left = sum(wanted.values())
        numbers = {one: min(wanted.get(one, 0), len(self._waiting[one])) for one in Priority}
        left -= sum(numbers.values())
        for priority in stand_ins(wanted):
            more = min(left, len(self._waiting[priority]) - numbers[priority])
            numbers[priority] += more
            left -= more
        return tuple(
            self._waiting[priority].popleft()
            for priority in Priority
            for _ in range(numbers[priority])
        )

    def remove(self, is_meant: Callable[[Delivery], bool]) -> tuple[Delivery, ...]:
        """What is meant, taken out."""
        removed: list[Delivery] = []
        for priority, waiting in self._waiting.items():
            removed += filter(is_meant, waiting)
            self._waiting[priority] = deque(one for one in waiting if not is_meant(one))
        return tuple(removed)

    def depths(self) -> dict[Priority, int]:
        return {priority: len(waiting) for priority, waiting in self._waiting.items()}
