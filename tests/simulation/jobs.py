"""Jobs of all priorities on a fleet that can do so many at a time: seeded, on virtual time.

Queue and store are those in memory, the fleet is a stand-in of fixed capacity; what takes, works
and settles is the real thing.
"""

from __future__ import annotations

import asyncio
import json
import uuid
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime
from random import Random

from control_plane.adapters.queues import MemoryQueue
from control_plane.adapters.stores import MemoryJobs
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    DetectionStatus,
    EngineResult,
    Priority,
)
from control_plane.core.jobs import Drain, DrainOptions, Job, JobReference, JobRequest
from control_plane.loops.work import WorkLoop, WorkOptions
from control_plane.ports import Message
from control_plane.services.jobs.adopting import Adoption, AdoptionOptions
from control_plane.services.jobs.attempt import AttemptOptions, Attempts
from control_plane.services.jobs.publishing import order_for

DAY_S = 86_400.0


@dataclass(frozen=True, slots=True)
class JobTraffic:
    """per_s: jobs that come of each priority. seconds: how long they come. slots: how many the
    fleet does at a time; takes_s: each, half to one and a half of it."""

    per_s: Mapping[Priority, float]
    seconds: float
    slots: int = 4
    takes_s: float = 0.4
    workers: int = 2

    @property
    def capacity_per_s(self) -> float:
        return self.slots / self.takes_s


@dataclass(slots=True)
class Waits:
    """Of each job how long it waited for the fleet, in the order in which they were done."""

    waits_s: dict[Priority, list[float]] = field(
        default_factory=lambda: {priority: [] for priority in Priority}
    )
    done_in_time: dict[Priority, int] = field(default_factory=lambda: dict.fromkeys(Priority, 0))
    """What was begun while jobs still came."""

    @property
    def done(self) -> int:
        return sum(map(len, self.waits_s.values()))


class JobSimulation:
    """One run of a traffic."""

    def __init__(
        self, traffic: JobTraffic, *, seed: int, drain: DrainOptions | None = None
    ) -> None:
        self._traffic = traffic
        self._rng = Random(seed)
        self._drain = drain or DrainOptions()
        self._busy = 0
        self._was_done = asyncio.Event()
        self._accepted_at_s: dict[str, float] = {}
        self._priorities: dict[str, Priority] = {}
        self.waits = Waits()
        self.most_busy = 0

    async def run(self) -> Waits:
        """Until all that came is done."""
        clock = _LoopClock()
        self._clock = clock
        self._jobs, self._queue = MemoryJobs(clock.now_s), MemoryQueue(clock)
        workers = [asyncio.create_task(self._worker(one)) for one in range(self._traffic.workers)]
        async with asyncio.TaskGroup() as group:
            for priority, per_s in self._traffic.per_s.items():
                group.create_task(self._come(priority, per_s))
        await self._until_done()
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
        return self.waits

    async def _until_done(self) -> None:
        while self.waits.done < len(self._accepted_at_s):
            self._was_done.clear()
            await self._was_done.wait()

    async def _come(self, priority: Priority, per_s: float) -> None:
        until_s = self._clock.now_s() + self._traffic.seconds
        while True:
            await asyncio.sleep(self._rng.expovariate(per_s))
            if self._clock.now_s() >= until_s:
                return
            await self._accept(priority)

    async def _accept(self, priority: Priority) -> None:
        job_id = str(uuid.UUID(int=self._rng.getrandbits(128), version=4))
        job, _ = await self._jobs.add(
            lambda now_s: Job(
                job_id=job_id,
                request=JobRequest(("damage",), "simulated", photo_url="file:///roof.jpg"),
                priority=priority,
                created_at_s=now_s,
                updated_at_s=now_s,
                due_at_s=now_s,
                deadline_at_s=now_s + DAY_S,
            )
        )
        self._accepted_at_s[job_id] = self._clock.now_s()
        self._priorities[job_id] = priority
        order: Message = order_for(job)
        await self._queue.publish(order)

    async def _worker(self, number: int) -> None:
        queue = self._queue.another()
        attempts = Attempts(
            f"worker-{number}",
            store=self._jobs,
            queue=queue,
            uploads=_Nothing(),
            photos=_Nothing(),
            detection=self,
            adoption=Adoption(
                store=self._jobs, read_message=_read, options=AdoptionOptions(DAY_S, DAY_S)
            ),
            clock=self._clock,
            rng=self._rng,
            options=AttemptOptions(),
        )
        loop = WorkLoop(
            attempts,
            queue=queue,
            upkeep=self._jobs,
            drain=Drain(self._drain),
            room=lambda _: self._traffic.slots - self._busy,
            clock=self._clock,
            rng=self._rng,
            options=WorkOptions(concurrency=self._traffic.slots // self._traffic.workers),
        )
        await loop.run()

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        """The fleet."""
        priority = self._priorities[request.request_id]
        waited_s = self._clock.now_s() - self._accepted_at_s[request.request_id]
        self._busy += 1
        self.most_busy = max(self.most_busy, self._busy)
        await asyncio.sleep(self._traffic.takes_s * (0.5 + self._rng.random()))
        self._busy -= 1
        self.waits.waits_s[priority].append(waited_s)
        self._was_done.set()
        if self._clock.now_s() <= self._traffic.seconds:
            self.waits.done_in_time[priority] += 1
        return DetectionAnswer(
            request_id=request.request_id,
            detection_id=request.request_id,
            correlation_id=request.correlation_id,
            status=DetectionStatus.COMPLETED,
            results={
                engine: EngineResult({}, "1.0.0", "simulated", attempts=1)
                for engine in request.engines
            },
            errors={},
            processing_time_ms=0.0,
            timestamp=datetime.fromtimestamp(self._clock.now_s(), UTC),
        )


class _LoopClock:
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


class _Nothing:
    """Uploads and PhotoSource of photos that nobody looks at."""

    def check(self, url: str) -> None:
        """All are allowed."""

    async def fetch(self, url: str) -> bytes:
        return b"photo"

    async def put(self, job_id: str, photo: bytes) -> None:
        raise NotImplementedError

    async def get(self, job_id: str) -> bytes:
        raise NotImplementedError

    async def remove(self, job_id: str) -> None:
        raise NotImplementedError


def _read(body: bytes) -> JobReference:
    return JobReference(json.loads(body)["job_id"])
