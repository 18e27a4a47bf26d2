"""The queue in a database, the one that has the state: nothing else needs to be run for it.

A message is a row. Who takes it holds it by a lease, on the database's clock, that is renewed
until it is settled; so what a dead process held comes back when its lease has run out, and what
is worked on for hours does not. On Postgres takers skip what another one is taking; on SQLite
they follow one another. Who waits looks every ``poll_s``, and is woken by what is published in
its own process.
"""

from __future__ import annotations

import asyncio
import contextvars
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self

from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.queues.batches import Batches
from control_plane.adapters.queues.standing_in import stand_ins
from control_plane.adapters.stores import message_rows
from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.message_rows import Taken
from control_plane.adapters.stores.state_rows import can_be_name
from control_plane.core.detections import Priority
from control_plane.ports import Delivery, Message, QueueUnavailable, StoreUnavailable

DEFAULT_LEASE_S = 30.0
DEFAULT_POLL_S = 0.1
DEFAULT_MAX_DELIVERIES = 20
# Of 64 KiB each at most; more would not make a transaction cheaper.
MOST_AT_ONCE = 100


@dataclass(frozen=True, slots=True)
class _Receipt:
    number: int
    deliveries: int


@dataclass(frozen=True, slots=True)
class _Settling:
    """retry_in_s: None for what is done."""

    number: int
    retry_in_s: float | None


