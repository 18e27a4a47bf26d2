"""A job as it is stored: what is asked, how far it has come, and what was found.

Times are seconds since the epoch on the job store's clock, which all planes and workers share.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.core.detections import DetectionAnswer, DetectionStatus, Priority
from control_plane.core.jobs.states import FINISHED, DeadReason
from control_plane.core.tracing import TraceContext
from control_plane.errors import ErrorCode


@dataclass(frozen=True, slots=True)
class JobRequest:
    """What is asked about a photo, every value checked.

    engines: in the order asked. photo_url: None where the photo was uploaded with the job.
    routing_key: the caller's own; without one the job's id is hashed, so that every attempt
        falls on the same side of a split.
    trace: the span that it was asked by; no part of what is asked.
    """

    engines: tuple[str, ...]
    correlation_id: str
    photo_url: str | None = None
    photo_id: str | None = None
    releases: Mapping[str, str] = field(default_factory=dict)
    metadata: Mapping[str, str] = field(default_factory=dict)
    routing_key: str | None = None
    trace: TraceContext | None = None


@dataclass(frozen=True, slots=True)
class Claim:
    """Who works on a job. It is somebody else's as soon as worker, run or attempt differ."""

    worker: str
    run: int
    attempt: int
    expires_at_s: float

    def is_same(self, other: Claim | None) -> bool:
        """Whether it is this claim, however often it was renewed since."""
        return other is not None and (self.worker, self.run, self.attempt) == (
            other.worker,
            other.run,
            other.attempt,
        )


@dataclass(frozen=True, slots=True)
class JobError:
    """Why the latest attempt that failed did."""

    code: ErrorCode
    message: str
    at_s: float
    field: str | None = None


@dataclass(frozen=True, slots=True)
class Handover:
    """The delivery of one run's result to where results are sent.

    due_at_s: the next try; None once it is over: delivered, or given up.
    """

    run: int
    attempts: int = 0
    due_at_s: float | None = None
    delivered_at_s: float | None = None
    error: str | None = None

    @property
    def is_given_up(self) -> bool:
        return self.due_at_s is None and self.delivered_at_s is None


@dataclass(frozen=True, slots=True)
class Job:
    """One job.

    job_id: a UUID; callers know it as the request's id.
    request: None for a message from the queue that could not be read; raw: that message.
    fingerprint: of what was asked, to tell a repeat from another request under the same key.
    published_at_s: when the queue confirmed the order to look at it; None until then.
    due_at_s: not to be worked on before. deadline_at_s: not any more after.
    run: 0, and one more with each replay. attempts: of this run.
    answer: of a finished job; of one that waits for its next attempt, what was found so far.
    """

    job_id: str
    request: JobRequest | None
    priority: Priority
    created_at_s: float
    updated_at_s: float
    due_at_s: float
    deadline_at_s: float
    state: DetectionStatus = DetectionStatus.QUEUED
    idempotency_key: str | None = None
    fingerprint: str = ""
    raw: str | None = None
    published_at_s: float | None = None
    run: int = 0
    attempts: int = 0
    claim: Claim | None = None
    answer: DetectionAnswer | None = None
    error: JobError | None = None
    dead: DeadReason | None = None
    handover: Handover | None = None

    @property
    def is_finished(self) -> bool:
        return self.state in FINISHED

    @property
    def is_discarded(self) -> bool:
        """Failed, and taken off the dead letters by a person."""
        return self.state is DetectionStatus.FAILED and self.dead is None

    @property
    def is_waiting(self) -> bool:
        """Nobody has it in hand, and somebody is to take it."""
        return self.state is DetectionStatus.QUEUED

    @property
    def is_uploaded(self) -> bool:
        """Whether its photo came with it and is kept for it."""
        return self.request is not None and self.request.photo_url is None

    @property
    def engines_left(self) -> tuple[str, ...]:
        """The engines that have not answered yet."""
        if self.request is None:
            return ()
        found = self.answer.results if self.answer is not None else {}
        return tuple(engine for engine in self.request.engines if engine not in found)

    @property
    def routing_key(self) -> str:
        """What the split is made by, the same in every attempt."""
        given = self.request.routing_key if self.request is not None else None
        return given or self.job_id


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; what is None does not matter. An engine: one that was asked for.

    before: only those accepted before the job of this id, for reading on page by page.
    code: of their error. is_undelivered: whose result was given up on its way.
    """

    states: frozenset[DetectionStatus] | None = None
    priority: Priority | None = None
    dead: DeadReason | None = None
    is_dead: bool | None = None
    is_undelivered: bool | None = None
    engine: str | None = None
    code: ErrorCode | None = None
    correlation_id: str | None = None
    created_after_s: float | None = None
    created_before_s: float | None = None
    before: str | None = None


@dataclass(frozen=True, slots=True)
class JobFigures:
    """How many jobs there are, for people and for what scales the workers.

    waiting: queued, by priority, those that wait for their next attempt too.
    oldest_age_s: by priority, how long ago the oldest that is due was accepted; 0 without one.
    states: of the jobs that are not finished; those that are nobody counts every few seconds.
    dead: by reason. undelivered: results that were given up on their way.
    sending: results that are to be sent, or wait for their next try.
    """

    waiting: Mapping[Priority, int] = field(default_factory=dict)
    oldest_age_s: Mapping[Priority, float] = field(default_factory=dict)
    states: Mapping[DetectionStatus, int] = field(default_factory=dict)
    dead: Mapping[DeadReason, int] = field(default_factory=dict)
    undelivered: int = 0
    sending: int = 0
