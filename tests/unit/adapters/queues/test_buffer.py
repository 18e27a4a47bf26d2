from __future__ import annotations

import asyncio

from control_plane.adapters.queues.buffer import Buffer
from control_plane.core.detections import Priority
from control_plane.ports import Delivery
from tests.unit.virtual_time import run_virtually

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW


def filled(**numbers: int) -> Buffer:
    buffer = Buffer()
    for name, number in numbers.items():
        for at in range(number):
            buffer.add(Delivery(Priority(name), b"", message_id=f"{name}{at}"))
    return buffer


def ids(picked: tuple[Delivery, ...]) -> list[str | None]:
    return [one.message_id for one in picked]


def test_of_each_priority_what_is_wanted_is_picked_in_order() -> None:
    async def main() -> None:
        buffer = filled(high=3, normal=3, low=3)
        assert ids(buffer.pick({LOW: 1, HIGH: 2})) == ["high0", "high1", "low0"]
        assert buffer.depths() == {HIGH: 1, NORMAL: 3, LOW: 2}

    run_virtually(main())


def test_what_is_missing_others_fill_up_the_most_urgent_first() -> None:
    async def main() -> None:
        buffer = filled(normal=2, low=3)
        assert ids(buffer.pick({HIGH: 3, LOW: 1})) == ["normal0", "normal1", "low0", "low1"]
        assert ids(buffer.pick({HIGH: 9})) == ["low2"]
        assert buffer.pick({HIGH: 1}) == ()
        assert filled(high=1).pick({}) == ()

    run_virtually(main())


def test_what_is_removed_is_picked_no_more() -> None:
    async def main() -> None:
        buffer = filled(high=2, low=1)
        assert ids(buffer.remove(lambda one: one.message_id != "high1")) == ["high0", "low0"]
        assert ids(buffer.pick({LOW: 3})) == ["high1"]

    run_virtually(main())


def test_who_waits_is_woken_by_what_comes_and_by_the_time() -> None:
    async def main() -> None:
        loop = asyncio.get_running_loop()
        buffer = Buffer()
        began_s = loop.time()
        loop.call_later(2.0, buffer.add, Delivery(LOW, b""))
        await buffer.wait(began_s + 60.0)
        assert loop.time() - began_s == 2.0
        await buffer.wait(began_s + 5.0)
        assert loop.time() - began_s == 5.0

    run_virtually(main())
