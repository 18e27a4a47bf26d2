"""RabbitMQ as the queue: at least once, through restarts of the broker and of this process.

What it is made of is in :mod:`.rabbitmq_topology`; how the connection is kept in
:mod:`.rabbitmq_link`. A message counts as published once the broker has confirmed that a majority
of its nodes keep it. A retry is a confirmed copy in a queue with a time to live, and only then is
the original acknowledged: whatever fails in between, the message is there once or twice.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import math
from collections.abc import Coroutine, Mapping
from types import TracebackType
from typing import Any, Self, TypeVar

import structlog

from control_plane.adapters.queues.buffer import Buffer
from control_plane.adapters.queues.rabbitmq_channels import is_cancelled, is_loss
from control_plane.adapters.queues.rabbitmq_link import CONNECTION_LOST, Link, RabbitmqOptions
from control_plane.adapters.queues.rabbitmq_messages import Held, copy_of
from control_plane.adapters.queues.rabbitmq_reading import read_leniently
from control_plane.core.backoff import Rng
from control_plane.core.detections import Priority
from control_plane.ports import Delivery, Message, QueueUnavailable

log = structlog.get_logger(__name__)

T = TypeVar("T")

# How long it takes until the first messages have come to consumers that are new.
FILL_S = 0.1


class RabbitmqQueue:
    """JobQueue. Connects when it is first used; messages are fetched from the first ``take`` on.

    ``aclose`` gives back what was taken and not settled, and what was fetched ahead.
    """

    def __init__(self, options: RabbitmqOptions, rng: Rng) -> None:
        read_leniently()
        self._options = options
        self._buffer = Buffer()
        self._link = Link(
            options, rng=rng, on_delivery=self._buffer.add, on_change=self._buffer.wake
        )
        self._running: asyncio.Task[None] | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._takers = 0
        self._took_at_s = 0.0
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<RabbitmqQueue {self._link!r}, {self._buffer!r}>"

    @property
    def reopened(self) -> int:
        """How many channels the watchdog opened anew."""
        return self._link.reopened

    @property
    def connections(self) -> int:
        """How many connections there have been."""
        return self._link.connections

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def publish(self, message: Message) -> None:
        await self._until_up()
        exchange, key = self._link.topology.route(message.priority, 0)
        await self._asking(self._link.publisher.send_order(message, exchange, key))

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        if not any(wanted.values()):
            return ()
        self._start()
        self._takers += 1
        self._link.consume()
        try:
            return await self._take(wanted, asyncio.get_running_loop().time() + wait_s)
        finally:
            self._takers -= 1
            self._took_at_s = asyncio.get_running_loop().time()

    async def _take(self, wanted: Mapping[Priority, int], until_s: float) -> tuple[Delivery, ...]:
        loop = asyncio.get_running_loop()
        while True:
            # What came over a channel that is closed now is delivered again.
            self._buffer.remove(_is_void)
            is_late = loop.time() >= until_s
            full_s = self._full_at_s()
            if loop.time() >= full_s or is_late:
                if picked := self._buffer.pick(wanted):
                    return picked
                if is_late and self._link.has_failed:
                    raise QueueUnavailable(self._link.trouble)
                if is_late:
                    return ()
                full_s = until_s
            await self._buffer.wait(min(full_s, until_s))

    def _full_at_s(self) -> float:
        """From when on what is missing here is missing at the broker too.

        Before, the least urgent could come first, for want of what is on its way.
        """
        since_s = self._link.has_consumers_since_s
        return math.inf if since_s is None else since_s + FILL_S

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        held = delivery.receipt
        if not isinstance(held, Held) or held.is_settled:
            return
        held.is_settled = True
        if retry_in_s is None:
            await self._acknowledge(held)
        else:
            # Cancelled between copy and acknowledgement it would leave the original in hand.
            await self._shielded(self._send_copy(delivery, held, retry_in_s, is_counted=True))

    async def depths(self) -> Mapping[Priority, int]:
        """What this process has fetched and nobody has taken waits too; what others have does not
        show."""
        await self._until_up()
        depths = self._buffer.depths()
        for priority in Priority:
            for queue in self._link.topology.queues_of(priority):
                depths[priority] += await self._asking(self._link.count(queue))
        return depths

    async def aclose(self) -> None:
        self._is_closed = True
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.timeout_s):
                await self._link.pause()
                await self._give_back()
                await asyncio.gather(*self._tasks, return_exceptions=True)
        await self.abandon()

    async def abandon(self) -> None:
        """Leaves everything to the broker at once, which has it delivered again and counts that."""
        self._is_closed = True
        running, self._running = self._running, None
        ending = [*self._tasks, *([] if running is None else [running])]
        for task in ending:
            task.cancel()
        await asyncio.gather(*ending, return_exceptions=True)

    async def _give_back(self) -> None:
        """What was fetched and nobody took: as copies, which the broker counts as new.

        A message that is only handed around would come near its delivery limit otherwise.
        """
        for delivery in self._buffer.remove(lambda _: True):
            held = delivery.receipt
            if isinstance(held, Held) and self._link.is_up and not held.is_void:
                # If it fails the broker has it back with the channel.
                with contextlib.suppress(QueueUnavailable):
                    await self._send_copy(delivery, held, 0, is_counted=False)

    async def _send_copy(
        self, delivery: Delivery, held: Held, retry_in_s: float, *, is_counted: bool
    ) -> None:
        if held.is_void:
            raise QueueUnavailable(_VOID)
        exchange, key = self._link.topology.route(delivery.priority, retry_in_s)
        copy = copy_of(delivery, is_counted=is_counted)
        try:
            await self._asking(self._link.publisher.send(copy, exchange, key))
        except QueueUnavailable:
            with contextlib.suppress(QueueUnavailable):
                await self._acknowledge(held, is_requeued=True)
            raise
        await self._acknowledge(held)

    async def _acknowledge(self, held: Held, *, is_requeued: bool = False) -> None:
        if held.is_void:
            raise QueueUnavailable(_VOID)
        await self._asking(held.source.acknowledge(held, is_requeued=is_requeued))

    async def _asking(self, asked: Coroutine[Any, Any, T]) -> T:
        try:
            return await asked
        except asyncio.CancelledError:
            if is_cancelled():
                raise
            raise QueueUnavailable(CONNECTION_LOST) from None
        except QueueUnavailable:
            self._link.suspect()
            raise
        except Exception as error:
            if not is_loss(error):
                raise
            # Perhaps it was only this once; the watchdog finds out.
            self._link.doubt()
            raise QueueUnavailable(self._link.words(error)) from error

    async def _until_up(self) -> None:
        self._start()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + self._options.timeout_s
        while not self._link.is_ready:
            if loop.time() >= until_s:
                raise QueueUnavailable(self._link.trouble)
            await self._buffer.wait(until_s)

    def _start(self) -> None:
        if self._is_closed:
            raise QueueUnavailable("the queue was closed here")
        if self._running is None:
            # Whoever asks first, its log is not about that request.
            self._running = asyncio.create_task(self._run(), context=contextvars.Context())

    async def _run(self) -> None:
        async with asyncio.TaskGroup() as tasks:
            tasks.create_task(self._link.run())
            tasks.create_task(self._watch_idleness())

    async def _watch_idleness(self) -> None:
        """A worker that takes nothing, for its engines are away, leaves messages to others."""
        while True:
            await asyncio.sleep(self._options.idle_s / 4)
            idle_s = asyncio.get_running_loop().time() - self._took_at_s
            if not self._takers and idle_s > self._options.idle_s:
                try:
                    await self._link.pause()
                    await self._give_back()
                except asyncio.CancelledError:
                    if is_cancelled():
                        raise
                except Exception:
                    # Whatever it was: with this the link would end, until a restart.
                    log.exception("what was fetched ahead was not given back")

    async def _shielded(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        await asyncio.shield(task)


_VOID = "the connection that the message came over is lost; it is delivered again"


def _is_void(delivery: Delivery) -> bool:
    return isinstance(delivery.receipt, Held) and delivery.receipt.is_void
