"""Accepting a job: checked, its photo kept, stored, and an order to look at it in the queue.

    check ─► room? ─► photo kept ─► stored, unless it is a repeat ─► ordered ─► order noted

Whatever ends this in the middle leaves nothing half accepted that anybody relies on: before it is
stored there is no job, and a job that is stored is ordered by upkeep if nobody else does.
"""

from __future__ import annotations

import math
import uuid
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field, replace

import structlog

from control_plane.core.detections import Priority
from control_plane.core.jobs import Job, JobRequest
from control_plane.core.jobs.fingerprint import fingerprint
from control_plane.core.jobs.transitions import publish
from control_plane.core.tracing import SpanKind
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.ports import (
    Clock,
    JobQueue,
    JobStore,
    JobUpkeep,
    PhotoInspector,
    PhotoSource,
    Uploads,
)
from control_plane.services.jobs.publishing import order_for
from control_plane.services.jobs.telling import told
from control_plane.services.result_cache import digest_of
from control_plane.services.tracing import context_now, name_subject, put, span

log = structlog.get_logger(__name__)

MAX_KEY_CHARACTERS = 255

STEPS = ("checked", "kept", "added", "published", "noted")
"""Where a fault may be put in, each after what it is named by."""

FIGURE_AGE_S = 1.0
"""How old the number of those that wait may be; what was accepted since is added to it."""

FULL_RETRY_AFTER_S = 5.0


@dataclass(frozen=True, slots=True)
class Submission:
    """A request for a detection that nobody waits for.

    request: its ``photo_url`` is None where the photo is uploaded, and then ``photo`` is given.
    deadline_s: from now; None: as long as jobs are given by default.
    """

    request: JobRequest
    priority: Priority
    photo: bytes | None = field(default=None, repr=False)
    idempotency_key: str | None = None
    deadline_s: float | None = None


class Unconfirmed(ControlPlaneError):
    """A job is stored, and the queue has not confirmed its order: upkeep will order it.

    Without a key nothing asks for a repeat (``retry_after_s``), for it would be a second job.
    """

    def __init__(self, job: Job, cause: ControlPlaneError) -> None:
        super().__init__(
            cause.code,
            f"{cause.message}; it is stored and will be worked on as soon as the queue is back: "
            f"job {job.job_id}",
            retry_after_s=None if job.idempotency_key is None else cause.retry_after_s,
        )
        self.job_id = job.job_id


@dataclass(frozen=True, slots=True)
class IntakeOptions:
    """deadline_s: of a job whose caller gives none; max_deadline_s: the longest one.

    max_waiting: jobs. step_timeout_s: how long the store or the queue may take at each step;
    upload_timeout_s: how long keeping a photo may take.
    """

    deadline_s: float
    max_deadline_s: float
    max_waiting: int
    step_timeout_s: float = 10.0
    upload_timeout_s: float = 60.0


