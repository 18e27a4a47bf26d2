"""What is taken is nobody else's until it is settled, and is not lost with who took it."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.detections import Priority
from control_plane.ports import JobQueue
from tests.contract.queues.stage import (
    ANY,
    HIGH,
    LOW,
    NORMAL,
    WAIT_S,
    Stage,
    ids,
    publish,
    take_all,
    until_depths,
)

EMPTY = dict.fromkeys(Priority, 0)


async def test_what_is_done_never_comes_again(stage: Stage) -> None:
    await publish(stage.queue, "a", "b")
    for delivery in await take_all(stage.queue, count=2):
        await stage.queue.settle(delivery)

    await stage.crash(stage.queue)
    async with stage.another() as other:
        assert await other.take(ANY, wait_s=stage.redelivered_s) == ()
        await until_depths(other, EMPTY)


@pytest.mark.parametrize("priority", Priority)
async def test_what_is_to_come_later_comes_later(queue: JobQueue, priority: Priority) -> None:
    loop = asyncio.get_running_loop()
    await publish(queue, "a", priority=priority)
    for number in (1, 2, 3):
        (taken,) = await queue.take(ANY, wait_s=WAIT_S)
        assert (taken.message_id, taken.priority) == ("a", priority)
        assert taken.deliveries == number
        settled_s = loop.time()
        await queue.settle(taken, retry_in_s=1.0)
        assert await queue.take(ANY, wait_s=0.5) == ()

    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    assert 0.9 <= loop.time() - settled_s < 5.0
    await queue.settle(taken)
    assert await queue.take(ANY, wait_s=0.2) == ()


async def test_what_is_to_come_at_once_comes_at_once(queue: JobQueue) -> None:
    await publish(queue, "a")
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    await queue.settle(taken, retry_in_s=0.0)
    (again,) = await queue.take(ANY, wait_s=WAIT_S)
    assert (again.message_id, again.deliveries) == ("a", 2)


async def test_what_waits_for_its_time_holds_up_nobody(queue: JobQueue) -> None:
    await publish(queue, "first")
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    await queue.settle(taken, retry_in_s=60.0)
    await publish(queue, "second")
    assert ids(await queue.take(ANY, wait_s=WAIT_S)) == ["second"]


async def test_what_a_dead_process_held_comes_to_another(stage: Stage) -> None:
    await publish(stage.queue, "high", priority=HIGH)
    await publish(stage.queue, "low", priority=LOW)
    await until_depths(stage.queue, {HIGH: 1, NORMAL: 0, LOW: 1})
    async with stage.another() as other:
        held = await other.take({HIGH: 2}, wait_s=WAIT_S)
        assert ids(held) == ["high", "low"]
        await other.settle(held[1])

        await stage.crash(other)
        (again,) = await stage.queue.take(ANY, wait_s=stage.redelivered_s)
        assert (again.message_id, again.priority) == ("high", HIGH)
        assert again.deliveries == 2


async def test_what_is_held_for_long_comes_to_nobody_else(stage: Stage) -> None:
    await publish(stage.queue, "a")
    async with stage.another() as other:
        (held,) = await stage.queue.take(ANY, wait_s=WAIT_S)
        assert await other.take(ANY, wait_s=stage.held_s) == ()
        assert await stage.queue.take(ANY, wait_s=0.1) == ()
        await stage.queue.settle(held)
        assert await other.take(ANY, wait_s=stage.held_s) == ()


async def test_a_second_settling_changes_nothing(queue: JobQueue) -> None:
    await publish(queue, "a")
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    await queue.settle(taken)
    await queue.settle(taken, retry_in_s=0.0)
    assert await queue.take(ANY, wait_s=0.2) == ()


async def test_however_often_it_is_to_come_later_that_does_not_give_it_up(stage: Stage) -> None:
    """A full fleet and a store that is away say nothing of the message."""
    await publish(stage.queue, "a")
    for number in range(1, stage.max_deliveries + 3):
        (taken,) = await stage.queue.take(ANY, wait_s=WAIT_S)
        assert (taken.deliveries, taken.is_dead) == (number, False)
        await stage.queue.settle(taken, retry_in_s=0.0)


async def test_what_was_given_up_stays_so_when_it_is_to_come_later(stage: Stage) -> None:
    await publish(stage.queue, "poison")
    is_dead = False
    while not is_dead:
        async with stage.another() as victim:
            (taken,) = await victim.take(ANY, wait_s=WAIT_S + stage.redelivered_s)
            is_dead = taken.is_dead
            if is_dead:
                await victim.settle(taken, retry_in_s=0.0)
            else:
                await stage.crash(victim)
    (again,) = await stage.queue.take(ANY, wait_s=WAIT_S)
    assert again.is_dead


async def test_what_kills_all_who_take_it_is_given_up(stage: Stage) -> None:
    await publish(stage.queue, "poison")
    for number in range(1, stage.max_deliveries + 2):
        async with stage.another() as victim:
            (taken,) = await victim.take(ANY, wait_s=WAIT_S + stage.redelivered_s)
            assert taken.message_id == "poison"
            if taken.is_dead:
                break
            assert number <= stage.max_deliveries
            await stage.crash(victim)
    assert taken.is_dead
    # It stays until somebody has seen to it.
    (again,) = await stage.queue.take(ANY, wait_s=WAIT_S + stage.redelivered_s)
    assert again.is_dead
    await stage.queue.settle(again)
    assert await stage.queue.take(ANY, wait_s=stage.redelivered_s) == ()
    assert NORMAL is again.priority
