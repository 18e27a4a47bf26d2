"""Who accepts jobs in a run, and writes down what was accepted once it was told so."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Sequence

from control_plane.core.jobs import Job, JobRequest
from control_plane.errors import ControlPlaneError
from control_plane.ports import Message
from control_plane.services.jobs.intake import Intake, IntakeOptions, Submission
from tests.integration.queue_faults.assembly import (
    DAY_S,
    PHOTO,
    PHOTO_URL,
    PHOTOS,
    AnyPhoto,
    Parts,
    Place,
    opened,
)
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import ENGINES, Planned

SUBMITTERS = 8
AGAIN_S = 0.2


class CopyingQueue:
    """JobQueue of who only publishes, each message so many times."""

    def __init__(self, parts: Parts, copies: int) -> None:
        self._queue = parts.queue
        self._copies = copies
        self.take = self._queue.take
        self.settle = self._queue.settle
        self.depths = self._queue.depths

    async def publish(self, message: Message) -> None:
        for _ in range(self._copies):
            await self._queue.publish(message)


async def submit_all(
    place: Place, jobs: Sequence[Planned], per_s: float, step: Callable[[str], None]
) -> None:
    """All that its predecessors did not get accepted, so many a second; 0: as many as go."""
    notes = Notes(place.folder)
    done = notes.accepted()
    waiting = iter([one for one in jobs if one.number not in done])
    async with opened(place) as parts:
        intake = _intake(parts, CopyingQueue(parts, place.copies), step)

        async def submitter() -> None:
            for planned in waiting:
                for _ in range(1 + planned.is_repeated):
                    job = await _accepted(intake, planned, notes)
                    notes.accept(planned.number, job.job_id)
                if per_s:
                    await asyncio.sleep(SUBMITTERS / per_s)

        async with asyncio.TaskGroup() as group:
            for _ in range(SUBMITTERS):
                group.create_task(submitter())


def _intake(parts: Parts, queue: CopyingQueue, step: Callable[[str], None]) -> Intake:
    return Intake(
        store=parts.jobs,
        upkeep=parts.jobs,
        queue=queue,
        uploads=parts.uploads,
        photos=PHOTOS,
        inspector=AnyPhoto(),
        clock=parts.clock,
        options=IntakeOptions(
            deadline_s=DAY_S, max_deadline_s=DAY_S, max_waiting=1_000_000, step_timeout_s=10.0
        ),
        step=lambda name: step(f"intake {name}"),
    )


async def _accepted(intake: Intake, planned: Planned, notes: Notes) -> Job:
    """As a caller that wants its job done: again under the same key until it is accepted."""
    while True:
        try:
            return await intake.submit(_submission(planned))
        except ControlPlaneError as refusal:
            notes.refuse(planned.number, refusal.code.value)
            await asyncio.sleep(AGAIN_S)


def _submission(planned: Planned) -> Submission:
    request = JobRequest(
        ENGINES, planned.correlation_id, photo_url=None if planned.is_uploaded else PHOTO_URL
    )
    return Submission(
        request,
        planned.priority,
        photo=PHOTO if planned.is_uploaded else None,
        idempotency_key=planned.key,
    )


def accept_all(place: Place, jobs: Sequence[Planned]) -> tuple[float, float]:
    """Seconds that it takes, on the clock and of the processor; nothing is written down."""

    async def accept() -> tuple[float, float]:
        waiting = iter(jobs)
        async with opened(place) as parts:
            intake = _intake(parts, CopyingQueue(parts, place.copies), lambda _: None)

            async def submitter() -> None:
                for planned in waiting:
                    await intake.submit(_submission(planned))

            # What is opened when it is first used is opened.
            await parts.queue.depths()
            begun = time.monotonic(), time.process_time()
            async with asyncio.TaskGroup() as group:
                for _ in range(SUBMITTERS):
                    group.create_task(submitter())
            return time.monotonic() - begun[0], time.process_time() - begun[1]

    return asyncio.run(accept())
