"""The connection to RabbitMQ, and who sees to it that there is one.

aio-pika's own ``connect_robust`` may come back without its consumers (its issues 231 and 379), so
this uses plain connections: when one is lost a new one is made, after a wait that grows, and on
it everything anew: exchanges, queues, channels, consumers. While it lives a watchdog looks every
few seconds for a channel that was closed, a consumer that the broker cancelled, and a consumer
that gets nothing while messages wait; such a channel is opened anew.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable
from dataclasses import dataclass, field
from urllib.parse import unquote, urlsplit

import aio_pika
import structlog
from aio_pika.abc import AbstractChannel, AbstractConnection
from yarl import URL

from control_plane.adapters.queues.rabbitmq_channels import (
    Consumer,
    Publisher,
    is_cancelled,
    is_loss,
)
from control_plane.adapters.queues.rabbitmq_topology import Topology
from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.detections import Priority
from control_plane.core.printable import printable
from control_plane.ports import Delivery, QueueUnavailable

log = structlog.get_logger(__name__)

FIRST_WAIT_S = 0.2
LONGEST_WAIT_S = 10.0
CONNECTION_LOST = "the connection to RabbitMQ is lost"
# A connection that nobody hears from is given up after two of these.
HEARTBEAT_S = 15
LONGEST_WORDS = 300
HOW_TO_MAKE_ANEW = (
    "it is used as it is; to have it as the settings say, let it run empty, stop everything that "
    "uses it, delete it, and start again (docs/jobs.md, Choosing a queue)"
)


@dataclass(frozen=True, slots=True)
class RabbitmqOptions:
    """url: amqp://USER:PASSWORD@HOST/VHOST, or amqps. prefix: of all names of queues.

    prefetch: messages of each priority that this process has at most, in hand or waiting.
    delivery_limit: how often the broker hands out a message that nobody settles; for queues made
    here.
    longest_retry_s: the longest ``retry_in_s``; what is longer is cut to it.
    timeout_s: for each operation. watch_s: how long a consumer may get nothing while messages wait.
    idle_s: what waits here is given back when nothing was taken for so long.
    """

    url: str = field(repr=False)
    prefix: str = "tidegate"
    prefetch: int = 16
    delivery_limit: int = 20
    longest_retry_s: float = 300.0
    timeout_s: float = 5.0
    watch_s: float = 10.0
    idle_s: float = 10.0


class Link:
    """One connection at a time. ``run`` has to run for anything to happen."""

    def __init__(
        self,
        options: RabbitmqOptions,
        *,
        rng: Rng,
        on_delivery: Callable[[Delivery], None],
        on_change: Callable[[], None],
    ) -> None:
        self._options = options
        self._on_change = on_change
        self.topology = Topology(options.prefix, options.delivery_limit, options.longest_retry_s)
        self.publisher = Publisher(options.timeout_s)
        self._consumers = [
            Consumer(
                self.topology.dead if priority is None else self.topology.queue(priority),
                priority,
                prefetch=options.prefetch,
                timeout_s=options.timeout_s,
                on_delivery=on_delivery,
            )
            for priority in (*Priority, None)
        ]
        self._rng = rng
        self._connection: AbstractConnection | None = None
        self._control: AbstractChannel | None = None
        self._doubts = asyncio.Event()
        self._is_consuming = False
        self._is_suspect = False
        self._differing: set[str] = set()
        self.is_up = False
        self.connections = 0
        self.reopened = 0
        self.has_failed = False
        self.trouble = "there is no connection to RabbitMQ yet"

    def __repr__(self) -> str:
        state = "up" if self.is_up else f"down: {self.trouble}"
        return f"<Link of {self._options.prefix!r}, {state}>"

    @property
    def is_ready(self) -> bool:
        """Whether something can be published."""
        return self.is_up and self.publisher.is_open

    @property
    def is_consuming(self) -> bool:
        return self._is_consuming

    @property
    def has_consumers_since_s(self) -> float | None:
        """Since when messages of all priorities come; None while some do not."""
        if not all(consumer.is_consuming for consumer in self._consumers):
            return None
        return max(consumer.began_s for consumer in self._consumers)

    def consume(self) -> None:
        """Messages are to be fetched, until ``pause``."""
        if not self._is_consuming:
            self._is_consuming = True
            self.doubt()

    async def pause(self) -> None:
        """Nothing more is fetched once this returns."""
        self._is_consuming = False
        for consumer in self._consumers:
            with contextlib.suppress(Exception):
                await consumer.pause()
        if self._is_consuming:
            # Somebody began to take meanwhile.
            self.doubt()

    def suspect(self) -> None:
        """Exchanges and queues may not be what they should."""
        self._is_suspect = True
        self.doubt()

    def doubt(self) -> None:
        """Something went wrong, or is to change: the watchdog looks now."""
        self._doubts.set()

    async def run(self) -> None:
        """Until it is cancelled."""
        failures = 0
        while True:
            try:
                connection = await self._connect()
                failures = 0
                await self._watch(connection)
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
                self.trouble = CONNECTION_LOST
            except Exception as error:
                # Whatever it was: without this loop there would be no queue until a restart.
                self.trouble = self.words(error)
                if not is_loss(error):
                    log.exception("the link to the queue failed", reason=self.trouble)
            finally:
                await self._drop()
            failures += 1
            wait_s = backoff_s(failures, first_s=FIRST_WAIT_S, most_s=LONGEST_WAIT_S, rng=self._rng)
            log.warning(
                "the queue is not reached", reason=self.trouble, retry_in_s=round(wait_s, 2)
            )
            await asyncio.sleep(wait_s)

    async def _connect(self) -> AbstractConnection:
        timeout_s = self._options.timeout_s
        url = URL(self._options.url, encoded=True)
        if "heartbeat" not in url.query:
            url = url.update_query(heartbeat=str(HEARTBEAT_S))
        async with asyncio.timeout(timeout_s):
            self._connection = connection = await _connected(url, timeout_s)
        connection.close_callbacks.add(lambda *_: self.doubt())
        await self._open_control(connection)
        await self._open_channels(connection)
        self.is_up, self.has_failed = True, False
        self.connections += 1
        log.info("the queue is reached", prefix=self._options.prefix, connection=self.connections)
        self._on_change()
        return connection

    async def _open_control(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(self._options.timeout_s):
            self._control = await connection.channel(publisher_confirms=False)
        self._control.close_callbacks.add(lambda *_: self.doubt())
        await self._declare(connection)

    async def _declare(self, connection: AbstractConnection) -> None:
        await self.topology.declare(
            connection, timeout_s=self._options.timeout_s, on_judged=self._judge
        )

    def _judge(self, queue: str, differs: str | None) -> None:
        """Says once of each queue that it is not as the settings want it, until it is."""
        if differs is None:
            self._differing.discard(queue)
        elif queue not in self._differing:
            self._differing.add(queue)
            log.warning(
                "a queue differs from its settings",
                queue=queue,
                reason=printable(differs),
                remedy=HOW_TO_MAKE_ANEW,
            )

    async def _watch(self, connection: AbstractConnection) -> None:
        """Until the connection is lost."""
        while True:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(self._options.watch_s / 2):
                    await self._doubts.wait()
            self._doubts.clear()
            # Closed by the far end: asking it for anything would only take long.
            if connection.is_closed or not connection.connected.is_set():
                raise QueueUnavailable(CONNECTION_LOST)
            await self._look_after(connection)

    async def _look_after(self, connection: AbstractConnection) -> None:
        if self._control is None or self._control.is_closed:
            await self._open_control(connection)
        elif self._is_suspect or any(one.is_cancelled or one.was_closed for one in self._consumers):
            # Somebody may have deleted what is there no more.
            await self._declare(connection)
        self._is_suspect = False
        # It also tells whether the broker still answers.
        waiting = {one: await self.count(one.queue) for one in self._consumers}
        await self._open_channels(connection, waiting)
        # Whoever takes may have waited for the consumers.
        self._on_change()

    async def _open_channels(
        self, connection: AbstractConnection, waiting: dict[Consumer, int] | None = None
    ) -> None:
        """Those that are missing, and those that something is wrong with.

        waiting: how many messages wait for each; None for a connection that is new.
        """
        if not self.publisher.is_open:
            if waiting is not None:
                self._count_reopening("publisher", "its channel was closed")
            await self.publisher.open(connection, self.doubt)
        for consumer in self._consumers:
            if not self._is_consuming:
                await consumer.pause()
                continue
            reason = self._trouble_of(consumer, 0 if waiting is None else waiting[consumer])
            if reason is not None and waiting is not None:
                self._count_reopening(consumer.queue, reason)
            if reason is not None or not consumer.is_open:
                await consumer.open(connection, self.doubt)
            elif not consumer.is_consuming:
                await consumer.resume()

    def _trouble_of(self, consumer: Consumer, waiting: int) -> str | None:
        if consumer.was_closed:
            return "its channel was closed"
        if consumer.is_cancelled:
            return "the broker cancelled it"
        stuck_s = consumer.stuck_s(waiting, asyncio.get_running_loop().time())
        if stuck_s > self._options.watch_s:
            return f"it got nothing for {stuck_s:.0f} s while {waiting} messages waited"
        return None

    def _count_reopening(self, what: str, reason: str) -> None:
        self.reopened += 1
        log.warning(
            "a channel of the queue was opened anew",
            channel=what,
            reason=reason,
            count=self.reopened,
        )

    async def count(self, queue: str) -> int:
        """How many messages wait in a queue and are nobody's. Raises what is in LOST."""
        control = self._control
        if control is None or control.is_closed:
            raise QueueUnavailable(self.trouble)
        async with asyncio.timeout(self._options.timeout_s):
            found = await control.declare_queue(queue, passive=True)
        return found.declaration_result.message_count or 0

    async def _drop(self) -> None:
        """What was delivered over it is void with it."""
        self.is_up, self.has_failed = False, True
        connection, self._connection = self._connection, None
        self._control = None
        self._on_change()
        if connection is not None:
            try:
                async with asyncio.timeout(self._options.timeout_s):
                    await connection.close()
            except asyncio.CancelledError:
                if is_cancelled():
                    raise
            except Exception as error:
                # It is over in any case, and a new one is to come.
                log.info("the queue was not closed well", reason=self.words(error))

    def words(self, error: BaseException) -> str:
        """What went wrong, in one line, without the password."""
        if isinstance(error, TimeoutError):
            return f"RabbitMQ did not answer within {self._options.timeout_s:g} s"
        if type(error) is Exception:
            return CONNECTION_LOST
        text = " ".join(printable(str(error) or type(error).__name__).split())[:LONGEST_WORDS]
        password = urlsplit(self._options.url).password
        for secret in filter(None, (password, unquote(password or ""))):
            text = text.replace(secret, "***")
        return text


async def _connected(url: URL, timeout_s: float) -> AbstractConnection:
    """As ``aio_pika.connect``, which lets go of a connection that was refused without closing it:
    wherever that is swept up, a warning of Python's is written amid the log."""
    connection = aio_pika.Connection(url)
    try:
        await connection.connect(timeout=timeout_s)
    except BaseException:
        # Nothing is open: it only learns that it is closed, which takes no time.
        await connection.close()
        raise
    return connection
