"""What is done about jobs that nobody moves: ordered again, taken back, ended, forgotten.

Any number of processes may do this side by side: what one has done the next does not find any
more, and an order that was given twice does no harm.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from control_plane.core.jobs import AlreadyFinished, ClaimedElsewhere, Job, NotDue
from control_plane.core.jobs.applying import expire
from control_plane.core.jobs.transitions import strand
from control_plane.errors import ControlPlaneError
from control_plane.ports import Due, JobQueue, JobStore, JobUpkeep, StoreUnavailable, Uploads
from control_plane.services.jobs.ends import tell_end
from control_plane.services.jobs.publishing import order

log = structlog.get_logger(__name__)

MOST_IN_A_ROW = 3
"""Jobs that cannot be read or written, one after the other, before the store is taken to be
away."""


@dataclass(frozen=True, slots=True)
class UpkeepOptions:
    """unpublished_s: how long who accepts a job has to order it himself. stranded_s: how long
    after its claim has run out a job waits for the message that its worker had. overdue_s: how
    long after its deadline for the worker that has it. lost_after_s: how long a job that is due
    waits before its order is taken to be lost. orphan_s: how old a photo without a job is
    at the least, since its job may still come. keep_s, keep_dead_s: after the end. batch: jobs
    per round and kind. max_attempts: of a run, to tell of. is_sent: whether results are delivered
    somewhere.
    """

    keep_s: float
    keep_dead_s: float
    max_attempts: int = 10
    unpublished_s: float = 5.0
    stranded_s: float = 10.0
    overdue_s: float = 5.0
    lost_after_s: float = 900.0
    orphan_s: float = 3600.0
    batch: int = 100
    is_sent: bool = False


class Upkeep:
    """One round at a time of each kind; each says how many jobs it has moved.

    plane: this process's name. Raises StoreUnavailable, QueueUnavailable.
    """

    def __init__(
        self,
        plane: str,
        *,
        store: JobStore,
        upkeep: JobUpkeep,
        queue: JobQueue,
        uploads: Uploads,
        options: UpkeepOptions,
    ) -> None:
        self._plane = plane
        self._store = store
        self._upkeep = upkeep
        self._queue = queue
        self._uploads = uploads
        self._options = options
        self._swept = ""

    async def order_unpublished(self) -> int:
        """Those that were accepted, or replayed, and never ordered."""
        since_s = self._options.unpublished_s
        return await self._each(Due.UNPUBLISHED, since_s, self._options.batch, self._order)

    async def take_back(self) -> int:
        """Those whose worker is not heard of any more."""

        async def back(job_id: str) -> None:
            await self._ordered(await self._store.change(job_id, strand))

        return await self._each(Due.STRANDED, self._options.stranded_s, self._options.batch, back)

    async def order_forgotten(self) -> int:
        """Those whose order must have been lost: no more of them than the queue lacks.

        A job that has waited long may only be far behind in a long queue. But where the queue has
        fewer messages than jobs wait, some have none.
        """
        since_s, batch = self._options.lost_after_s, self._options.batch
        if not await self._upkeep.due(Due.FORGOTTEN, since_s=since_s, limit=1):
            return 0
        depths = await self._queue.depths()
        figures = await self._upkeep.figures()
        lacking = {
            priority: waiting - depths.get(priority, 0)
            for priority, waiting in figures.waiting.items()
        }

        async def again(job_id: str) -> None:
            job = await self._store.get(job_id)
            if job is not None and job.is_waiting and lacking.get(job.priority, 0) > 0:
                lacking[job.priority] -= 1
                log.warning("the order of a job was lost", job_id=job_id)
                await self._ordered(job)

        return await self._each(Due.FORGOTTEN, since_s, batch, again)

    async def end_overdue(self) -> int:
        """Those whose deadline has passed with nobody at work on them."""
        is_removing = True

        async def over(job_id: str) -> None:
            nonlocal is_removing
            job = await self._store.change(
                job_id,
                lambda job, now_s: expire(
                    job,
                    now_s,
                    worker=self._plane,
                    max_attempts=self._options.max_attempts,
                    is_sent=self._options.is_sent,
                ),
            )
            tell_end(job)
            if job.dead is None and job.is_uploaded and is_removing:
                is_removing = await self._remove(job_id)

        return await self._each(Due.OVERDUE, self._options.overdue_s, self._options.batch, over)

    async def forget(self) -> int:
        """Those that were kept for long enough."""
        gone = await self._upkeep.forget(
            finished_s=self._options.keep_s,
            dead_s=self._options.keep_dead_s,
            limit=self._options.batch,
        )
        for job_id in gone:
            if not await self._remove(job_id):
                break  # the others are left to be swept
        return len(gone)

    async def sweep(self) -> int:
        """Photos that were kept for jobs that there are not: what a crash has left behind.

        Those that are as old as that are gone through a batch at a time, round after round.
        """
        old = await self._uploads.old(
            after=self._swept, age_s=self._options.orphan_s, limit=self._options.batch
        )
        self._swept = old[-1] if len(old) == self._options.batch else ""
        known = await self._upkeep.states_of(old) if old else {}
        removed = 0
        for job_id in old:
            if job_id not in known:
                if not await self._remove(job_id):
                    break
                removed += 1
        return removed

    async def _each(
        self, what: Due, since_s: float, limit: int, act: Callable[[str], Awaitable[None]]
    ) -> int:
        """Those that were moved by somebody else meanwhile are passed over.

        So is one that cannot be read, and told of in the end: it would be in the way of all that
        come after it. Where several in a row cannot be, it is the store that is away.
        """
        moved, in_a_row = 0, 0
        failure: StoreUnavailable | None = None
        for job_id in await self._upkeep.due(what, since_s=since_s, limit=limit):
            try:
                await act(job_id)
            except (AlreadyFinished, ClaimedElsewhere, NotDue, ControlPlaneError):
                in_a_row = 0
                continue
            except StoreUnavailable as unread:
                failure, in_a_row = unread, in_a_row + 1
                if in_a_row == MOST_IN_A_ROW:
                    break
                continue
            moved, in_a_row = moved + 1, 0
        if failure is not None:
            raise failure
        return moved

    async def _order(self, job_id: str) -> None:
        job = await self._store.get(job_id)
        if job is not None and job.is_waiting and job.published_at_s is None:
            await self._ordered(job)

    async def _ordered(self, job: Job) -> None:
        if job.is_waiting:
            await order(job, store=self._store, queue=self._queue)

    async def _remove(self, job_id: str) -> bool:
        """Whether there is use in removing others: each may take its whole time to fail, and
        nothing else is seen to meanwhile."""
        try:
            await self._uploads.remove(job_id)
        except ControlPlaneError as error:
            log.warning("a photo was not removed", job_id=job_id, reason=error.message)
            return False
        return True
