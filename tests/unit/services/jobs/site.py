"""Everything that jobs meet, in memory and on virtual time, and faults that can be put in."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random
from typing import Any

from control_plane.adapters.queues.memory import MemoryQueue
from control_plane.adapters.stores.memory_jobs import MemoryJobs
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    EngineFailure,
    EngineResult,
    Priority,
    overall_status,
)
from control_plane.core.jobs import (
    ForeignOrder,
    Job,
    JobFigures,
    JobFilter,
    JobReference,
    JobRequest,
    JobRetryOptions,
    OrderMessage,
)
from control_plane.core.state import AuditEntry
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.ports import (
    Delivery,
    Due,
    Message,
    QueueUnavailable,
    ResultRefused,
    ResultUnsent,
    StoreUnavailable,
)
from control_plane.services.jobs.adopting import Adoption, AdoptionOptions
from control_plane.services.jobs.attempt import AttemptOptions, Attempts
from control_plane.services.jobs.delivering import Delivering, DeliveryOptions
from control_plane.services.jobs.depths import QueueDepths
from control_plane.services.jobs.desk import Desk, DeskOptions
from control_plane.services.jobs.intake import Intake, IntakeOptions, Submission
from control_plane.services.jobs.upkeep import Upkeep, UpkeepOptions
from control_plane.services.jobs.watching import Watching
from control_plane.services.tracing import NOT_TRACED, Tracer
from tests.unit.fakes import FakeInspector, FakePhotos

EPOCH_S = 1_700_000_000.0
DAY_S = 86_400.0
URL = "s3://roofs/1.jpg"
PHOTO = b"photo of a roof"


class Crash(BaseException):
    """The process is gone: nothing of it tidies up."""


class Clock:
    """The running loop's."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


def now_s() -> float:
    return EPOCH_S + Clock().now_s()


def crash_at(wanted: str) -> Callable[[str], None]:
    def step(name: str) -> None:
        if name == wanted:
            raise Crash(name)

    return step


@dataclass(slots=True)
class Faults:
    """is_away: no call is answered. fails_at: the number of the call, from 1, that fails, and
    whether it is done all the same."""

    error: Callable[[], Exception]
    is_away: bool = False
    fails_at: tuple[int, bool] | None = None
    calls: int = 0

    def before(self) -> bool:
        """Whether the call is to fail once it is done."""
        self.calls += 1
        if self.is_away:
            raise self.error()
        if self.fails_at is not None and self.fails_at[0] == self.calls:
            if self.fails_at[1]:
                return True
            raise self.error()
        return False

    def after(self, is_lost: bool) -> None:
        if is_lost:
            raise self.error()


class FaultyJobs:
    """JobStore and JobUpkeep whose answers may get lost."""

    def __init__(self, jobs: MemoryJobs) -> None:
        self.jobs = jobs
        self.faults = Faults(lambda: StoreUnavailable("it is away"))

    async def add(self, make: Callable[[float], Job]) -> tuple[Job, bool]:
        is_lost = self.faults.before()
        added = await self.jobs.add(make)
        self.faults.after(is_lost)
        return added

    async def change(self, job_id: str, decide: Callable[[Job, float], Job]) -> Job:
        is_lost = self.faults.before()
        job = await self.jobs.change(job_id, decide)
        self.faults.after(is_lost)
        return job

    async def get(self, job_id: str) -> Job | None:
        self.faults.before()
        return await self.jobs.get(job_id)

    async def find(self, wanted: JobFilter, *, limit: int = 50) -> tuple[Job, ...]:
        self.faults.before()
        return await self.jobs.find(wanted, limit=limit)

    async def due(self, what: Due, *, since_s: float, limit: int) -> tuple[str, ...]:
        self.faults.before()
        return await self.jobs.due(what, since_s=since_s, limit=limit)

    async def states_of(self, job_ids: Sequence[str]) -> Mapping[str, tuple[str, float]]:
        self.faults.before()
        return await self.jobs.states_of(job_ids)

    async def forget(self, *, finished_s: float, dead_s: float, limit: int) -> tuple[str, ...]:
        self.faults.before()
        return await self.jobs.forget(finished_s=finished_s, dead_s=dead_s, limit=limit)

    async def figures(self) -> JobFigures:
        self.faults.before()
        return await self.jobs.figures()


