"""The least that a queue in Python can be: aio-pika alone publishes and consumes.

As much is promised of each message as Tidegate promises: the queue is a durable quorum queue, a
message counts once the broker has confirmed it, and it is acknowledged one by one.
"""

from __future__ import annotations

import asyncio
import json
import time
import uuid

import aio_pika

PUBLISHERS = 8
PREFETCH = 16


async def publish_and_consume(url: str, messages: int) -> tuple[tuple[float, float], ...]:
    """Seconds on the clock and of the processor: of publishing, and of consuming."""
    async with await aio_pika.connect(url) as connection:
        channel = await connection.channel(publisher_confirms=True)
        await channel.set_qos(PREFETCH)
        name = f"bare-{uuid.uuid4().hex}"
        queue = await channel.declare_queue(
            name, durable=True, arguments={"x-queue-type": "quorum"}
        )
        begun = _now()
        await _publish(channel, name, messages)
        published = _now()
        await _consume(queue, messages)
        consumed = _now()
        await queue.delete(if_unused=False, if_empty=False)
    return _between(begun, published), _between(published, consumed)


async def _publish(channel: aio_pika.abc.AbstractChannel, name: str, messages: int) -> None:
    numbers = iter(range(messages))

    async def publisher() -> None:
        for number in numbers:
            body = json.dumps({"job_id": str(uuid.UUID(int=number))}).encode()
            message = aio_pika.Message(body, delivery_mode=aio_pika.DeliveryMode.PERSISTENT)
            await channel.default_exchange.publish(message, name, mandatory=True)

    async with asyncio.TaskGroup() as group:
        for _ in range(PUBLISHERS):
            group.create_task(publisher())


async def _consume(queue: aio_pika.abc.AbstractQueue, messages: int) -> None:
    left, is_over = messages, asyncio.Event()

    async def consume(message: aio_pika.abc.AbstractIncomingMessage) -> None:
        nonlocal left
        json.loads(message.body)
        await message.ack()
        left -= 1
        if not left:
            is_over.set()

    tag = await queue.consume(consume)
    await is_over.wait()
    await queue.cancel(tag)


def _now() -> tuple[float, float]:
    return time.monotonic(), time.process_time()


def _between(begun: tuple[float, float], ended: tuple[float, float]) -> tuple[float, float]:
    return ended[0] - begun[0], ended[1] - begun[1]


def bare(url: str, messages: int) -> tuple[tuple[float, float], ...]:
    """In a process of its own."""
    return asyncio.run(publish_and_consume(url, messages))
