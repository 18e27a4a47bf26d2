"""What only RabbitMQ can do to a queue: broken connections, restarts, cancelled consumers."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import random
import warnings
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import replace
from types import SimpleNamespace

import aio_pika
import aiormq.channel
import pytest
import structlog
from pamqp import encode

from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.loops.depths import DepthsLoop
from control_plane.ports import MAX_MESSAGE_BYTES, Delivery, JobQueue, QueueUnavailable
from control_plane.services.jobs.depths import QueueDepths
from tests.contract.queues.stage import (
    ANY,
    HIGH,
    LOW,
    NORMAL,
    WAIT_S,
    ids,
    message,
    publish,
    until_depths,
)
from tests.servers.proxy import Proxy
from tests.servers.rabbitmq import PASSWORD, RabbitmqServer

# Connections come back within seconds, also on a machine that is busy.
BACK_S = 30.0


@pytest.fixture
def proxy(rabbitmq: RabbitmqServer) -> Iterator[Proxy]:
    with Proxy(rabbitmq.port) as proxy:
        yield proxy


@pytest.fixture
def options(rabbitmq: RabbitmqServer, proxy: Proxy) -> RabbitmqOptions:
    return RabbitmqOptions(
        rabbitmq.url(port=proxy.port),
        prefix=rabbitmq.new_prefix(),
        delivery_limit=3,
        longest_retry_s=2.0,
        timeout_s=3.0,
        watch_s=1.0,
    )


@pytest.fixture
async def queue(options: RabbitmqOptions) -> AsyncIterator[RabbitmqQueue]:
    async with RabbitmqQueue(options, random.Random(0)) as queue:
        await until_reached(queue)
        yield queue


@pytest.fixture
async def broker(rabbitmq: RabbitmqServer) -> AsyncIterator[aio_pika.abc.AbstractChannel]:
    """For what other services and operators do there."""
    connection = await aio_pika.connect(rabbitmq.url())
    async with connection:
        yield await connection.channel(on_return_raises=True)


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(BACK_S):
        while not is_true():  # noqa: ASYNC110 -- a broker tells nobody
            await asyncio.sleep(0.02)


async def until_reached(queue: JobQueue) -> None:
    """Everything is there that messages need."""
    async with asyncio.timeout(BACK_S):
        while True:
            with contextlib.suppress(QueueUnavailable):
                await queue.depths()
                return
            await asyncio.sleep(0.1)


async def until_consumed(broker: aio_pika.abc.AbstractChannel, name: str) -> None:
    async def consumers() -> int:
        found = await broker.declare_queue(name, passive=True)
        return found.declaration_result.consumer_count or 0

    async with asyncio.timeout(BACK_S):
        while not await consumers():  # noqa: ASYNC110 -- a broker tells nobody
            await asyncio.sleep(0.02)


async def taken_from(queue: JobQueue, *, wait_s: float = BACK_S) -> tuple[Delivery, ...]:
    """Whatever comes, also where the queue is away at first."""
    loop = asyncio.get_running_loop()
    until_s = loop.time() + wait_s
    while loop.time() < until_s:
        try:
            if found := await queue.take(ANY, wait_s=0.5):
                return found
        except QueueUnavailable:
            await asyncio.sleep(0.1)
    return ()


async def published_to(queue: JobQueue, name: str) -> None:
    async with asyncio.timeout(BACK_S):
        while True:
            try:
                return await queue.publish(message(name))
            except QueueUnavailable:
                await asyncio.sleep(0.1)


@pytest.mark.parametrize("is_killed", [False, True])
async def test_a_broker_that_comes_back_has_everything(
    rabbitmq: RabbitmqServer, queue: RabbitmqQueue, is_killed: bool
) -> None:
    await publish(queue, "waits", "held", "later")
    held = {one.message_id: one for one in [*await queue.take({NORMAL: 3}, wait_s=WAIT_S)]}
    assert set(held) == {"waits", "held", "later"}
    await queue.settle(held["later"], retry_in_s=1.0)

    await asyncio.to_thread(rabbitmq.kill if is_killed else rabbitmq.stop)
    try:
        with pytest.raises(QueueUnavailable) as publishing:
            await queue.publish(message("refused"))
        with pytest.raises(QueueUnavailable) as taking:
            await queue.take(ANY, wait_s=0.2)
        # What was in hand belongs to the broker again.
        with pytest.raises(QueueUnavailable):
            await queue.settle(held["held"])
        for caught in (publishing, taking):
            assert PASSWORD not in str(caught.value) + repr(queue)
    finally:
        await asyncio.to_thread(rabbitmq.start)

    # One that was killed may not have written that the original of "later" was acknowledged.
    again: list[str | None] = []
    while len(set(again)) < 3:
        found = await taken_from(queue)
        assert found
        again += ids(found)
        await asyncio.gather(*map(queue.settle, found))
    assert set(again) == {"held", "later", "waits"}
    assert len(again) == 3 or (is_killed and sorted(map(str, again)).count("later") == 2)
    await published_to(queue, "after")
    last: list[str | None] = []
    while "after" not in last:
        found = await taken_from(queue)
        assert found
        last += ids(found)
    assert set(last) <= ({"after", "later"} if is_killed else {"after"})


async def test_who_publishes_waits_for_the_broker_to_come_back(
    queue: RabbitmqQueue, proxy: Proxy
) -> None:
    await publish(queue, "before")
    proxy.refuse()
    proxy.cut()
    await until(lambda: "down" in repr(queue))
    publishing = asyncio.create_task(queue.publish(message("meanwhile")))
    await asyncio.sleep(0.3)
    assert not publishing.done()
    proxy.accept()
    await publishing
    assert queue.connections == 2


async def test_a_confirmation_that_is_lost_is_no_confirmation(
    queue: RabbitmqQueue, proxy: Proxy
) -> None:
    """The message is there nevertheless, and published again it is there twice."""
    await publish(queue, "first")
    proxy.cut_after(to_client_bytes=1)
    with pytest.raises(QueueUnavailable):
        await queue.publish(message("second"))
    await published_to(queue, "second")

    seen: list[str | None] = []
    while found := await taken_from(queue, wait_s=2.0 if len(seen) > 1 else BACK_S):
        seen += ids(found)
        await asyncio.gather(*map(queue.settle, found))
    assert sorted(map(str, seen)) == ["first", "second", "second"]


async def test_an_acknowledgement_that_is_lost_brings_the_message_again(
    queue: RabbitmqQueue, proxy: Proxy
) -> None:
    await publish(queue, "a")
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    proxy.cut_after(to_server_bytes=1)
    # It is sent, and nobody answers: whether it arrives is not known.
    await asyncio.gather(queue.settle(taken), return_exceptions=True)

    (again,) = await taken_from(queue)
    assert (again.message_id, again.deliveries) == ("a", 2)
    # With the tag of the old channel, which the new one has given out again.
    await asyncio.gather(queue.settle(taken), return_exceptions=True)
    await queue.settle(again)
    assert await queue.take(ANY, wait_s=0.5) == ()


async def test_a_delivery_of_an_old_connection_settles_nothing_on_the_new_one(
    queue: RabbitmqQueue, proxy: Proxy, options: RabbitmqOptions
) -> None:
    await publish(queue, "a")
    (stale,) = await queue.take(ANY, wait_s=WAIT_S)
    proxy.cut()
    (fresh,) = await taken_from(queue)
    for retry_in_s in (None, 0.0):
        with pytest.raises(QueueUnavailable, match="delivered again"):
            await queue.settle(replace_receipt(stale), retry_in_s=retry_in_s)
    await queue.abandon()

    async with RabbitmqQueue(options, random.Random(0)) as other:
        (still_there,) = await other.take(ANY, wait_s=WAIT_S)
        assert still_there.message_id == fresh.message_id
        assert await other.take(ANY, wait_s=0.3) == ()


def replace_receipt(delivery: Delivery) -> Delivery:
    """As if it had not been settled yet."""
    receipt = delivery.receipt
    return replace(delivery, receipt=replace(receipt, is_settled=False))  # type: ignore[type-var]


async def test_a_connection_that_goes_silent_is_given_up(
    queue: RabbitmqQueue, proxy: Proxy
) -> None:
    await publish(queue, "a")
    assert await queue.take(ANY, wait_s=WAIT_S)
    proxy.stall()
    with pytest.raises(QueueUnavailable, match="did not answer within 3 s"):
        await queue.publish(message("b"))
    await until(lambda: "down" in repr(queue))
    proxy.cut()
    proxy.flow()
    await published_to(queue, "c")


async def test_a_queue_that_was_deleted_is_made_again(
    queue: RabbitmqQueue, options: RabbitmqOptions, broker: aio_pika.abc.AbstractChannel
) -> None:
    assert await queue.take(ANY, wait_s=0.5) == ()
    await until_consumed(broker, f"{options.prefix}.normal")
    await broker.queue_delete(f"{options.prefix}.normal")

    # On the connection there was, or on a new one: by who noticed first, consumer or watchdog.
    # Nothing is published before: where that has the queue made anew while the broker is still
    # deleting it, the broker goes on sending to a consumer that it has forgotten.
    await until(lambda: queue.reopened > 0 or queue.connections > 1)
    await published_to(queue, "a")
    assert ids(await taken_from(queue)) == ["a"]


async def test_a_message_for_no_queue_is_not_published(
    queue: RabbitmqQueue, options: RabbitmqOptions, broker: aio_pika.abc.AbstractChannel
) -> None:
    await publish(queue, "first")
    normal = await broker.get_queue(f"{options.prefix}.normal")
    await normal.unbind(options.prefix, "normal")
    # Two of the same id at once: neither is taken for the other.
    answers = await asyncio.gather(
        *(queue.publish(message("lost")) for _ in range(2)), return_exceptions=True
    )
    assert [type(answer) for answer in answers] == [QueueUnavailable] * 2
    assert "has no queue" in str(answers[0])
    # The queue sees to that itself.
    await published_to(queue, "found")
    await until_depths(queue, {HIGH: 0, NORMAL: 2, LOW: 0})


async def test_a_consumer_that_gets_nothing_is_opened_anew(
    queue: RabbitmqQueue, options: RabbitmqOptions, broker: aio_pika.abc.AbstractChannel
) -> None:
    assert await queue.take(ANY, wait_s=0.5) == ()
    # As a consumer that was forgotten: it is taken off without a word.
    consumer = next(one for one in queue._link._consumers if one.queue.endswith(".normal"))
    tag = consumer._tag
    await consumer.pause()
    consumer._tag = tag
    await publish(queue, "a")

    assert ids(await taken_from(queue)) == ["a"]
    assert queue.reopened == 1
    assert queue.connections == 1


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({"message_id": "theirs"}, ("theirs", False, b"{}")),
        ({}, (None, False, b"{}")),
        (
            {"headers": {"tidegate-deliveries": "many", "tidegate-message-id": 7}},
            (None, False, b"{}"),
        ),
        ({"headers": {"x-delivery-count": -3, "tidegate-dead": "yes"}}, (None, False, b"{}")),
        ({"body": b"\xff" * (MAX_MESSAGE_BYTES + 1)}, (None, True, b"\xff" * MAX_MESSAGE_BYTES)),
        ({"body": b""}, (None, False, b"")),
    ],
)
async def test_messages_of_others_are_taken_whatever_they_are(
    queue: RabbitmqQueue,
    options: RabbitmqOptions,
    broker: aio_pika.abc.AbstractChannel,
    monkeypatch: pytest.MonkeyPatch,
    sent: dict[str, object],
    expected: tuple[str | None, bool, bytes],
) -> None:
    assert await queue.take(ANY, wait_s=0.5) == ()
    # aiormq gives each message an id; other clients do not.
    monkeypatch.setattr(aiormq.channel, "UUID", lambda **_: SimpleNamespace(hex=None))
    foreign = aio_pika.Message(**{"body": b"{}", **sent})  # type: ignore[arg-type]
    exchange = await broker.get_exchange(options.prefix, ensure=False)
    await exchange.publish(foreign, "low")

    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    named, is_cut, body = expected
    # One without an id is given one.
    assert taken.message_id == named if named is not None else taken.message_id
    assert (taken.priority, taken.is_cut, taken.body) == (LOW, is_cut, body)
    assert (taken.deliveries, taken.is_dead) == (1, False)
    # A retry is the same message, and not a new one.
    await queue.settle(taken, retry_in_s=0.0)
    (again,) = await queue.take(ANY, wait_s=WAIT_S)
    assert again == replace(taken, deliveries=2)


async def test_a_message_whose_properties_are_no_text_harms_nobody(
    queue: RabbitmqQueue,
    options: RabbitmqOptions,
    broker: aio_pika.abc.AbstractChannel,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert await queue.take(ANY, wait_s=0.5) == ()
    encoded = encode.METHODS["shortstr"]

    def encode_badly(value: str) -> bytes:
        return b"\x02\xff\xfe" if value == "no text" else encoded(value)

    monkeypatch.setitem(encode.METHODS, "shortstr", encode_badly)
    exchange = await broker.get_exchange(options.prefix)
    await exchange.publish(aio_pika.Message(b"{}", message_id="no text"), "high")

    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    assert (taken.priority, taken.body) == (HIGH, b"{}")
    # It is given an id, by which its retries are known as that, and not as other jobs.
    assert taken.message_id not in (None, "no text")
    await queue.settle(taken, retry_in_s=0.0)
    (again,) = await queue.take(ANY, wait_s=WAIT_S)
    assert again == replace(taken, deliveries=2)
    await queue.settle(again)
    assert (queue.connections, queue.reopened) == (1, 0)


async def test_retries_come_after_the_next_delay_that_there_is(queue: RabbitmqQueue) -> None:
    loop = asyncio.get_running_loop()
    for name, retry_in_s in (("short", 0.3), ("exact", 1.0), ("between", 1.5), ("cut", 500.0)):
        await publish(queue, name)
        (taken,) = await queue.take(ANY, wait_s=WAIT_S)
        await queue.settle(taken, retry_in_s=retry_in_s)
    began_s = loop.time()
    came_s: dict[str | None, float] = {}
    while len(came_s) < 4:
        for delivery in await queue.take(ANY, wait_s=WAIT_S):
            came_s[delivery.message_id] = loop.time() - began_s
            await queue.settle(delivery)
    for name, wanted_s in (("short", 1.0), ("exact", 1.0), ("between", 2.0), ("cut", 2.0)):
        assert wanted_s - 0.4 <= came_s[name] < wanted_s + 1.0


async def test_what_was_fetched_and_not_taken_is_given_back_uncounted(
    queue: RabbitmqQueue, options: RabbitmqOptions
) -> None:
    await publish(queue, *"abcd", priority=HIGH)
    for _ in range(options.delivery_limit + 1):
        async with RabbitmqQueue(options, random.Random(0)) as other:
            taken = await other.take({HIGH: 1}, wait_s=WAIT_S)
            assert [one.deliveries for one in taken] == [1]
            await other.settle(taken[0])
            await publish(other, str(taken[0].message_id), priority=HIGH)
    depths = await queue.depths()
    assert depths[HIGH] == 4


async def test_queues_that_are_there_with_other_arguments_are_used_as_they_are(
    options: RabbitmqOptions, broker: aio_pika.abc.AbstractChannel
) -> None:
    """A setting that was changed stops nothing: each such queue is told of, once."""
    prefix = options.prefix
    for name in (f"{prefix}.dead", f"{prefix}.normal", f"{prefix}.normal.1s"):
        # Made by somebody else, with none of the arguments.
        await broker.declare_queue(name, durable=True)
    async with RabbitmqQueue(replace(options, delivery_limit=7), random.Random(0)) as first:
        await publish(first, "urgent", priority=HIGH)

    with structlog.testing.capture_logs() as logs:
        async with RabbitmqQueue(options, random.Random(0)) as queue:
            await publish(queue, "a")
            await until_depths(queue, {HIGH: 1, NORMAL: 1, LOW: 0})
            taken = {one.message_id: one for one in await taken_from(queue)}
            while len(taken) < 2:
                taken |= {one.message_id: one for one in await taken_from(queue)}
            await queue.settle(taken["urgent"])
            await queue.settle(taken["a"])
            # Declared anew, and not told of again.
            await broker.queue_delete(f"{prefix}.low")
            await until(lambda: queue.reopened > 0)
            assert queue.connections == 1
    told = [one for one in logs if one["event"] == "a queue differs from its settings"]
    assert sorted(one["queue"] for one in told) == sorted(
        f"{prefix}.{name}" for name in ("dead", "high", "normal", "normal.1s", "low")
    )
    words = {one["queue"]: one["reason"] for one in told}
    assert "x-delivery-limit" in words[f"{prefix}.high"]
    assert "'2' but current is '6'" in words[f"{prefix}.high"]
    assert all(one["log_level"] == "warning" and "delete it" in one["remedy"] for one in told)


async def test_the_password_is_never_told(rabbitmq: RabbitmqServer) -> None:
    wrong = f"amqp://tidegate:hunter2%2F@127.0.0.1:{rabbitmq.port}/"
    nowhere = "amqp://tidegate:hunter2%2F@127.0.0.1:1/"
    for url in (wrong, nowhere):
        options = RabbitmqOptions(url, timeout_s=3.0)
        async with RabbitmqQueue(options, random.Random(0)) as queue:
            with pytest.raises(QueueUnavailable) as caught:
                await queue.publish(message("a"))
            text = f"{caught.value} {caught.value!r} {queue!r} {options!r}"
            assert "hunter2" not in text
            assert "refused" in str(caught.value) or "Connect call failed" in str(caught.value)


async def test_a_password_that_is_refused_is_told_by_the_log_alone(
    rabbitmq: RabbitmqServer,
) -> None:
    options = RabbitmqOptions(rabbitmq.url().replace(PASSWORD, "wrong"), timeout_s=3.0)
    with warnings.catch_warnings(record=True) as warned, structlog.testing.capture_logs() as logs:
        warnings.simplefilter("always")
        async with RabbitmqQueue(options, random.Random(0)) as queue:
            with pytest.raises(QueueUnavailable, match="ACCESS_REFUSED"):
                await queue.publish(message("waits"))
            # Wherever what is left of the refused connections is swept up: here, in a thread.
            await asyncio.to_thread(gc.collect)
    assert [str(one.message) for one in warned] == []
    assert {one["event"] for one in logs} == {"the queue is not reached"}


async def test_others_can_publish_soon_after_the_start_of_who_takes_nothing(
    rabbitmq: RabbitmqServer, broker: aio_pika.abc.AbstractChannel
) -> None:
    """A control plane that leaves the work to workers only asks what waits."""
    options = RabbitmqOptions(rabbitmq.url(), prefix=rabbitmq.new_prefix())
    async with RabbitmqQueue(options, random.Random(0)) as queue:
        asking = asyncio.create_task(DepthsLoop(QueueDepths(queue), rng=random.Random(0)).run())
        try:
            await until(lambda: queue._link.is_ready)
            for one in (HIGH, NORMAL, LOW):
                await broker.declare_queue(f"{options.prefix}.{one.value}", passive=True)
            # Returned, and so an error, where no queue is bound under the key.
            exchange = await broker.get_exchange(options.prefix)
            await exchange.publish(aio_pika.Message(b"{}"), "high", mandatory=True)
            async with asyncio.timeout(BACK_S):
                while (await queue.depths())[HIGH] != 1:  # noqa: ASYNC110 -- counted late
                    await asyncio.sleep(0.05)
        finally:
            asking.cancel()
            await asyncio.gather(asking, return_exceptions=True)
