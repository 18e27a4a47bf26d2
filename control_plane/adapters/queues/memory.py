"""A queue in this process: gone with it. For tests and simulations."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from control_plane.adapters.queues.standing_in import stand_ins
from control_plane.core.detections import Priority
from control_plane.ports import Clock, Delivery, Message


@dataclass(eq=False)
class _Kept:
    """A message, and how it fared. in_vain: the latest deliveries, none of them settled."""

    message: Message
    available_at_s: float
    deliveries: int = 0
    in_vain: int = 0


@dataclass(eq=False)
class _Messages:
    """What waits, in the order in which it came, and who is told when something does."""

    waiting: dict[Priority, list[_Kept]] = field(
        default_factory=lambda: {priority: [] for priority in Priority}
    )
    came: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, kept: _Kept) -> None:
        self.waiting[kept.message.priority].append(kept)
        # Whoever waits now; who begins to wait gets the next one.
        came, self.came = self.came, asyncio.Event()
        came.set()


class MemoryQueue:
    """JobQueue. Messages become available by the clock; who waits is told by the event loop.

    poll_s: how long somebody who waits sleeps at most, for clocks that do not go with the loop.
    """

    def __init__(self, clock: Clock, *, max_deliveries: int = 20, poll_s: float = 1.0) -> None:
        self._clock = clock
        self._max_deliveries = max_deliveries
        self._poll_s = poll_s
        self._messages = _Messages()
        self._in_hand: set[_Kept] = set()

    def __repr__(self) -> str:
        waiting = sum(map(len, self._messages.waiting.values()))
        return f"<MemoryQueue, {waiting} wait, {len(self._in_hand)} in hand>"

    def another(self) -> MemoryQueue:
        """The same messages, as another process would have them."""
        other = MemoryQueue(self._clock, max_deliveries=self._max_deliveries, poll_s=self._poll_s)
        other._messages = self._messages
        return other

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """What is in hand is given back, as if its holder had died."""
        for kept in self._in_hand:
            self._messages.put(kept)
        self._in_hand = set()

    async def publish(self, message: Message) -> None:
        self._messages.put(_Kept(message, self._clock.now_s()))

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        loop = asyncio.get_running_loop()
        give_up_at_s = loop.time() + wait_s
        while True:
            came = self._messages.came
            # From here to the return nothing is awaited, so nobody else takes the same.
            if taken := tuple(self._choose(wanted)):
                return taken
            left_s = give_up_at_s - loop.time()
            if left_s <= 0 or not any(wanted.values()):
                return ()
            try:
                async with asyncio.timeout(min(left_s, self._poll_s, self._next_in_s(wanted))):
                    await came.wait()
            except TimeoutError:
                pass

    def _choose(self, wanted: Mapping[Priority, int]) -> Iterator[Delivery]:
        now_s, left = self._clock.now_s(), sum(wanted.values())
        available = {
            priority: [one for one in waiting if one.available_at_s <= now_s]
            for priority, waiting in self._messages.waiting.items()
        }
        numbers = {one: min(wanted.get(one, 0), len(available[one])) for one in Priority}
        left -= sum(numbers.values())
        for priority in stand_ins(wanted):
            more = min(left, len(available[priority]) - numbers[priority])
            left -= more
            for kept in available[priority][: numbers[priority] + more]:
                self._messages.waiting[priority].remove(kept)
                yield self._hand_out(kept)

    def _hand_out(self, kept: _Kept) -> Delivery:
        kept.deliveries += 1
        kept.in_vain += 1
        self._in_hand.add(kept)
        return Delivery(
            kept.message.priority,
            kept.message.body,
            message_id=kept.message.message_id,
            deliveries=kept.deliveries,
            is_dead=kept.in_vain > self._max_deliveries,
            receipt=kept,
        )

    def _next_in_s(self, wanted: Mapping[Priority, int]) -> float:
        """How long until something that waits for its time is available."""
        waiting = self._messages.waiting
        times_s = [kept.available_at_s for one in stand_ins(wanted) for kept in waiting[one]]
        return max(0.0, min(times_s) - self._clock.now_s()) if times_s else self._poll_s

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        kept = delivery.receipt
        if not isinstance(kept, _Kept) or kept not in self._in_hand:
            return
        self._in_hand.remove(kept)
        if retry_in_s is not None:
            if kept.in_vain <= self._max_deliveries:
                kept.in_vain = 0
            kept.available_at_s = self._clock.now_s() + retry_in_s
            self._messages.put(kept)

    async def depths(self) -> Mapping[Priority, int]:
        return {priority: len(waiting) for priority, waiting in self._messages.waiting.items()}
