"""Notice, drain, and what a second order cuts short. Nothing here waits for a clock."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from control_plane.loops.drain import StopOrders, drain

LONG_S = 3600.0


@dataclass
class FakeEdge:
    """Drains when its last request is finished, or when its patience is cut to nothing."""

    journal: list[str]
    is_idle: asyncio.Event = field(default_factory=asyncio.Event)
    on_announce: Callable[[], None] = lambda: None
    on_stop: Callable[[], None] = lambda: None

    async def announce_stop(self) -> None:
        self.journal.append("announced")
        self.on_announce()

    async def stop(self, grace_s: float) -> None:
        self.journal.append(f"stop {grace_s:g}")
        if grace_s == 0:
            self.is_idle.set()
        else:
            self.on_stop()
        await self.is_idle.wait()


async def drained(edge: FakeEdge, orders: StopOrders, *, notice_s: float) -> None:
    async with asyncio.timeout(5):
        await drain((edge,), orders, notice_s=notice_s, grace_s=LONG_S)


def given(count: int) -> StopOrders:
    orders = StopOrders()
    for _ in range(count):
        orders.give()
    return orders


async def test_what_is_under_way_is_finished_after_the_notice() -> None:
    edge = FakeEdge([])
    edge.on_stop = edge.is_idle.set
    await drained(edge, given(1), notice_s=0)
    assert edge.journal == ["announced", "stop 3600"]


async def test_work_is_taken_until_the_notice_is_over() -> None:
    edge, announced = FakeEdge([]), asyncio.Event()
    edge.on_announce = announced.set
    draining = asyncio.create_task(drained(edge, given(1), notice_s=LONG_S))
    await announced.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert edge.journal == ["announced"]
    draining.cancel()


async def test_a_second_order_ends_the_notice_and_cuts_what_is_under_way() -> None:
    edge, orders = FakeEdge([]), given(1)
    edge.on_announce = orders.give
    await drained(edge, orders, notice_s=LONG_S)
    assert edge.journal == ["announced", "stop 3600", "stop 0"]


async def test_a_second_order_cuts_the_grace_short() -> None:
    edge, orders = FakeEdge([]), given(1)
    edge.on_stop = orders.give
    await drained(edge, orders, notice_s=0)
    assert edge.journal == ["announced", "stop 3600", "stop 0"]


def test_orders_after_the_second_change_nothing() -> None:
    for count, told in (
        (0, (False, False)),
        (1, (True, False)),
        (2, (True, True)),
        (5, (True,) * 2),
    ):
        orders = given(count)
        assert (orders.first.is_set(), orders.second.is_set()) == told
