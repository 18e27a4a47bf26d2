"""The channels of one connection to RabbitMQ: one that publishes, and one for each consumer.

They do not mend themselves: they say what is wrong, and the link opens them anew.
"""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import Callable

import aio_pika
from aio_pika.abc import AbstractChannel, AbstractConnection
from aiormq.abc import AbstractChannel as UnderlayChannel
from aiormq.abc import DeliveredMessage
from aiormq.exceptions import AMQPError, ChannelInvalidStateError, DeliveryError, PublishError

from control_plane.adapters.queues.rabbitmq_messages import (
    Held,
    order_of,
    priority_of_dead,
    read_delivery,
)
from control_plane.core.detections import Priority
from control_plane.ports import Delivery, Message, QueueUnavailable

# What operations raise when the broker or the connection fails under them.
LOST = (AMQPError, ChannelInvalidStateError, OSError, TimeoutError, RuntimeError)


class Publisher:
    """Publishes and waits for the confirmation."""

    def __init__(self, timeout_s: float) -> None:
        self._timeout_s = timeout_s
        self._channel: AbstractChannel | None = None
        self._in_flight: set[str] = set()

    @property
    def is_open(self) -> bool:
        return self._channel is not None and not self._channel.is_closed

    async def open(self, connection: AbstractConnection, on_trouble: Callable[[], None]) -> None:
        async with asyncio.timeout(self._timeout_s):
            self._channel = await connection.channel(publisher_confirms=True, on_return_raises=True)
        self._channel.close_callbacks.add(lambda *_: on_trouble())

    async def send_order(self, message: Message, exchange: str, routing_key: str) -> None:
        # A message that is returned is told from others by its id. With two of the same id on
        # their way the wrong one would count as confirmed.
        is_first = message.message_id not in self._in_flight
        if not is_first:
            wire = order_of(message, wire_id=uuid.uuid4().hex)
            return await self.send(wire, exchange, routing_key)
        self._in_flight.add(message.message_id)
        try:
            await self.send(order_of(message), exchange, routing_key)
        finally:
            self._in_flight.discard(message.message_id)

    async def send(self, message: aio_pika.Message, exchange: str, routing_key: str) -> None:
        """Raises QueueUnavailable, and what is in LOST."""
        channel = self._channel
        if channel is None or channel.is_closed:
            raise QueueUnavailable("the channel to publish on is closed")
        target = await channel.get_exchange(exchange, ensure=False)
        try:
            async with asyncio.timeout(self._timeout_s):
                await target.publish(message, routing_key, mandatory=True)
        except PublishError as error:
            raise QueueUnavailable(
                f"RabbitMQ has no queue for exchange {exchange!r} and routing key {routing_key!r}"
            ) from error
        except DeliveryError as error:
            raise QueueUnavailable("RabbitMQ did not take the message") from error


def is_loss(error: Exception) -> bool:
    """Whether the broker or the connection failed; aiormq also ends who waits with no more than a
    bare Exception."""
    return type(error) is Exception or isinstance(error, (*LOST, QueueUnavailable))


def is_cancelled() -> bool:
    """Whether a CancelledError is meant for this task.

    A connection that ends may cancel what waits for it; that is nobody's wish.
    """
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


class Consumer:
    """What one queue delivers, at most ``prefetch`` messages that are not settled.

    priority: of its messages; None for the queue of dead letters.
    """

    def __init__(
        self,
        queue: str,
        priority: Priority | None,
        *,
        prefetch: int,
        timeout_s: float,
        on_delivery: Callable[[Delivery], None],
    ) -> None:
        self.queue = queue
        self._priority = priority
        self._prefetch = prefetch
        self._timeout_s = timeout_s
        self._on_delivery = on_delivery
        self._channel: AbstractChannel | None = None
        self._underlay: UnderlayChannel | None = None
        self._tag: str | None = None
        self.is_cancelled = False
        self._unsettled = 0
        self._began_s = 0.0
        self._waiting_since_s: float | None = None

    def __repr__(self) -> str:
        state = "consuming" if self.is_consuming else "paused" if self.is_open else "closed"
        return f"<Consumer of {self.queue}, {state}, {self._unsettled} not settled>"

    @property
    def is_open(self) -> bool:
        return self._channel is not None and not self._channel.is_closed

    @property
    def was_closed(self) -> bool:
        """By the broker, not by us."""
        return self._channel is not None and self._channel.is_closed

    @property
    def is_consuming(self) -> bool:
        return self.is_open and self._tag is not None and not self.is_cancelled

    @property
    def has_room(self) -> bool:
        return self._unsettled < self._prefetch

    def stuck_s(self, waiting: int, now_s: float) -> float:
        """For how long messages have waited that it could have had, and nothing has come.

        waiting: how many messages wait now.
        """
        if not waiting or not self.has_room or not self.is_consuming:
            self._waiting_since_s = None
        elif self._waiting_since_s is None:
            self._waiting_since_s = now_s
        return 0.0 if self._waiting_since_s is None else now_s - self._waiting_since_s

    @property
    def began_s(self) -> float:
        """Since when, by the event loop, messages come."""
        return self._began_s

    async def open(self, connection: AbstractConnection, on_trouble: Callable[[], None]) -> None:
        """On a new channel. What came over the old one is void with it."""
        await self.close()
        async with asyncio.timeout(self._timeout_s):
            channel = await connection.channel(publisher_confirms=False)
            self._channel, self._tag, self.is_cancelled = channel, None, False
            self._unsettled = 0
            channel.close_callbacks.add(lambda *_: on_trouble())
            self._underlay = underlay = await channel.get_underlay_channel()

            def cancelled(_: object) -> None:
                if self._channel is channel:
                    self.is_cancelled = True
                    on_trouble()

            underlay.on_consumer_cancel_callbacks.add(cancelled)
            await channel.set_qos(prefetch_count=self._prefetch)
        await self.resume()

    async def resume(self) -> None:
        channel = self._underlay
        if channel is None:
            return
        self._waiting_since_s = None
        async with asyncio.timeout(self._timeout_s):
            # Not by aio-pika's queue: it makes more of a message, and fails at what it cannot.
            answer = await channel.basic_consume(self.queue, self._receive)
        self._tag = answer.consumer_tag
        self._began_s = asyncio.get_running_loop().time()

    async def pause(self) -> None:
        """Nothing more comes; what has come can still be settled."""
        channel, tag = self._underlay, self._tag
        if channel is None or tag is None:
            return
        self._tag = None
        async with asyncio.timeout(self._timeout_s):
            await channel.basic_cancel(tag)

    async def close(self) -> None:
        channel, self._channel, self._tag = self._channel, None, None
        if channel is not None and not channel.is_closed:
            async with asyncio.timeout(self._timeout_s):
                await channel.close()

    async def _receive(self, message: DeliveredMessage) -> None:
        if message.channel is not self._underlay:
            return
        self._unsettled += 1
        self._waiting_since_s = None
        is_dead = self._priority is None
        priority = priority_of_dead(message) if self._priority is None else self._priority
        self._on_delivery(read_delivery(message, priority=priority, is_dead=is_dead, source=self))

    async def acknowledge(self, held: Held, *, is_requeued: bool = False) -> None:
        """Tells the broker. It does not answer: what is lost on the way is delivered again."""
        async with asyncio.timeout(self._timeout_s):
            if is_requeued:
                await held.channel.basic_nack(held.tag, requeue=True)
            else:
                await held.channel.basic_ack(held.tag)
        if held.channel is self._underlay:
            self._unsettled -= 1