class Intake:
    """Accepts jobs. step: told of each of STEPS."""

    def __init__(
        self,
        *,
        store: JobStore,
        upkeep: JobUpkeep,
        queue: JobQueue,
        uploads: Uploads,
        photos: PhotoSource,
        inspector: PhotoInspector,
        clock: Clock,
        options: IntakeOptions,
        step: Callable[[str], None] = lambda _: None,
    ) -> None:
        self._store = store
        self._upkeep = upkeep
        self._queue = queue
        self._uploads = uploads
        self._photos = photos
        self._inspector = inspector
        self._clock = clock
        self._options = options
        self._step = step
        # How many wait by the last figure and what was accepted since; when it was asked for.
        self._waiting = 0
        self._counted_s = -math.inf

    async def submit(self, submission: Submission) -> Job:
        """The job, durable: the store and the queue have confirmed. A repeat is the same job.

        Raises ControlPlaneError: the caller's mistakes; CONFLICT for another request under a key
        that is taken; OVERLOADED; STORE_UNAVAILABLE, PHOTO_UNAVAILABLE. Raises Unconfirmed,
        QUEUE_UNAVAILABLE: it is stored all the same, will be worked on, and a repeat under the
        same key finds it.
        """
        self._check(submission)
        await self._check_room()
        self._step("checked")
        job_id = str(uuid.uuid4())
        if submission.photo is not None:
            async with told(
                ErrorCode.PHOTO_UNAVAILABLE,
                "keeping the photo",
                timeout_s=self._options.upload_timeout_s,
            ):
                with span("photo.keep", bytes=len(submission.photo)):
                    await self._uploads.put(job_id, submission.photo)
            self._step("kept")
        job = await self._add(submission, job_id)
        if job.job_id == job_id:
            name_subject(job_id)
        else:
            # The job has a trace already, that of its first request.
            put(repeat_of=job.job_id)
        self._step("added")
        return await self._order(job)

    def _check(self, submission: Submission) -> None:
        url, photo = submission.request.photo_url, submission.photo
        if (url is None) == (photo is None):
            raise InvalidArgument("give either photo_url or a photo", field="photo")
        if url is not None:
            self._photos.check(url)
        if photo is not None:
            self._inspector.inspect(photo)
        longest_s, deadline_s = self._options.max_deadline_s, submission.deadline_s
        # Written so that a number that is none is refused too.
        if deadline_s is not None and not 0 < deadline_s <= longest_s:
            raise InvalidArgument(
                f"the deadline is {deadline_s:g} s; it should be more than 0 and at most "
                f"{longest_s:g}",
                field="deadline",
            )
        key = submission.idempotency_key
        if key is not None and not (0 < len(key) <= MAX_KEY_CHARACTERS and key.isprintable()):
            raise InvalidArgument(
                f"the idempotency key should be 1 to {MAX_KEY_CHARACTERS} printable characters",
                field="idempotency_key",
            )

    async def _check_room(self) -> None:
        """Raises OVERLOADED while as many wait as may."""
        now_s = self._clock.now_s()
        if now_s - self._counted_s >= FIGURE_AGE_S:
            # Before it is asked, so that of many at once one asks.
            self._counted_s = now_s
            try:
                async with self._told(ErrorCode.STORE_UNAVAILABLE, "the job store"):
                    figures = await self._upkeep.figures()
            except BaseException:
                self._counted_s = -math.inf
                raise
            self._waiting = sum(figures.waiting.values())
        if self._waiting >= self._options.max_waiting:
            raise ControlPlaneError(
                ErrorCode.OVERLOADED,
                f"{self._waiting} jobs wait; the limit is {self._options.max_waiting}",
                retry_after_s=FULL_RETRY_AFTER_S,
            )

    async def _add(self, submission: Submission, job_id: str) -> Job:
        """The job stored, or the one that it repeats. Raises CONFLICT."""
        photo = submission.photo
        digest = None if photo is None else await digest_of(photo)
        asked = fingerprint(submission.request, digest)
        request = replace(submission.request, trace=context_now())

        def make(now_s: float) -> Job:
            return Job(
                job_id=job_id,
                request=request,
                priority=submission.priority,
                created_at_s=now_s,
                updated_at_s=now_s,
                due_at_s=now_s,
                deadline_at_s=now_s + (submission.deadline_s or self._options.deadline_s),
                idempotency_key=submission.idempotency_key,
                fingerprint=asked,
            )

        with span("store"):
            async with self._told(ErrorCode.STORE_UNAVAILABLE, "the job store"):
                job, is_new = await self._store.add(make)
        if job.job_id == job_id:
            self._waiting += is_new
            return job
        if photo is not None:
            await self._drop_upload(job_id)
        if job.fingerprint != asked:
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"the idempotency key belongs to another request, job {job.job_id}",
                field="idempotency_key",
            )
        return job

    async def _drop_upload(self, job_id: str) -> None:
        """Of a repeat: its photo is kept for the first."""
        try:
            async with self._told(ErrorCode.PHOTO_UNAVAILABLE, "removing the photo"):
                await self._uploads.remove(job_id)
        except ControlPlaneError as error:
            log.warning("the photo of a repeat is left to be swept", reason=error.message)

    async def _order(self, job: Job) -> Job:
        """See to it that the queue has an order to look at a job."""
        # Who repeats is told that it is accepted only once it is.
        if job.published_at_s is not None or job.is_finished:
            return job
        try:
            with span("publish", kind=SpanKind.PRODUCER):
                async with self._told(ErrorCode.QUEUE_UNAVAILABLE, "the queue"):
                    await self._queue.publish(order_for(job))
        except ControlPlaneError as error:
            raise Unconfirmed(job, error) from error
        self._step("published")
        try:
            async with self._told(ErrorCode.STORE_UNAVAILABLE, "the job store"):
                job = await self._store.change(job.job_id, publish)
        except ControlPlaneError as error:
            # Both have confirmed already; upkeep orders it once more, which does no harm.
            log.warning("an order was not noted", job_id=job.job_id, reason=error.message)
        self._step("noted")
        return job

    def _told(self, code: ErrorCode, what: str) -> AbstractAsyncContextManager[None]:
        return told(code, what, timeout_s=self._options.step_timeout_s)
