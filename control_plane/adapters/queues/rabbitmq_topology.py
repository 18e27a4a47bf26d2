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
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Iterator
from dataclasses import dataclass

from aio_pika.abc import AbstractChannel, ExchangeType

from control_plane.core.detections import Priority

QUORUM = {"x-queue-type": "quorum"}
# The only way to have dead letters confirmed; a quorum queue of unlimited length never rejects.
SURELY = {"x-dead-letter-strategy": "at-least-once", "x-overflow": "reject-publish"}


@dataclass(frozen=True, slots=True)
class Topology:
    """Names, by prefix, and the arguments of what is declared.

    delivery_limit: after so many deliveries, none of them settled, a message is dead; 2 or more.
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

    async def declare(self, channel: AbstractChannel, *, timeout_s: float) -> None:
        """Makes what is missing. What is there with other arguments is an error of the channel.

        timeout_s: for each single one.
        """
        for exchange, kind in (
            (self.orders, ExchangeType.DIRECT),
            (self.retries, ExchangeType.DIRECT),
            (self.dead, ExchangeType.FANOUT),
        ):
            async with asyncio.timeout(timeout_s):
                await channel.declare_exchange(exchange, kind, durable=True)
        # Queues of dead letters first: nothing may die before there is a place for it.
        await self._declare(channel, self.dead, {}, (self.dead, ""), timeout_s)
        for priority in Priority:
            arguments: dict[str, str | int] = {
                **SURELY,
                "x-dead-letter-exchange": self.dead,
                # The broker counts what comes after the first.
                "x-delivery-limit": self.delivery_limit - 1,
            }
            name, source = self.queue(priority), (self.orders, priority.value)
            await self._declare(channel, name, arguments, source, timeout_s)
            for delay_s in self.delays_s:
                arguments = {
                    **SURELY,
                    "x-dead-letter-exchange": self.orders,
                    "x-dead-letter-routing-key": priority.value,
                    "x-message-ttl": delay_s * 1000,
                }
                name = self.delay_queue(priority, delay_s)
                await self._declare(
                    channel, name, arguments, (self.retries, f"{priority}.{delay_s}"), timeout_s
                )

    async def _declare(
        self,
        channel: AbstractChannel,
        name: str,
        arguments: dict[str, str | int],
        source: tuple[str, str],
        timeout_s: float,
    ) -> None:
        async with asyncio.timeout(timeout_s):
            queue = await channel.declare_queue(
                name, durable=True, arguments={**QUORUM, **arguments}
            )
            await queue.bind(source[0], routing_key=source[1])
