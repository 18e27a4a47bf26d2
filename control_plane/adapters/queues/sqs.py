"""SQS as the queue: four queues, ``{prefix}-high``, ``-normal``, ``-low`` and ``-dead``.

Receivers in the background poll for long, so that a ``take`` that is cancelled loses nothing.
What is here, in hand or fetched ahead, is kept invisible to others by being renewed; what a dead
process held is visible again after ``visibility_s``. A retry is a copy with a delay, and the
original is deleted once SQS has the copy. SQS delays by no more than 15 minutes, so what is to wait
longer comes early, and is settled again by a worker that sees that its job is not due. (Making the
original invisible for so long would count as a delivery, and depths would not show it.) What was
delivered too often SQS moves to the dead letters (its redrive).
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import json
import math
from collections.abc import Mapping, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

import structlog
from aiobotocore.config import AioConfig
from aiobotocore.session import (
    AioSession,
    get_session,
)
from botocore.exceptions import (
    BotoCoreError,
    ClientError,
)

from control_plane.adapters.queues.buffer import Buffer
from control_plane.adapters.queues.sqs_messages import (
    ATTRIBUTES,
    SYSTEM_ATTRIBUTES,
    Held,
    Wire,
    copy_of,
    order_of,
    read_delivery,
    words_of,
)
from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.detections import Priority
from control_plane.ports import Delivery, Message, QueueUnavailable

log = structlog.get_logger(__name__)

DEAD = "dead"
# SQS's own bounds.
MOST_AT_ONCE = 10
LONGEST_DELAY_S = 900
KEPT_S = 14 * 86_400
FAILED = (ClientError, BotoCoreError, OSError, TimeoutError)


@dataclass(frozen=True, slots=True)
class SqsOptions:
    """region, endpoint_url: None for what the environment says. create: makes queues not there.

    prefetch: messages of each priority that this process has at most, in hand or waiting.
    delivery_limit: how often SQS hands out a message that nobody settles; for queues made here.
    visibility_s: how long after a process died others get what it held.
    poll_s: how long SQS waits for a message before it answers that there is none; at most 20.
    timeout_s: for each operation. idle_s: what waits here is given back when nothing was taken
    for so long.
    """

    prefix: str = "tidegate"
    region: str | None = None
    endpoint_url: str | None = None
    create: bool = False
    prefetch: int = 16
    delivery_limit: int = 20
    visibility_s: int = 60
    poll_s: int = 10
    timeout_s: float = 5.0
    idle_s: float = 10.0


class SqsQueue:
    """JobQueue. Asks for its queues when it is first used; fetches from the first ``take`` on.

    session: with the credentials; by default what the environment says.
    """

    def __init__(self, options: SqsOptions, rng: Rng, session: AioSession | None = None) -> None:
        self._options = options
        self._rng = rng
        self._session = session or get_session()
        self._buffer = Buffer()
        self._stack = AsyncExitStack()
        self._client: Any = None
        self._opening = asyncio.Lock()
        self._urls: dict[str, str] = {}
        self._held: set[Held] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._polled: set[str] = set()
        self._takers = 0
        self._took_at_s = -math.inf
        self._trouble: str | None = None
        self._is_closed = False

    def __repr__(self) -> str:
        return f"<SqsQueue {self._options.prefix!r}, {len(self._held)} held, {self._buffer!r}>"

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
        await self._send(message.priority.value, order_of(message), 0)

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        if not any(wanted.values()):
            return ()
        loop = asyncio.get_running_loop()
        until_s = loop.time() + wait_s
        self._start()
        self._takers += 1
        try:
            while True:
                is_late = loop.time() >= until_s
                # Before each queue was asked once the least urgent could come first.
                is_full = len(self._polled) > len(Priority)
                if (is_late or is_full) and (picked := self._buffer.pick(wanted)):
                    return picked
                if is_late and self._trouble is not None:
                    raise QueueUnavailable(self._trouble)
                if is_late:
                    return ()
                await self._buffer.wait(until_s)
        finally:
            self._takers -= 1
            self._took_at_s = loop.time()

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        held = delivery.receipt
        if not isinstance(held, Held) or held.is_settled:
            return
        held.is_settled = True
        try:
            if retry_in_s is not None:
                delay_s = min(max(0, math.ceil(retry_in_s)), LONGEST_DELAY_S)
                await self._send(held.queue, copy_of(delivery, is_counted=True), delay_s)
            await self._delete(held)
        finally:
            # Whatever became of it: what is renewed no more is visible again after a while.
            self._held.discard(held)
            self._buffer.wake()

    async def depths(self) -> Mapping[Priority, int]:
        """About so many: SQS does not count exactly."""
        names = ["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesDelayed"]
        depths = self._buffer.depths()
        for priority in Priority:
            answer = await self._ask(
                "get_queue_attributes",
                QueueUrl=await self._url(priority.value),
                AttributeNames=names,
            )
            found = answer.get("Attributes", {})
            depths[priority] += sum(int(found.get(name, 0)) for name in names)
        return depths

    async def aclose(self) -> None:
        """What was taken and not settled others get once it is visible again."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(self._options.timeout_s):
                await self._give_back()
                for held in list(self._held):
                    with contextlib.suppress(QueueUnavailable):
                        await self._hide(held, 0)
        await self.abandon()

    async def abandon(self) -> None:
        """Without giving anything back."""
        self._is_closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        self._held.clear()
        await self._stack.aclose()

    # What runs in the background.

    def _start(self) -> None:
        if self._is_closed:
            raise QueueUnavailable("the queue was closed here")
        if self._tasks:
            return
        works = [self._receive(one.value, one) for one in Priority]
        works += [self._receive(DEAD, None), self._renew(), self._watch_idleness()]
        # Whoever asks first, their log is not about that request.
        self._tasks = {asyncio.create_task(work, context=contextvars.Context()) for work in works}

    async def _receive(self, name: str, priority: Priority | None) -> None:
        """Until it is cancelled: as many as there is room for."""
        failures = 0
        while True:
            room = self._options.prefetch - sum(held.queue == name for held in self._held)
            if self._is_idle() or room <= 0:
                self._polled.discard(name)
                await self._buffer.wait(asyncio.get_running_loop().time() + 1.0)
                continue
            try:
                await self._poll(name, priority, min(room, MOST_AT_ONCE))
                failures, self._trouble = 0, None
            except Exception as error:
                # Whatever it was: without this loop there would be no queue until a restart.
                failures += 1
                self._trouble = str(error)
                if not isinstance(error, QueueUnavailable):
                    self._trouble = f"a message could not be received: {type(error).__name__}"
                    log.exception("fetching from the queue failed", queue=name)
                wait_s = backoff_s(failures, first_s=0.2, most_s=10.0, rng=self._rng)
                log.warning(
                    "the queue is not reached", reason=self._trouble, retry_in_s=round(wait_s, 2)
                )
                await asyncio.sleep(wait_s)

    async def _poll(self, name: str, priority: Priority | None, most: int) -> None:
        # The first time it does not wait: there may be nothing here, and more in other queues.
        poll_s = self._options.poll_s if name in self._polled else 0
        answer = await self._ask(
            "receive_message",
            patience_s=poll_s,
            QueueUrl=await self._url(name),
            MaxNumberOfMessages=most,
            WaitTimeSeconds=poll_s,
            VisibilityTimeout=self._options.visibility_s,
            AttributeNames=SYSTEM_ATTRIBUTES,
            MessageAttributeNames=ATTRIBUTES,
        )
        for wire in answer.get("Messages", ()):
            delivery = read_delivery(wire, queue=name, priority=priority)
            if isinstance(delivery.receipt, Held):
                self._held.add(delivery.receipt)
            self._buffer.add(delivery)
        self._polled.add(name)
        self._buffer.wake()

    async def _renew(self) -> None:
        """Keeps what is here from others."""
        while True:
            await asyncio.sleep(self._options.visibility_s / 3)
            for name in (DEAD, *(priority.value for priority in Priority)):
                mine = [held for held in self._held if held.queue == name]
                for at in range(0, len(mine), MOST_AT_ONCE):
                    try:
                        await self._hide_all(name, mine[at : at + MOST_AT_ONCE])
                    except QueueUnavailable:
                        pass  # what could not be renewed is delivered twice at worst
                    except Exception:
                        # Whatever it was: without this loop all work would be done twice.
                        log.exception("messages of the queue were not held", queue=name)

    async def _watch_idleness(self) -> None:
        """A worker that takes nothing, for its engines are away, leaves messages to others."""
        while True:
            await asyncio.sleep(self._options.idle_s / 4)
            if self._is_idle():
                await self._give_back()

    def _is_idle(self) -> bool:
        idle_s = asyncio.get_running_loop().time() - self._took_at_s
        return not self._takers and idle_s > self._options.idle_s

    async def _give_back(self) -> None:
        for delivery in self._buffer.remove(lambda _: True):
            held = delivery.receipt
            if isinstance(held, Held):
                with contextlib.suppress(QueueUnavailable):
                    await self._send(held.queue, copy_of(delivery, is_counted=False), 0)
                    await self._delete(held)
                self._held.discard(held)

    # What is asked of SQS.

    async def _send(self, name: str, wire: Wire, delay_s: int) -> None:
        url = await self._url(name)
        await self._ask("send_message", QueueUrl=url, DelaySeconds=delay_s, **wire)

    async def _delete(self, held: Held) -> None:
        url = await self._url(held.queue)
        await self._ask("delete_message", QueueUrl=url, ReceiptHandle=held.receipt)

    async def _hide(self, held: Held, seconds: int) -> None:
        await self._ask(
            "change_message_visibility",
            QueueUrl=await self._url(held.queue),
            ReceiptHandle=held.receipt,
            VisibilityTimeout=seconds,
        )

    async def _hide_all(self, name: str, some: Sequence[Held]) -> None:
        entries = [
            {
                "Id": str(number),
                "ReceiptHandle": held.receipt,
                "VisibilityTimeout": self._options.visibility_s,
            }
            for number, held in enumerate(some)
            # It may have been settled while others were renewed.
            if not held.is_settled
        ]
        if entries:
            url = await self._url(name)
            await self._ask("change_message_visibility_batch", QueueUrl=url, Entries=entries)

    async def _url(self, name: str) -> str:
        async with self._opening:
            if not self._urls:
                self._urls = await self._find_queues()
        return self._urls[name]

    async def _find_queues(self) -> dict[str, str]:
        urls: dict[str, str] = {}
        redrive: dict[str, str] = {}
        for name in (DEAD, *(priority.value for priority in Priority)):
            full = f"{self._options.prefix}-{name}"
            if not self._options.create:
                answer = await self._ask("get_queue_url", QueueName=full)
                urls[name] = answer["QueueUrl"]
                continue
            attributes = {"MessageRetentionPeriod": str(KEPT_S), **redrive}
            urls[name] = await self._make_queue(full, attributes)
            if name == DEAD:
                redrive = {"RedrivePolicy": await self._redrive_to(urls[DEAD])}
        return urls

    async def _make_queue(self, name: str, attributes: dict[str, str]) -> str:
        """One that is there already stays as it is, whatever its attributes."""
        try:
            answer = await self._ask("create_queue", QueueName=name, Attributes=attributes)
        except QueueUnavailable:
            with contextlib.suppress(QueueUnavailable):
                answer = await self._ask("get_queue_url", QueueName=name)
                return str(answer["QueueUrl"])
            raise
        return str(answer["QueueUrl"])

    async def _redrive_to(self, url: str) -> str:
        answer = await self._ask("get_queue_attributes", QueueUrl=url, AttributeNames=["QueueArn"])
        arn = answer["Attributes"]["QueueArn"]
        limit = self._options.delivery_limit
        return json.dumps({"deadLetterTargetArn": arn, "maxReceiveCount": limit})

    async def _ask(self, operation: str, *, patience_s: float = 0.0, **arguments: Any) -> Wire:
        if self._is_closed:
            raise QueueUnavailable("the queue was closed here")
        try:
            async with asyncio.timeout(self._options.timeout_s + patience_s):
                client = await self._connected()
                answer: Wire = await getattr(client, operation)(**arguments)
                return answer
        except FAILED as error:
            raise QueueUnavailable(words_of(error, operation)) from error

    async def _connected(self) -> Any:
        if self._client is None:
            timeout_s = self._options.timeout_s
            config = AioConfig(
                connect_timeout=timeout_s,
                read_timeout=self._options.poll_s + timeout_s,
                retries={"max_attempts": 3, "mode": "standard"},
                # The receivers hold one each for long.
                max_pool_connections=len(Priority) + 1 + 20,
            )
            made = self._session.create_client(
                "sqs",
                region_name=self._options.region,
                endpoint_url=self._options.endpoint_url,
                config=config,
            )
            self._client = await self._stack.enter_async_context(made)
        return self._client
