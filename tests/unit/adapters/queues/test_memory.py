"""The queue in memory goes by the clock that it is handed, to the second."""

from __future__ import annotations

import asyncio

from control_plane.adapters.queues import MemoryQueue
from control_plane.core.detections import Priority
from control_plane.ports import Message
from tests.unit.virtual_time import run_virtually

ANY = {Priority.NORMAL: 1}


class LoopClock:
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


def test_a_message_comes_exactly_when_it_is_due() -> None:
    async def main() -> None:
        queue, loop = MemoryQueue(LoopClock()), asyncio.get_running_loop()
        await queue.publish(Message("a", Priority.LOW, b"{}"))
        (taken,) = await queue.take(ANY, wait_s=5.0)
        await queue.settle(taken, retry_in_s=7.25)
        assert await queue.take(ANY, wait_s=5.0) == ()
        assert loop.time() == 5.0
        (taken,) = await queue.take(ANY, wait_s=5.0)
        assert loop.time() == 7.25
        assert taken.deliveries == 2

    run_virtually(main())


def test_who_waits_is_told_at_once() -> None:
    async def main() -> None:
        queue, loop = MemoryQueue(LoopClock()), asyncio.get_running_loop()
        taking = asyncio.create_task(queue.another().take(ANY, wait_s=60.0))
        loop.call_later(
            3.5, lambda: loop.create_task(queue.publish(Message("a", Priority.HIGH, b"")))
        )
        assert [one.message_id for one in await taking] == ["a"]
        assert loop.time() == 3.5

    run_virtually(main())


class HandClock:
    time_s = 0.0

    def now_s(self) -> float:
        return self.time_s


def test_a_clock_that_does_not_go_with_the_loop_is_looked_at() -> None:
    async def main() -> None:
        clock = HandClock()
        queue = MemoryQueue(clock, poll_s=0.5)
        await queue.publish(Message("a", Priority.LOW, b"{}"))
        (taken,) = await queue.take(ANY, wait_s=5.0)
        await queue.settle(taken, retry_in_s=1000.0)
        taking = asyncio.create_task(queue.take(ANY, wait_s=60.0))
        await asyncio.sleep(2.1)
        assert not taking.done()
        clock.time_s = 1000.0
        assert len(await taking) == 1
        assert asyncio.get_running_loop().time() == 2.5

    run_virtually(main())


def test_it_shows_how_much_waits() -> None:
    async def main() -> None:
        queue = MemoryQueue(LoopClock())
        await queue.publish(Message("a", Priority.LOW, b"{}"))
        await queue.publish(Message("b", Priority.LOW, b"{}"))
        await queue.take(ANY, wait_s=5.0)
        assert repr(queue) == "<MemoryQueue, 1 wait, 1 in hand>"

    run_virtually(main())