class SqlQueue:
    """JobQueue. Close it, or use it as a context: what is in its hands is given back.

    database: open, and longer than this. It keeps leases alive from its first ``take`` on.
    max_deliveries: after so many in a row that nobody settled a message is dead.
    """

    def __init__(
        self,
        database: Database,
        *,
        lease_s: float = DEFAULT_LEASE_S,
        poll_s: float = DEFAULT_POLL_S,
        max_deliveries: int = DEFAULT_MAX_DELIVERIES,
    ) -> None:
        self._database = database
        self._lease_s = lease_s
        self._poll_s = poll_s
        self._max_deliveries = max_deliveries
        self._holder = uuid.uuid4().hex
        self._writes: Batches[Message | _Settling] = Batches(self._write, most=MOST_AT_ONCE)
        # Deliveries by number, of what is neither settled nor lost.
        self._in_hand: dict[int, int] = {}
        # Two transactions of ours that lock the same rows would wait for each other.
        self._own_rows = asyncio.Lock()
        self._came = asyncio.Event()
        self._renewing: asyncio.Task[None] | None = None
        self._giving_back: set[asyncio.Task[None]] = set()

    def __repr__(self) -> str:
        return f"<SqlQueue in {self._database!r}, {len(self._in_hand)} in hand>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.aclose()

    async def aclose(self) -> None:
        """Gives back what is in hand; where the database is away, the leases run out."""
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])
            self._renewing = None
        await self._writes.drained()
        if self._giving_back:
            await asyncio.wait(self._giving_back)
        with suppress(QueueUnavailable):
            await self._give_back(list(self._in_hand), as_if_untaken=False)

    async def publish(self, message: Message) -> None:
        if not can_be_name(message.message_id):
            raise ValueError(f"{message.message_id!r:.80} cannot be a message's id")
        await self._writes.write(message)

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        receipt = delivery.receipt
        if not isinstance(receipt, _Receipt):
            raise TypeError(f"{delivery!r} is of another queue")
        if self._in_hand.get(receipt.number) != receipt.deliveries:
            return  # settled already, or lost to another one who will see to it
        # Whatever becomes of it: if this fails, its lease must run out.
        del self._in_hand[receipt.number]
        await self._writes.write(_Settling(receipt.number, retry_in_s))

    async def _write(self, items: Sequence[Message | _Settling]) -> None:
        messages = [item for item in items if isinstance(item, Message)]
        settled = [item for item in items if isinstance(item, _Settling)]
        done = [one.number for one in settled if one.retry_in_s is None]
        waits_s = {one.number: one.retry_in_s for one in settled if one.retry_in_s is not None}
        async with self._own_rows, self._writing() as connection:
            if messages:
                await message_rows.insert_messages(connection, messages)
            if done:
                await message_rows.delete_messages(connection, done, holder=self._holder)
            if waits_s:
                await message_rows.put_off(
                    connection, waits_s, holder=self._holder, max_in_vain=self._max_deliveries
                )
        if messages:
            # Whoever waits now; who begins to wait gets the next one.
            came, self._came = self._came, asyncio.Event()
            came.set()

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        if not any(wanted.values()):
            return ()
        loop = asyncio.get_running_loop()
        give_up_at_s = loop.time() + wait_s
        while True:
            came = self._came
            # Who only looks waits for nobody, and holds nobody up.
            if await self._has_some(wanted) and (taken := await self._take_now(wanted)):
                return taken
            left_s = give_up_at_s - loop.time()
            if left_s <= 0:
                return ()
            with suppress(TimeoutError):
                async with asyncio.timeout(min(left_s, self._poll_s)):
                    await came.wait()

    async def _has_some(self, wanted: Mapping[Priority, int]) -> bool:
        async with self._reading() as connection:
            return await message_rows.has_some(connection, stand_ins(wanted))

    async def _take_now(self, wanted: Mapping[Priority, int]) -> tuple[Delivery, ...]:
        taking = asyncio.create_task(self._take(wanted))
        try:
            return await asyncio.shield(taking)
        except asyncio.CancelledError:
            # The transaction may be committed already, and nobody is there to have its messages.
            self._give_back_later(self._return_untaken(taking))
            raise

    async def _take(self, wanted: Mapping[Priority, int]) -> tuple[Delivery, ...]:
        async with self._writing() as connection:
            taken = await message_rows.take_messages(
                connection,
                wanted,
                among=stand_ins(wanted),
                holder=self._holder,
                lease_s=self._lease_s,
            )
        self._in_hand.update((one.number, one.deliveries) for one in taken)
        if self._renewing is None and taken:
            # For all that come after, so without the ids of who takes first.
            self._renewing = asyncio.create_task(
                self._keep_renewing(), context=contextvars.Context()
            )
        return tuple(map(self._delivery, taken))

    def _delivery(self, taken: Taken) -> Delivery:
        return Delivery(
            taken.priority,
            taken.body,
            message_id=taken.message_id,
            deliveries=taken.deliveries,
            is_dead=taken.in_vain > self._max_deliveries,
            receipt=_Receipt(taken.number, taken.deliveries),
        )

    def _give_back_later(self, giving: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(giving)
        self._giving_back.add(task)
        task.add_done_callback(self._giving_back.discard)

    async def _return_untaken(self, taking: asyncio.Task[tuple[Delivery, ...]]) -> None:
        with suppress(QueueUnavailable):
            receipts = [delivery.receipt for delivery in await taking]
            numbers = [one.number for one in receipts if isinstance(one, _Receipt)]
            await self._give_back(numbers, as_if_untaken=True)

    async def _give_back(self, numbers: Sequence[int], *, as_if_untaken: bool) -> None:
        for number in numbers:
            self._in_hand.pop(number, None)
        if numbers:
            async with self._own_rows, self._writing() as connection:
                await message_rows.give_back(
                    connection, numbers, holder=self._holder, as_if_untaken=as_if_untaken
                )

    async def _keep_renewing(self) -> None:
        """Three times in a lease, and more often while it fails."""
        pause_s = self._lease_s / 3
        while True:
            await asyncio.sleep(pause_s)
            try:
                await self._renew()
                pause_s = self._lease_s / 3
            except QueueUnavailable:
                pause_s = self._lease_s / 10

    async def _renew(self) -> None:
        async with self._own_rows:
            held = dict(self._in_hand)
            if not held:
                return
            async with self._writing() as connection:
                kept = await message_rows.renew(
                    connection, list(held), holder=self._holder, lease_s=self._lease_s
                )
        for number, deliveries in held.items():
            if number not in kept and self._in_hand.get(number) == deliveries:
                del self._in_hand[number]

    async def depths(self) -> Mapping[Priority, int]:
        async with self._reading() as connection:
            return await message_rows.count_waiting(connection)

    @asynccontextmanager
    async def _reading(self) -> AsyncIterator[AsyncConnection]:
        with _told_as_the_queues():
            async with self._database.reading() as connection:
                yield connection

    @asynccontextmanager
    async def _writing(self) -> AsyncIterator[AsyncConnection]:
        with _told_as_the_queues():
            async with self._database.writing(is_patient=True) as connection:
                yield connection


@contextmanager
def _told_as_the_queues() -> Iterator[None]:
    """What is wrong with the database is wrong with the queue in it."""
    try:
        yield
    except StoreUnavailable as error:
        raise QueueUnavailable(str(error)) from None
