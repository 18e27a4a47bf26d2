"""Exchanges and queues in RabbitMQ: what they are called, and how they hang together.

::

    {prefix}        direct ──high──▶ {prefix}.high ─┐
                           ──normal▶ {prefix}.normal├─ too many deliveries ─▶ {prefix}.dead
                           ──low───▶ {prefix}.low  ─┘                          (fanout, queue)
       ▲
       └─ after 4 s ─ {prefix}.high.4s, … ◀── high.4 ── {prefix}.retry  direct

All queues are durable quorum queues, and what dies in one moves on at least once: it leaves the
one queue when the other has confirmed it. A delay is the time to live of a queue of its own, so
that a short one is never stuck behind a long one. Delays are the powers of two seconds, up to
the longest one that is asked for; a message waits for the next one that is not shorter, so that
it never comes early. One queue for each delay and priority tells how many messages wait.

A queue keeps the arguments that it was made with, and to declare it with others is an error. Such
a queue is used as it is: a setting that was changed must not stop everything.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, AbstractConnection, AbstractQueue, ExchangeType
from aiormq.exceptions import ChannelPreconditionFailed

from control_plane.core.detections import Priority

QUORUM = {"x-queue-type": "quorum"}
# The only way to have dead letters confirmed; a quorum queue of unlimited length never rejects.
SURELY = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


@dataclass(frozen=True, slots=True)
class Topology:
    """Names, by prefix, and the arguments of what is declared.

    delivery_limit: after so many deliveries, none of them settled, a message is dead; 2 or more.
    It holds for queues that are made here.
    """

    prefix: str
    delivery_limit: int
    longest_delay_s: float

    @property
    def orders(self) -> str:
        """The exchange of messages that are to be delivered now, by priority."""
        return self.prefix

    @property
    def retries(self) -> str:
        """The exchange of messages that are to be delivered later."""
        return f"{self.prefix}.retry"

    @property
    def dead(self) -> str:
        """Exchange and queue of what was delivered too often."""
        return f"{self.prefix}.dead"

    @property
    def delays_s(self) -> tuple[int, ...]:
        longest_s = max(1, math.ceil(self.longest_delay_s))
        powers = range((longest_s - 1).bit_length())
        return (*(2**power for power in powers), longest_s)

    def queue(self, priority: Priority) -> str:
        return f"{self.prefix}.{priority}"

    def delay_queue(self, priority: Priority, delay_s: int) -> str:
        return f"{self.prefix}.{priority}.{delay_s}s"

    def queues_of(self, priority: Priority) -> Iterator[str]:
        """All in which messages of a priority wait."""
        yield self.queue(priority)
        for delay_s in self.delays_s:
            yield self.delay_queue(priority, delay_s)

    def route(self, priority: Priority, retry_in_s: float) -> tuple[str, str]:
        """Exchange and routing key of a message that is to be delivered after so long."""
        if retry_in_s <= 0:
            return self.orders, priority.value
        delays_s = self.delays_s
        delay_s = next((one for one in delays_s if one >= retry_in_s), delays_s[-1])
        return self.retries, f"{priority}.{delay_s}"

    async def declare(
        self,
        connection: AbstractConnection,
        *,
        timeout_s: float,
        on_judged: Callable[[str, str | None], None],
    ) -> None:
        """Makes what is missing, on channels of its own.

        timeout_s: for each single one. on_judged: told of each queue in what it is not as it would
        be made, in the broker's words; None where it is.
        """
        declaring = _Declaring(connection, timeout_s)
        try:
            for exchange, kind in (
                (self.orders, ExchangeType.DIRECT),
                (self.retries, ExchangeType.DIRECT),
                (self.dead, ExchangeType.FANOUT),
            ):
                await declaring.exchange(exchange, kind)
            for name, arguments, source in self._queues():
                on_judged(name, await declaring.queue(name, arguments, source))
        finally:
            await declaring.close()

    def _queues(self) -> Iterator[tuple[str, dict[str, str | int], tuple[str, str]]]:
        """Name, arguments, and the exchange and routing key that it is bound to."""
        # Queues of dead letters first: nothing may die before there is a place for it.
        yield self.dead, {}, (self.dead, "")
        for priority in Priority:
            arguments: dict[str, str | int] = {
                **SURELY,
                "x-dead-letter-exchange": self.dead,
                # The broker counts what comes after the first.
                "x-delivery-limit": self.delivery_limit - 1,
            }
            yield self.queue(priority), arguments, (self.orders, priority.value)
            for delay_s in self.delays_s:
                arguments = {
                    **SURELY,
                    "x-dead-letter-exchange": self.orders,
                    "x-dead-letter-routing-key": priority.value,
                    "x-message-ttl": delay_s * 1000,
                }
                source = (self.retries, f"{priority}.{delay_s}")
                yield self.delay_queue(priority, delay_s), arguments, source


class _Declaring:
    """Declares on one channel, and on the next where the broker has closed it for an answer."""

    def __init__(self, connection: AbstractConnection, timeout_s: float) -> None:
        self._connection = connection
        self._timeout_s = timeout_s
        self._channel: AbstractChannel | None = None

    async def _open(self) -> AbstractChannel:
        if self._channel is None or self._channel.is_closed:
            async with asyncio.timeout(self._timeout_s):
                self._channel = await self._connection.channel(publisher_confirms=False)
        return self._channel

    async def exchange(self, name: str, kind: ExchangeType) -> None:
        channel = await self._open()
        async with asyncio.timeout(self._timeout_s):
            await channel.declare_exchange(name, kind, durable=True)

    async def queue(
        self, name: str, arguments: dict[str, str | int], source: tuple[str, str]
    ) -> str | None:
        """In what it differs from that; None where it does not."""
        differs: str | None = None
        try:
            queue = await self._declare(name, arguments)
        except ChannelPreconditionFailed as error:
            differs = str(error)
            queue = await self._declare(name, None)
        async with asyncio.timeout(self._timeout_s):
            await queue.bind(source[0], routing_key=source[1])
        return differs

    async def _declare(self, name: str, arguments: dict[str, str | int] | None) -> AbstractQueue:
        """arguments: None for one that has to be there, whatever it is like."""
        channel = await self._open()
        async with asyncio.timeout(self._timeout_s):
            return await channel.declare_queue(
                name,
                durable=True,
                passive=arguments is None,
                arguments=None if arguments is None else {**QUORUM, **arguments},
            )

    async def close(self) -> None:
        channel, self._channel = self._channel, None
        if channel is not None and not channel.is_closed:
            async with asyncio.timeout(self._timeout_s):
                await channel.close()
