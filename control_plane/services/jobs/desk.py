"""What people and other services ask of jobs: how one stands, and what is to become of a dead one.

Whatever a person does to a job is written in the audit, after it was done.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager, aclosing, asynccontextmanager
from dataclasses import dataclass, replace

import structlog

from control_plane.core.detections import Priority
from control_plane.core.jobs import Job, JobFigures, JobFilter
from control_plane.core.jobs.handing import resend
from control_plane.core.jobs.transitions import discard, replay
from control_plane.core.state import AuditEntry
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import (
    JobQueue,
    JobStore,
    JobUpkeep,
    Uploads,
)
from control_plane.services.jobs.depths import QueueDepths
from control_plane.services.jobs.publishing import order
from control_plane.services.jobs.telling import told
from control_plane.services.jobs.watching import Watching

log = structlog.get_logger(__name__)

PAGE = 100
"""Jobs that are read at once, and named in one entry of the audit."""


@dataclass(frozen=True, slots=True)
class DeskOptions:
    """replay_deadline_s: the time that a replayed job has. step_timeout_s: how long the store,
    the queue, or where photos are kept may take at each step. depths_timeout_s: how long who
    only wants to see what is in the queue waits for it."""

    replay_deadline_s: float
    step_timeout_s: float = 10.0
    depths_timeout_s: float = 1.0


class Desk:
    """Answers about jobs. record: writes an entry of the audit; raises ControlPlaneError.

    Everything raises ControlPlaneError: NOT_FOUND, STORE_UNAVAILABLE, and what is said besides.
    """

    def __init__(
        self,
        *,
        store: JobStore,
        upkeep: JobUpkeep,
        queue: JobQueue,
        depths: QueueDepths,
        uploads: Uploads,
        watching: Watching,
        record: Callable[[AuditEntry], Awaitable[None]],
        options: DeskOptions,
    ) -> None:
        self._store = store
        self._upkeep = upkeep
        self._queue = queue
        self._depths = depths
        self._uploads = uploads
        self._watching = watching
        self._record = record
        self._options = options

    async def get(self, job_id: str) -> Job:
        """A job with everything."""
        async with self._told():
            job = await self._store.get(job_id)
        if job is None:
            raise _not_found(job_id)
        return job

    async def find(self, wanted: JobFilter, *, limit: int) -> tuple[Job, ...]:
        """The latest first, without what may be large of them."""
        async with self._told():
            return await self._store.find(wanted, limit=limit)

    async def figures(self) -> JobFigures:
        async with self._told():
            return await self._upkeep.figures()

    async def depths(self) -> Mapping[Priority, int]:
        """How many messages wait in the queue. Raises QUEUE_UNAVAILABLE."""
        timeout_s = self._options.depths_timeout_s
        async with told(ErrorCode.QUEUE_UNAVAILABLE, "the queue", timeout_s=timeout_s):
            return await self._depths.read()

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """The job, once it is finished. Raises DEADLINE_EXCEEDED; OVERLOADED."""
        async with (
            told(ErrorCode.DEADLINE_EXCEEDED, "the job", timeout_s=timeout_s),
            aclosing(self._watching.changes(job_id)) as changes,
        ):
            async for job in changes:
                if job.is_finished:
                    return job
        raise _not_found(job_id)

    def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now and after each change of its state; ends after its finish.

        Raises OVERLOADED while too many watch. Close it, if it is left before its end.
        """
        return self._watching.changes(job_id)

    async def replay(self, job_id: str, *, who: str, reason: str = "") -> Job:
        """A dead letter waits in the queue again. Raises CONFLICT if it is none."""
        before = await self.get(job_id)
        job = await self._replay(job_id)
        # Before it is ordered, for which the queue may take longer than whoever asks waits.
        await self._note(_entry("replay_job", before, job, who=who, reason=reason))
        return await self._order(job)

    async def discard(self, job_id: str, *, who: str, reason: str = "") -> Job:
        """No dead letter any more. Raises CONFLICT if it is none."""
        before = await self.get(job_id)
        job = await self._discard(job_id)
        await self._note(_entry("discard_job", before, job, who=who, reason=reason))
        return job

    async def resend(self, job_id: str, *, who: str, reason: str = "") -> Job:
        """A result that was given up on its way is sent again. Raises CONFLICT if it was not."""
        before = await self.get(job_id)
        async with self._told():
            job = await self._store.change(job_id, resend)
        await self._note(_entry("resend_job", before, job, who=who, reason=reason))
        return job

    async def replay_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        """The ids of the dead letters that wait again, of those that are wanted, the latest first.

        One that came as a message that cannot be read is left: it would fail again.
        """
        replayed: list[str] = []
        passed_over = 0
        is_queue_there = True
        async with self._noted("replay_jobs", replayed, who=who, reason=reason):
            async for one in self._dead(wanted, limit):
                try:
                    job = await self._replay(one.job_id)
                except ControlPlaneError as error:
                    if not _is_passed_over(error):
                        raise
                    passed_over += 1
                    continue
                replayed.append(job.job_id)
                if is_queue_there:  # asked once; the others get their orders from upkeep
                    is_queue_there = (await self._order(job)).published_at_s is not None
                if len(replayed) == limit:
                    break
        if passed_over:
            log.warning("dead letters were not replayed", passed_over=passed_over, who=who)
        return tuple(replayed)

    async def discard_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        """The ids of the dead letters that are none any more, of those that are wanted."""
        discarded: list[str] = []
        async with self._noted("discard_jobs", discarded, who=who, reason=reason):
            async for one in self._dead(wanted, limit):
                try:
                    discarded.append((await self._discard(one.job_id)).job_id)
                except ControlPlaneError as error:
                    if not _is_passed_over(error):
                        raise
                if len(discarded) == limit:
                    break
        return tuple(discarded)

    async def resend_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        """The ids of the jobs whose results are sent again, of those that are wanted and whose
        results were given up, the latest first."""
        resent: list[str] = []
        async with self._noted("resend_jobs", resent, who=who, reason=reason):
            async for one in self._pages(replace(wanted, is_undelivered=True), limit):
                try:
                    async with self._told():
                        resent.append((await self._store.change(one.job_id, resend)).job_id)
                except ControlPlaneError as error:
                    if not _is_passed_over(error):
                        raise
                if len(resent) == limit:
                    break
        return tuple(resent)

    def _dead(self, wanted: JobFilter, limit: int) -> AsyncIterator[Job]:
        return self._pages(replace(wanted, is_dead=True), limit)

    async def _pages(self, wanted: JobFilter, limit: int) -> AsyncIterator[Job]:
        """Those that are wanted, page by page; each page from where the one before ended."""
        while page := await self.find(wanted, limit=min(limit, PAGE)):
            for job in page:
                yield job
            wanted = replace(wanted, before=page[-1].job_id)

    async def _replay(self, job_id: str) -> Job:
        deadline_s = self._options.replay_deadline_s

        def again(job: Job, now_s: float) -> Job:
            if job.request is None and job.dead is not None:
                raise ControlPlaneError(
                    ErrorCode.CONFLICT, f"{_why_unread(job)}; it can only be discarded"
                )
            return replay(job, now_s, deadline_s=deadline_s)

        async with self._told():
            return await self._store.change(job_id, again)

    async def _discard(self, job_id: str) -> Job:
        async with self._told():
            job = await self._store.change(job_id, discard)
        if job.is_uploaded:
            try:
                async with self._told(ErrorCode.PHOTO_UNAVAILABLE, "removing the photo"):
                    await self._uploads.remove(job_id)
            except ControlPlaneError as error:
                log.warning("a photo was not removed", job_id=job_id, reason=error.message)
        return job

    async def _order(self, job: Job) -> Job:
        """It has its order now, or, while the queue is away, from upkeep."""
        try:
            async with self._told(ErrorCode.QUEUE_UNAVAILABLE, "the queue"):
                return await order(job, store=self._store, queue=self._queue)
        except ControlPlaneError as error:
            log.warning("a job waits for its order", job_id=job.job_id, reason=error.message)
            return job

    @asynccontextmanager
    async def _noted(
        self, action: str, ids: list[str], *, who: str, reason: str
    ) -> AsyncIterator[None]:
        """What was done to these in the audit, also where the rest could not be done."""
        try:
            yield
        finally:
            for at in range(0, len(ids), PAGE):
                some = ids[at : at + PAGE]
                after = {"jobs": some, "count": len(some)}
                await self._note(AuditEntry(who, action, reason, after=after))

    async def _note(self, entry: AuditEntry) -> None:
        try:
            await self._record(entry)
        except ControlPlaneError as error:
            # It is done and cannot be undone, so saying that it failed would be no help.
            log.warning(
                "what was done to jobs is not in the audit",
                who=entry.who,
                action=entry.action,
                after=dict(entry.after),
                reason=error.message,
            )

    def _told(
        self, code: ErrorCode = ErrorCode.STORE_UNAVAILABLE, what: str = "the job store"
    ) -> AbstractAsyncContextManager[None]:
        return told(code, what, timeout_s=self._options.step_timeout_s)


def _why_unread(job: Job) -> str:
    """Why a job that came as a message of another service has no request."""
    if job.error is not None and job.error.code is ErrorCode.CONFLICT:
        return job.error.message  # it was read: its key belongs to another job, which this names
    return "the job's message could not be read"


def _entry(action: str, before: Job, after: Job, *, who: str, reason: str) -> AuditEntry:
    return AuditEntry(who, action, reason, before=_shown(before), after=_shown(after))


def _shown(job: Job) -> dict[str, object]:
    handover = job.handover
    return {
        "job": job.job_id,
        "state": job.state.value,
        "dead": None if job.dead is None else job.dead.value,
        "run": job.run,
        "is_undelivered": handover is not None and handover.is_given_up,
    }


def _is_passed_over(error: ControlPlaneError) -> bool:
    """Somebody else was faster, or it cannot be replayed: of many, the others go on."""
    return error.code in {ErrorCode.CONFLICT, ErrorCode.NOT_FOUND}


def _not_found(job_id: str) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.NOT_FOUND, f"there is no job {job_id[:80]!r}", field="request_id"
    )
