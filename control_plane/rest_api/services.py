"""What the REST edge needs of the rest of Tidegate, as small protocols.

``bootstrap`` fills :class:`RestServices` with the real ones; unit tests with fakes.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from control_plane.core.detections import DetectionAnswer, DetectionRequest, Priority
from control_plane.core.jobs import Job, JobFigures, JobFilter
from control_plane.core.tracing import TraceView
from control_plane.ports import Clock, PhotoSource
from control_plane.rest_api.hosts import ANY, AllowedHosts
from control_plane.rest_api.log_level import LogLevelService
from control_plane.rest_api.registration import RegistrationService
from control_plane.services.accuracy import AccuracyService
from control_plane.services.feedback import FeedbackService
from control_plane.services.jobs.intake import Submission
from control_plane.services.operations import Action
from control_plane.services.rollout_requests import PlanDefaults, RolloutService
from control_plane.services.standing import Standing
from control_plane.services.status import ChangeView, EngineView, InstanceView
from control_plane.services.tracing import NOT_TRACED, Tracer
from control_plane.services.traffic import CurvesView, TrafficView

__all__ = [
    "DetectionService",
    "IntakeService",
    "JobDesk",
    "MetricsText",
    "OperationsService",
    "PlanDefaults",
    "RegistrationService",
    "RestLimits",
    "RestServices",
    "RolloutService",
    "Standing",
    "StandingService",
    "StatusService",
    "TraceService",
    "TrafficService",
]


class DetectionService(Protocol):
    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        """One answer, whole or partial. Raises ControlPlaneError for the caller's mistakes."""
        ...

    def known_engines(self) -> tuple[str, ...]:
        """The names a caller may ask for."""
        ...


class StatusService(Protocol):
    def engines(self) -> tuple[EngineView, ...]: ...

    def instances(self) -> tuple[InstanceView, ...]: ...

    def instance(self, name: str) -> InstanceView:
        """Raises ControlPlaneError(NOT_FOUND), as ``history`` does."""
        ...

    def history(self, name: str) -> tuple[ChangeView, ...]: ...

    def changes(self, limit: int) -> tuple[ChangeView, ...]: ...

    @property
    def is_stopping(self) -> bool:
        """Whether the process is about to stop."""
        ...

    def is_ready(self) -> bool:
        """Whether requests are to be sent to this process."""
        ...


class StandingService(Protocol):
    def now(self) -> Standing:
        """What this control plane is among the others."""
        ...


class OperationsService(Protocol):
    async def act(
        self, action: Action, name: str, *, who: str, reason: str = "", force: bool = False
    ) -> None:
        """who: as ``check_who`` lets it through.

        Raises ControlPlaneError: NOT_FOUND, INVALID_ARGUMENT, CONFLICT.
        """
        ...


class IntakeService(Protocol):
    async def submit(self, submission: Submission) -> Job:
        """The job, kept for good; a repeat under the same idempotency key is the same job.

        Raises ControlPlaneError: CONFLICT for another request under that key, OVERLOADED,
        STORE_UNAVAILABLE, QUEUE_UNAVAILABLE, PHOTO_UNAVAILABLE.
        """
        ...


class JobDesk(Protocol):
    """Jobs looked at and steered. Raises STORE_UNAVAILABLE; what names a job, NOT_FOUND."""

    async def get(self, job_id: str) -> Job: ...

    async def find(self, wanted: JobFilter, *, limit: int) -> tuple[Job, ...]:
        """The latest first, without their answers and raw messages."""
        ...

    async def figures(self) -> JobFigures: ...

    async def depths(self) -> Mapping[Priority, int]:
        """Messages in the queue. Raises QUEUE_UNAVAILABLE."""
        ...

    async def wait(self, job_id: str, *, timeout_s: float) -> Job:
        """The job once it is finished. Raises DEADLINE_EXCEEDED; OVERLOADED."""
        ...

    def watch(self, job_id: str) -> AsyncIterator[Job]:
        """The job now, and again with each change, until it is finished."""
        ...

    async def replay(self, job_id: str, *, who: str, reason: str = "") -> Job:
        """Raises CONFLICT for a job that is no dead letter, as ``discard`` does."""
        ...

    async def discard(self, job_id: str, *, who: str, reason: str = "") -> Job: ...

    async def resend(self, job_id: str, *, who: str, reason: str = "") -> Job:
        """Its result is delivered again. Raises CONFLICT where none was given up."""
        ...

    async def replay_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        """The ids of the dead letters among those wanted that were replayed."""
        ...

    async def discard_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]: ...

    async def resend_all(
        self, wanted: JobFilter, *, limit: int, who: str, reason: str = ""
    ) -> tuple[str, ...]:
        """The ids of the jobs among those wanted whose result was given up and is sent again."""
        ...


class MetricsText(Protocol):
    async def render(self) -> bytes:
        """All metrics in Prometheus' text format. It never fails."""
        ...


class TrafficService(Protocol):
    def summary(self) -> TrafficView: ...

    def curves(self, engine: str, span_s: float) -> CurvesView: ...


class TraceService(Tracer, Protocol):
    def find(self, name: str) -> TraceView | None:
        """The trace that an id names, of a trace, a correlation, a request or a job."""
        ...

    def recent(
        self,
        *,
        limit: int,
        engine: str | None = None,
        is_error: bool | None = None,
        slower_than_s: float | None = None,
    ) -> tuple[TraceView, ...]:
        """The latest first."""
        ...

    def count(self) -> int | None:
        """How many are kept; None where nothing is recorded."""
        ...


@dataclass(frozen=True, slots=True)
class RestLimits:
    """The bounds of one request.

    max_bytes: the largest encoded photo (``photos.max_bytes``).
    timeout_s: the deadline of a caller who names none (``requests.timeout_s``).
    max_timeout_s: the longest deadline a caller may name (``requests.max_timeout_s``).
    body_timeout_s: how long the whole body of a request may take to arrive.
    max_deadline_s: the longest time a job may be given (``jobs.max_deadline_s``).
    max_watchers: event streams open at once; they are requests under way, and must leave room.
    """

    max_bytes: int
    timeout_s: float
    max_timeout_s: float
    body_timeout_s: float = 60.0
    max_deadline_s: float = 604_800.0
    max_watchers: int = 64


def _nothing() -> None:
    """Where no registry is asked."""


@dataclass(frozen=True, slots=True)
class RestServices:
    """Everything behind the REST edge. hasten: has the registry asked now.

    stopping: set when the server stops (:class:`~control_plane.rest_api.server.HttpServer`);
        event streams then end.
    hosts: the names that are answered to.
    """

    detection: DetectionService
    status: StatusService
    operations: OperationsService
    photos: PhotoSource
    clock: Clock
    limits: RestLimits
    version: str
    rollouts: RolloutService
    plan_defaults: PlanDefaults
    registration: RegistrationService
    standing: StandingService
    intake: IntakeService
    jobs: JobDesk
    feedback: FeedbackService
    accuracy: AccuracyService
    metrics: MetricsText
    traffic: TrafficService
    log_level: LogLevelService
    traces: TraceService = NOT_TRACED
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    hasten: Callable[[], None] = _nothing
    hosts: AllowedHosts = field(default_factory=lambda: AllowedHosts((ANY,)))
