"""What the suite asks of a queue: how to open one, to lose one, and what it promises."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from control_plane.core.detections import Priority
from control_plane.ports import Delivery, JobQueue, Message

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
ANY = {HIGH: 1, NORMAL: 1, LOW: 1}
WAIT_S = 30.0


@dataclass
class Stage:
    """One kind of queue, empty.

    queue: open until the test ends. another: the same queue as another process has it.
    crash: what happens to a queue whose process dies, what is in its hands included.
    held_s: longer than anything in hand lasts without being renewed.
    redelivered_s: how long it takes at most until others get what a dead process held.
    max_deliveries: after so many a message comes as given up.
    is_exact: whether depths are right at once, and not only after a while.
    is_once: whether no message comes twice while nobody dies.
    """

    queue: JobQueue
    another: Callable[[], AbstractAsyncContextManager[JobQueue]]
    crash: Callable[[JobQueue], Awaitable[None]]
    held_s: float
    redelivered_s: float
    max_deliveries: int
    is_exact: bool = True
    is_once: bool = True


def message(name: str, priority: Priority = NORMAL, body: bytes = b"{}") -> Message:
    return Message(name, priority, body)


async def publish(queue: JobQueue, *names: str, priority: Priority = NORMAL) -> None:
    """One after another, so that they wait in this order."""
    for name in names:
        await queue.publish(message(name, priority))


def ids(taken: tuple[Delivery, ...]) -> list[str | None]:
    return [delivery.message_id for delivery in taken]


async def take_all(
    queue: JobQueue, wanted: dict[Priority, int] | None = None, *, count: int
) -> tuple[Delivery, ...]:
    """Just so many, however many takes that needs: not every queue has all of it at once."""
    taken: list[Delivery] = []
    async with asyncio.timeout(3 * WAIT_S):
        while len(taken) < count:
            asked = wanted or {NORMAL: count - len(taken)}
            taken += await queue.take(asked, wait_s=1.0)
    assert len(taken) == count
    return tuple(taken)


async def until_depths(queue: JobQueue, wanted: dict[Priority, int]) -> None:
    async with asyncio.timeout(WAIT_S):
        while await queue.depths() != wanted:  # noqa: ASYNC110 -- a queue tells nobody
            await asyncio.sleep(0.05)
