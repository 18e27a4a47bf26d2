"""Jobs in memory: what the edges need of the services, and jobs in every state."""

from __future__ import annotations

import asyncio
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineResult,
    Priority,
)
from control_plane.core.jobs import (
    DeadReason,
    Handover,
    IllegalJobEvent,
    Job,
    JobError,
    JobEvent,
    JobFigures,
    JobFilter,
    JobRequest,
    transitions,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.services.jobs.intake import Submission

NOON_S = datetime(2025, 1, 31, 12, tzinfo=UTC).timestamp()
JOB_ID = "0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11"
FIGURES = JobFigures(
    waiting={Priority.HIGH: 1, Priority.LOW: 40},
    oldest_age_s={Priority.LOW: 12.5},
    states={DetectionStatus.QUEUED: 41},
    dead={DeadReason.FAILED: 2},
    undelivered=1,
    sending=3,
)
DEPTHS = {Priority.HIGH: 1, Priority.NORMAL: 0, Priority.LOW: 39}


FINDINGS: Mapping[str, Mapping[str, object]] = {
    "damage": {"detections": [], "counts": {"hail": 1}},
    "materials": {"items": [], "counts": {"shingle": 2}},
    "volume": {"volume_m3": 4.125, "confidence": 0.87},
}


def make_job(job_id: str = JOB_ID, **changes: Any) -> Job:
    request = JobRequest(("damage", "volume"), "c-1", photo_url="file:///photos/roof.jpg")
    job = Job(
        job_id=job_id,
        request=request,
        priority=Priority.NORMAL,
        created_at_s=NOON_S,
        updated_at_s=NOON_S,
        due_at_s=NOON_S,
        deadline_at_s=NOON_S + 3600,
        published_at_s=NOON_S,
    )
    return replace(job, **changes)


def dead_job(job_id: str = JOB_ID, **changes: Any) -> Job:
    error = JobError(ErrorCode.PHOTO_UNAVAILABLE, "the store is away", NOON_S + 5, "photo_url")
    return make_job(
        job_id,
        **{
            "state": DetectionStatus.FAILED,
            "attempts": 10,
            "error": error,
            "dead": DeadReason.FAILED,
            "handover": Handover(0, attempts=3, error="HTTP 500"),
            **changes,
        },
    )


def finished(job: Job) -> Job:
    """The job with everything that was asked."""
    assert job.request is not None
    results = {
        engine: EngineResult(FINDINGS[engine], "1.1.0", "triton-0", 1)
        for engine in job.request.engines
    }
    answer = DetectionAnswer(
        request_id=job.job_id,
        detection_id=JOB_ID,
        correlation_id=job.request.correlation_id,
        status=DetectionStatus.COMPLETED,
        results=results,
        errors={},
        processing_time_ms=12.5,
        timestamp=datetime(2025, 1, 31, 12, tzinfo=UTC),
        photo_id=job.request.photo_id,
    )
    return replace(
        job, state=DetectionStatus.COMPLETED, answer=answer, updated_at_s=job.updated_at_s + 1
    )


@dataclass
class FakeJobs:
    """An intake and a desk over a dictionary.

    on_submit: what becomes of a job as soon as it is taken in. error: raised by everything.
    counted: its figures.
    """

    jobs: dict[str, Job] = field(default_factory=dict)
    on_submit: Callable[[Job], Job] = lambda job: job
    error: ControlPlaneError | None = None
    wait_error: ControlPlaneError | None = None
    submitted: list[Submission] = field(default_factory=list)
    done: list[tuple[Any, ...]] = field(default_factory=list)
    waited_s: list[float] = field(default_factory=list)
    changed: asyncio.Event = field(default_factory=asyncio.Event)
    counted: JobFigures = FIGURES
    watching: int = 0
    is_watched: asyncio.Event = field(default_factory=asyncio.Event)

    def put(self, *jobs: Job) -> None:
        for job in jobs:
            self.jobs[job.job_id] = job
        self.changed.set()
        self.changed = asyncio.Event()

    async def submit(self, submission: Submission) -> Job:
        self._check()
        self.submitted.append(submission)
        key = submission.idempotency_key
        for job in self.jobs.values():
            if key is not None and job.idempotency_key == key:
                return job
        job = make_job(
            str(uuid.uuid4()),
            request=submission.request,
            priority=submission.priority,
            idempotency_key=key,
        )
        self.put(self.on_submit(job))
        return self.jobs[job.job_id]

    async def get(self, job_id: str) -> Job:
        self._check()
        if job_id not in self.jobs:
            raise ControlPlaneError(ErrorCode.NOT_FOUND, "no such job", field="job")
        return self.jobs[job_id]

    async def find(self, wanted: JobFilter, *, limit: int) -> tuple[Job, ...]:
        self._check()
        self.done.append(("find", wanted, limit))
        found = [replace(job, answer=None, raw=None) for job in self.jobs.values()]
        return tuple(found)[:limit]

    async def figures(self) -> JobFigures:
        self._check()
        return self.counted

    async def depths(self) -> Mapping[Priority, int]:
        self._check()
        return DEPTHS

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        self.waited_s.append(timeout_s)
        job = await self.get(job_id)
        if not job.is_finished:
            raise self.wait_error or ControlPlaneError(ErrorCode.DEADLINE_EXCEEDED, "too late")
        return job

    async def watch(self, job_id: str) -> AsyncIterator[Job]:
        self.watching += 1
        self.is_watched.set()
        try:
            shown = None
            while True:
                changed = self.changed
                job = await self.get(job_id)
                if job != shown:
                    shown = job
                    yield job
                if job.is_finished:
                    return
                await changed.wait()
        finally:
            self.watching -= 1

    async def replay(self, job_id: str, *, who: str, reason: str = "") -> Job:
        job = await self.get(job_id)
        self.put(transitions.replay(job, NOON_S + 10, deadline_s=60))
        self.done.append(("replay", job_id, who, reason))
        return self.jobs[job_id]

    async def discard(self, job_id: str, *, who: str, reason: str = "") -> Job:
        job = await self.get(job_id)
        self.put(transitions.discard(job, NOON_S + 10))
        self.done.append(("discard", job_id, who, reason))
        return self.jobs[job_id]

    async def resend(self, job_id: str, *, who: str, reason: str = "") -> Job:
        job = await self.get(job_id)
        if job.handover is None or not job.handover.is_given_up:
            raise IllegalJobEvent(job.state, JobEvent.REPLAY)
        self.done.append(("resend", job_id, who, reason))
        self.put(replace(job, handover=replace(job.handover, due_at_s=NOON_S + 10)))
        return self.jobs[job_id]

    async def replay_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        return self._all("replay_all", wanted, limit, who, reason)

    async def discard_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        return self._all("discard_all", wanted, limit, who, reason)

    async def resend_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        return self._all("resend_all", wanted, limit, who, reason)

    def _all(self, *what: Any) -> tuple[str, ...]:
        self._check()
        self.done.append(what)
        return tuple(job.job_id for job in self.jobs.values() if job.dead)[: what[2]]

    def _check(self) -> None:
        if self.error is not None:
            raise self.error
