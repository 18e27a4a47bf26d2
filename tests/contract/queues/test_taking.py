"""What is published is taken: by one, in the order that is asked for, and soon."""

from __future__ import annotations

import asyncio
from collections import Counter
from contextlib import nullcontext, suppress

import pytest

from control_plane.core.detections import Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import (
    MAX_MESSAGE_BYTES,
    Delivery,
    JobQueue,
    Message,
    QueueUnavailable,
)
from tests.contract.queues.stage import (
    ANY,
    HIGH,
    LOW,
    NORMAL,
    WAIT_S,
    Stage,
    ids,
    message,
    publish,
    take_all,
    until_depths,
)


async def test_what_is_published_is_taken_as_it_was(queue: JobQueue) -> None:
    body = '{"job_id": "ä"}'.encode()
    await queue.publish(Message("a.0", LOW, body))

    (taken,) = await queue.take(ANY, wait_s=WAIT_S)

    assert (taken.message_id, taken.priority, taken.body) == ("a.0", LOW, body)
    assert (taken.deliveries, taken.is_dead, taken.is_cut) == (1, False, False)


async def test_another_process_takes_it(stage: Stage) -> None:
    async with stage.another() as other:
        await publish(stage.queue, "a")
        assert ids(await other.take(ANY, wait_s=WAIT_S)) == ["a"]
        assert await stage.queue.take(ANY, wait_s=0.2) == ()


async def test_the_wanted_number_of_each_is_taken(queue: JobQueue) -> None:
    for priority in Priority:
        await publish(queue, *(f"{priority}{n}" for n in range(5)), priority=priority)
    await until_depths(queue, dict.fromkeys(Priority, 5))

    taken = await queue.take({HIGH: 3, NORMAL: 2, LOW: 1}, wait_s=WAIT_S)

    assert Counter(one.priority for one in taken) == {HIGH: 3, NORMAL: 2, LOW: 1}
    assert sorted(map(str, ids(taken))) == ["high0", "high1", "high2", "low0", "normal0", "normal1"]


async def test_what_one_priority_lacks_others_fill_up_the_most_urgent_first(
    queue: JobQueue,
) -> None:
    await publish(queue, "h0", "h1", priority=HIGH)
    await publish(queue, "n0", "n1", "n2", priority=NORMAL)
    await until_depths(queue, {HIGH: 2, NORMAL: 3, LOW: 0})

    taken = await queue.take({LOW: 4}, wait_s=WAIT_S)

    assert sorted(map(str, ids(taken))) == ["h0", "h1", "n0", "n1"]


async def test_of_which_none_are_wanted_none_come_in_the_place_of_others(queue: JobQueue) -> None:
    await publish(queue, "n", priority=NORMAL)
    await publish(queue, "l", priority=LOW)
    await until_depths(queue, {HIGH: 0, NORMAL: 1, LOW: 1})

    assert await queue.take({HIGH: 2, NORMAL: 0, LOW: 0}, wait_s=0.5) == ()
    assert ids(await queue.take({HIGH: 2, NORMAL: 0}, wait_s=WAIT_S)) == ["l"]


async def test_no_more_is_taken_than_is_wanted(queue: JobQueue) -> None:
    await publish(queue, *(f"m{n}" for n in range(6)))
    await until_depths(queue, {HIGH: 0, NORMAL: 6, LOW: 0})
    assert len(await queue.take({HIGH: 1, NORMAL: 1, LOW: 1}, wait_s=WAIT_S)) == 3
    assert await queue.take({}, wait_s=0.1) == ()
    assert await queue.take({HIGH: 0}, wait_s=0.1) == ()
    assert len(await take_all(queue, count=3)) == 3


async def test_the_first_that_came_is_the_first_that_is_taken(queue: JobQueue) -> None:
    await publish(queue, *"abc")
    taken = [ids(await take_all(queue, {NORMAL: 1}, count=1)) for _ in range(3)]
    assert taken == [["a"], ["b"], ["c"]]


async def test_with_nothing_there_it_waits_for_so_long(queue: JobQueue) -> None:
    loop = asyncio.get_running_loop()
    began_s = loop.time()
    assert await queue.take(ANY, wait_s=0.5) == ()
    assert 0.4 <= loop.time() - began_s < 5.0


async def test_who_waits_is_told_of_what_comes(stage: Stage) -> None:
    """Of what is published here, and of what another process publishes."""
    loop = asyncio.get_running_loop()
    async with stage.another() as other:
        for publisher in (stage.queue, other):
            taking = asyncio.create_task(stage.queue.take(ANY, wait_s=60.0))
            await asyncio.sleep(0.2)  # until it waits; sooner does no harm
            published_s = loop.time()
            await publish(publisher, "a")
            async with asyncio.timeout(WAIT_S):
                (taken,) = await taking
            assert loop.time() - published_s < 5.0
            await stage.queue.settle(taken)


