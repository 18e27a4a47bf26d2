"""Takes messages as far as there is room for them, and has them worked on.

    room, ages ──► share of each priority ──► take ──► an attempt for each ──► next
        ▲                                                     │
        └──── something ended, or there may be room again ◄───┘

What it does not take waits in the queue, where every worker sees it. While the fleet is full, or
the queue or the store is away, it waits longer and longer, and asks again.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import structlog

from control_plane.core.backoff import Rng, backoff_s
from control_plane.core.detections import Priority
from control_plane.core.jobs import Drain
from control_plane.loops.idleness import Idleness
from control_plane.ports import (
    Clock,
    Delivery,
    JobQueue,
    JobUpkeep,
    QueueUnavailable,
    StoreUnavailable,
)
from control_plane.services.jobs.attempt import Attempts
from control_plane.services.jobs.ending import Ending

log = structlog.get_logger(__name__)

FIRST_BACKOFF_S, MOST_BACKOFF_S = 0.2, 5.0

PRESSED = frozenset({Ending.RETURNED, Ending.AWAY, Ending.FAULT})
"""It had better not have been taken now."""

PASSED = frozenset({Ending.DUPLICATE, Ending.ELSEWHERE, Ending.EARLY, Ending.LOST, Ending.UNKNOWN})
"""They say nothing of whether more can be worked on."""


@dataclass(frozen=True, slots=True)
class WorkOptions:
    """concurrency: deliveries in hand at most. wait_s: for a message, at a time. room_s: between
    two looks for room. figures_s: between two looks at how old the oldest jobs are. grace_s: for
    what is in hand when the loop is cancelled, before it is given back.
    """

    concurrency: int = 8
    wait_s: float = 5.0
    room_s: float = 0.1
    figures_s: float = 5.0
    grace_s: float = 0.0


class WorkLoop:
    """``run`` takes until it is cancelled or stopped; it can be stopped as an edge can.

    room: how many more requests of a priority the fleet would let in now, none if below 1.
    unserved: as Idleness has it.
    """

    def __init__(
        self,
        attempts: Attempts,
        *,
        queue: JobQueue,
        upkeep: JobUpkeep,
        drain: Drain,
        room: Callable[[Priority], int],
        clock: Clock,
        rng: Rng,
        options: WorkOptions,
        unserved: Callable[[], Sequence[str] | None] = lambda: None,
    ) -> None:
        self._attempts = attempts
        self._queue = queue
        self._upkeep = upkeep
        self._drain = drain
        self._room = room
        self._idleness = Idleness(unserved, clock=clock)
        self._clock = clock
        self._rng = rng
        self._options = options
        self._in_hand: set[asyncio.Task[Ending]] = set()
        self._changed = asyncio.Event()
        self._taker: asyncio.Task[None] | None = None
        self._is_stopping = False
        self._ages_s: Mapping[Priority, float] = {}
        self._figured_s = float("-inf")
        # In a row: takes that failed, and rounds after which something should not have been taken.
        self._failures = 0
        self._pressed = 0
        self._is_pressed = False

    @property
    def in_hand(self) -> int:
        return len(self._in_hand)

    async def run(self) -> None:
        """Until cancelled or stopped. Cancelled, it gives back what is not done in time."""
        if self._is_stopping:
            return
        self._taker = asyncio.create_task(self._take_on(), name="work")
        try:
            await asyncio.wait((self._taker,))
        except asyncio.CancelledError:
            await self.stop(self._options.grace_s)
            raise
        if not self._taker.cancelled():
            self._taker.result()

    async def announce_stop(self) -> None:
        """Nothing changes yet: the fleet serves as ever, and so this does."""

    async def stop(self, grace_s: float) -> None:
        """Take no more, finish what is in hand within ``grace_s``, give back the rest.

        May be called again meanwhile, with less patience.
        """
        self._is_stopping = True
        if self._taker is not None:
            self._taker.cancel()
            await asyncio.wait((self._taker,))
        if self._in_hand and grace_s > 0:
            await asyncio.wait(self._in_hand, timeout=grace_s)
        for task in self._in_hand:
            task.cancel()
        if self._in_hand:
            log.info("jobs go back to the queue", jobs=len(self._in_hand))
            await asyncio.wait(self._in_hand)

    async def _take_on(self) -> None:
        while True:
            try:
                await self._round()
            except (QueueUnavailable, StoreUnavailable) as away:
                await self._back_off(str(away))
            except Exception as error:  # an oddity of one round must not end the work
                await self._back_off(str(error), error)

    async def _round(self) -> None:
        """Raises QueueUnavailable, StoreUnavailable."""
        self._changed.clear()
        free = self._options.concurrency - len(self._in_hand)
        if free <= 0:
            await self._changed.wait()
            return
        if self._is_pressed:
            self._is_pressed = False
            self._pressed += 1
            await asyncio.sleep(self._wait_s(self._pressed))
        self._idleness.look()
        ages_s = await self._ages()
        wanted = self._wanted(free, ages_s)
        if not any(wanted.values()):
            await self._until_changed(self._options.room_s)
            return
        # One of which none are wanted may have room again soon.
        is_whole = all(wanted.values())
        wait_s = self._options.wait_s if is_whole else self._options.room_s
        taken = await self._queue.take(wanted, wait_s=wait_s)
        # From here on nothing is awaited: what is taken is in somebody's hands.
        for delivery in taken:
            self._begin(delivery)
        if self._failures:
            log.info("messages are taken again")
        self._failures = 0
        counts = Counter(delivery.priority for delivery in taken)
        if taken:
            self._drain.took({one: counts[one] for one in Priority}, wanted=wanted)

    def _wanted(self, free: int, ages_s: Mapping[Priority, float]) -> dict[Priority, int]:
        """How many of each priority there is room for, here and in the fleet.

        0 of one without any, so that none come in the place of others; one that has room and no
        share is left out, and may come in their place.
        """
        # What is in hand and has not come to the fleet yet needs room there soon.
        coming = self._attempts.preparing
        rooms = {one: max(0, self._room(one) - coming) for one in Priority}
        with_room = [one for one in Priority if rooms[one]]
        # Whichever come in the place of others, there is room for so many of them.
        limit = min(free, min((rooms[one] for one in with_room), default=0))
        shares = self._drain.share(limit, ages_s)
        wanted = {one: shares[one] for one in with_room if shares[one]}
        if with_room and not wanted:
            wanted = {with_room[0]: limit}
        return dict.fromkeys(set(Priority) - set(with_room), 0) | wanted

    async def _ages(self) -> Mapping[Priority, float]:
        """Of the oldest jobs. Raises StoreUnavailable: then nothing can be worked on either."""
        now_s = self._clock.now_s()
        if now_s - self._figured_s >= self._options.figures_s:
            self._ages_s = (await self._upkeep.figures()).oldest_age_s
            self._figured_s = now_s
        return self._ages_s

    def _begin(self, delivery: Delivery) -> None:
        task = asyncio.create_task(self._attempts.handle(delivery), name="attempt")
        self._in_hand.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[Ending]) -> None:
        self._in_hand.discard(task)
        self._changed.set()
        if task.cancelled():
            return
        if (error := task.exception()) is not None:
            log.error("an attempt ended unexpectedly", exc_info=error)
            self._is_pressed = True
            return
        ending = task.result()
        if ending in PRESSED:
            self._is_pressed = True
        elif ending not in PASSED:
            self._pressed = 0
        if ending is Ending.AWAY:
            self._figured_s = float(
                "-inf"
            )  # whether the store is back is asked before more is taken

    async def _back_off(self, reason: str, unexpected: Exception | None = None) -> None:
        """Told once, until it has gone well again."""
        if not self._failures:
            log.warning("no messages are taken", reason=reason, exc_info=unexpected)
        self._failures += 1
        await asyncio.sleep(self._wait_s(self._failures))

    def _wait_s(self, failures: int) -> float:
        return backoff_s(failures, first_s=FIRST_BACKOFF_S, most_s=MOST_BACKOFF_S, rng=self._rng)

    async def _until_changed(self, most_s: float) -> None:
        try:
            async with asyncio.timeout(most_s):
                await self._changed.wait()
        except TimeoutError:
            return