class FaultyQueue:
    """JobQueue as one process has it."""

    def __init__(self, queue: MemoryQueue) -> None:
        self.queue = queue
        self.faults = Faults(lambda: QueueUnavailable("it is away"))

    async def publish(self, message: Message) -> None:
        is_lost = self.faults.before()
        await self.queue.publish(message)
        self.faults.after(is_lost)

    async def take(self, wanted: Mapping[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        self.faults.before()
        return await self.queue.take(wanted, wait_s=wait_s)

    async def settle(self, delivery: Delivery, *, retry_in_s: float | None = None) -> None:
        is_lost = self.faults.before()
        await self.queue.settle(delivery, retry_in_s=retry_in_s)
        self.faults.after(is_lost)

    async def depths(self) -> Mapping[Priority, int]:
        self.faults.before()
        return await self.queue.depths()


@dataclass(slots=True)
class FakeUploads:
    """Uploads. puts: how often a photo was kept."""

    photos: dict[str, bytes] = field(default_factory=dict)
    put_at_s: dict[str, float] = field(default_factory=dict)
    puts: int = 0
    is_away: bool = False

    async def put(self, job_id: str, photo: bytes) -> None:
        self._check()
        self.puts += 1
        self.photos[job_id] = photo
        self.put_at_s[job_id] = now_s()

    async def get(self, job_id: str) -> bytes:
        self._check()
        if job_id not in self.photos:
            raise ControlPlaneError(ErrorCode.PHOTO_NOT_FOUND, "no such photo", field="photo")
        return self.photos[job_id]

    async def remove(self, job_id: str) -> None:
        self._check()
        self.photos.pop(job_id, None)

    async def old(self, *, after: str, age_s: float, limit: int) -> tuple[str, ...]:
        self._check()
        found = sorted(
            one for one in self.photos if one > after and now_s() - self.put_at_s[one] >= age_s
        )
        return tuple(found[:limit])

    def _check(self) -> None:
        if self.is_away:
            raise ControlPlaneError(ErrorCode.PHOTO_UNAVAILABLE, "where photos lie is away")


@dataclass(slots=True)
class FakeDetection:
    """Finds another thing each time it is asked, so that two answers are never alike.

    failures: what engines say instead, in turn. refusals: what the whole is refused with, in turn.
    takes_s: how long an answer takes.
    """

    failures: dict[str, list[EngineFailure]] = field(default_factory=dict)
    refusals: list[Exception] = field(default_factory=list)
    takes_s: float = 0.0
    requests: list[DetectionRequest] = field(default_factory=list)

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        self.requests.append(request)
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        if self.refusals:
            raise self.refusals.pop(0)
        errors, results = {}, {}
        for engine in request.engines:
            if self.failures.get(engine):
                errors[engine] = self.failures[engine].pop(0)
            else:
                found = {"call": len(self.requests)}
                results[engine] = EngineResult(found, "1.0.0", "triton-0", 1)
        return DetectionAnswer(
            request_id=request.request_id,
            detection_id=f"detection {len(self.requests)}",
            correlation_id=request.correlation_id,
            status=overall_status(len(results), len(errors)),
            results=results,
            errors=errors,
            processing_time_ms=1.0,
            timestamp=datetime(2025, 1, 31, 12, tzinfo=UTC),
            photo_id=request.photo_id,
        )


@dataclass(slots=True)
class FakeSink:
    """A receiver. answers: what it says, in turn; None and all after them: it has it."""

    answers: list[Exception | None] = field(default_factory=list)
    received: dict[str, set[bytes]] = field(default_factory=dict)
    sends: int = 0
    headers: list[dict[str, str]] = field(default_factory=list)
    takes_s: float = 0.0

    async def send(
        self, result_id: str, body: bytes, *, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        self.sends += 1
        self.headers.append(dict(headers))
        self.received.setdefault(result_id, set()).add(body)
        if self.takes_s:
            await asyncio.sleep(self.takes_s)
        answer = self.answers.pop(0) if self.answers else None
        if answer is not None:
            raise answer


UNSENT = ResultUnsent("come again")
REFUSED = ResultRefused("never")


def read_message(body: bytes) -> OrderMessage:
    """As the edge of the queue reads one, near enough."""
    try:
        document: Any = json.loads(body)
        if "job_id" in document:
            return JobReference(document["job_id"])
        deadline = document.get("deadline")
        return ForeignOrder(
            JobRequest(tuple(document["engines"]), "from the queue", photo_url=document["url"]),
            document.get("key"),
            None if deadline is None else datetime.fromtimestamp(deadline, UTC),
        )
    except (ValueError, KeyError, TypeError) as error:
        raise InvalidArgument(f"this is no order: {error!r}", field="body") from error


class Site:
    """What all processes share, and the processes."""

    def __init__(self, *, retries: JobRetryOptions | None = None, is_sent: bool = False) -> None:
        self.store = FaultyJobs(MemoryJobs(now_s))
        self.messages = MemoryQueue(Clock(), max_deliveries=1_000)
        self.queue = FaultyQueue(self.messages)
        self.uploads = FakeUploads()
        self.photos = FakePhotos({URL: PHOTO})
        self.detection = FakeDetection()
        self.sink = FakeSink()
        self.audit: list[AuditEntry] = []
        self.retries = retries or JobRetryOptions(max_attempts=3)
        self.is_sent = is_sent
        self.rng = Random(7)
        self.tracing: Tracer = NOT_TRACED

    def intake(
        self, *, max_waiting: int = 1_000, step: Callable[[str], None] | None = None
    ) -> Intake:
        return Intake(
            store=self.store,
            upkeep=self.store,
            queue=self.queue,
            uploads=self.uploads,
            photos=self.photos,
            inspector=FakeInspector(),
            clock=Clock(),
            options=IntakeOptions(DAY_S, 7 * DAY_S, max_waiting),
            step=step or (lambda _: None),
        )

    def adoption(self) -> Adoption:
        return Adoption(
            store=self.store,
            read_message=read_message,
            options=AdoptionOptions(DAY_S, 7 * DAY_S),
        )

    def worker(
        self,
        name: str = "worker",
        *,
        queue: FaultyQueue | None = None,
        step: Callable[[str], None] | None = None,
    ) -> Attempts:
        return Attempts(
            name,
            store=self.store,
            queue=queue or self.queue,
            uploads=self.uploads,
            photos=self.photos,
            detection=self.detection,
            adoption=self.adoption(),
            clock=Clock(),
            rng=self.rng,
            options=AttemptOptions(is_sent=self.is_sent, store="here.db", retries=self.retries),
            tracing=self.tracing,
            step=step or (lambda _: None),
        )

    def upkeep(self) -> Upkeep:
        return Upkeep(
            "plane",
            store=self.store,
            upkeep=self.store,
            queue=self.queue,
            uploads=self.uploads,
            options=UpkeepOptions(7 * DAY_S, 30 * DAY_S, is_sent=self.is_sent),
        )

    def desk(self) -> Desk:
        async def record(entry: AuditEntry) -> None:
            self.audit.append(entry)

        return Desk(
            store=self.store,
            upkeep=self.store,
            queue=self.queue,
            depths=QueueDepths(self.queue),
            uploads=self.uploads,
            watching=Watching(store=self.store, upkeep=self.store),
            record=record,
            options=DeskOptions(DAY_S),
        )

    def delivering(self) -> Delivering:
        return Delivering(
            store=self.store,
            upkeep=self.store,
            sink=self.sink,
            rng=self.rng,
            options=DeliveryOptions(max_attempts=3),
            tracing=self.tracing,
        )

    async def take(
        self, *, wait_s: float = 0.0, queue: FaultyQueue | None = None
    ) -> list[Delivery]:
        wanted = dict.fromkeys(Priority, 10)
        return list(await (queue or self.queue).queue.take(wanted, wait_s=wait_s))

    async def work(self, attempts: Attempts | None = None, *, wait_s: float = 400.0) -> None:
        """Until no message comes within the time."""
        attempts = attempts or self.worker()
        while taken := await self.take(wait_s=wait_s):
            for delivery in taken:
                await attempts.handle(delivery)

    async def job(self, job_id: str) -> Job:
        job = await self.store.jobs.get(job_id)
        assert job is not None
        return job

    async def all_jobs(self) -> tuple[Job, ...]:
        return await self.store.jobs.find(JobFilter(), limit=10_000)

    async def publish(self, body: bytes, *, message_id: str = "m-1") -> None:
        await self.messages.publish(Message(message_id, Priority.NORMAL, body))


REQUEST = JobRequest(("damage", "volume"), "roof-7", photo_url=URL)


def submission(
    *,
    photo: bytes | None = None,
    key: str | None = None,
    engines: tuple[str, ...] = ("damage", "volume"),
    deadline_s: float | None = None,
    priority: Priority = Priority.NORMAL,
) -> Submission:
    request = JobRequest(engines, "roof-7", photo_url=None if photo is not None else URL)
    return Submission(request, priority, photo, key, deadline_s)