async def test_who_take_at_once_take_different_messages(stage: Stage) -> None:
    names = {f"m{n}" for n in range(30)}
    async with stage.another() as other:
        await asyncio.gather(*(stage.queue.publish(message(name)) for name in names))
        taken: list[str | None] = []

        async def work(queue: JobQueue) -> None:
            while len(taken) < len(names):
                found = await queue.take({NORMAL: 3}, wait_s=0.2)
                taken.extend(ids(found))
                for delivery in found:
                    await queue.settle(delivery)

        async with asyncio.timeout(3 * WAIT_S):
            await asyncio.gather(*(work(one) for one in (stage.queue, stage.queue, other, other)))
    assert Counter(taken) == Counter(dict.fromkeys(names, 1))


async def test_many_messages_each_come_once_while_nobody_dies(stage: Stage) -> None:
    names = [f"m{n}" for n in range(500)]
    seen: Counter[str | None] = Counter()

    async def settle(queue: JobQueue, delivery: Delivery) -> None:
        # Of what a server handed out twice, one is settled first, and the other one is void then.
        with nullcontext() if stage.is_once else suppress(QueueUnavailable):
            await queue.settle(delivery)

    async with stage.another() as other:

        async def publish_all() -> None:
            for at in range(0, len(names), 50):
                batch = names[at : at + 50]
                priorities = list(Priority) * 17
                await asyncio.gather(
                    *(
                        stage.queue.publish(message(name, priority))
                        for name, priority in zip(batch, priorities, strict=False)
                    )
                )

        async def work(queue: JobQueue) -> None:
            while len(seen) < len(names):
                found = await queue.take({HIGH: 8, NORMAL: 3, LOW: 1}, wait_s=0.3)
                seen.update(ids(found))
                await asyncio.gather(*(settle(queue, one) for one in found))

        async with asyncio.timeout(6 * WAIT_S):
            await asyncio.gather(publish_all(), work(stage.queue), work(other))
        # What a server handed out twice may still lie with either of them.
        async with asyncio.timeout(6 * WAIT_S):
            while set((await stage.queue.depths()).values()) != {0}:
                for queue in (stage.queue, other):
                    left = await queue.take(ANY, wait_s=0.3)
                    await asyncio.gather(*(settle(queue, one) for one in left))
                    seen.update(ids(left))
    assert set(seen) == set(names)
    assert not stage.is_once or seen == Counter(names)


@pytest.mark.parametrize("cancelled_after_s", [0.0, 0.001, 0.005, 0.02, 0.1])
async def test_a_take_that_is_cancelled_loses_nothing(
    stage: Stage, cancelled_after_s: float
) -> None:
    names = {f"m{n}" for n in range(10)}
    async with stage.another() as other:
        taking = asyncio.create_task(stage.queue.take({NORMAL: 10}, wait_s=60.0))
        publishing = asyncio.gather(*(other.publish(message(name)) for name in names))
        await asyncio.sleep(cancelled_after_s)
        taking.cancel()
        await publishing
        kept: list[str | None] = []
        with suppress(asyncio.CancelledError):
            kept += ids(await taking)
        async with asyncio.timeout(WAIT_S + stage.redelivered_s):
            while len(set(kept)) < len(names):
                kept += ids(await other.take({NORMAL: 10}, wait_s=0.5))
    assert set(kept) == names


async def test_the_largest_body_is_carried_and_a_larger_one_refused(queue: JobQueue) -> None:
    await queue.publish(message("a", body=b"[" + b" " * (MAX_MESSAGE_BYTES - 2) + b"]"))
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    assert len(taken.body) == MAX_MESSAGE_BYTES
    assert not taken.is_cut

    with pytest.raises(ControlPlaneError, match=str(MAX_MESSAGE_BYTES)) as caught:
        await queue.publish(message("b", body=b" " * (MAX_MESSAGE_BYTES + 1)))
    assert caught.value.code is ErrorCode.MESSAGE_TOO_LARGE
    assert "b" not in ids(await queue.take(ANY, wait_s=0.2))


async def test_depths_are_of_what_waits(stage: Stage) -> None:
    await publish(stage.queue, "h", priority=HIGH)
    await publish(stage.queue, "l0", "l1", "l2", priority=LOW)
    if stage.is_exact:
        assert await stage.queue.depths() == {HIGH: 1, NORMAL: 0, LOW: 3}
    await until_depths(stage.queue, {HIGH: 1, NORMAL: 0, LOW: 3})

    taken = await stage.queue.take({LOW: 1}, wait_s=WAIT_S)
    await until_depths(stage.queue, {HIGH: 1, NORMAL: 0, LOW: 2})
    # One for a later time waits too.
    await stage.queue.settle(taken[0], retry_in_s=60.0)
    await until_depths(stage.queue, {HIGH: 1, NORMAL: 0, LOW: 3})
