"""What the processes of a run do: accept jobs, work on them, and put messages on the queue.

Each can be told to kill itself, as if its machine had failed, at the n-th passing of a step.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import os
import signal
import uuid
from collections.abc import Callable, Coroutine, Sequence
from random import Random
from typing import Any

import structlog

from control_plane.core.detections import Priority
from control_plane.core.jobs import Drain, DrainOptions
from control_plane.loops.deliver import DeliverLoop
from control_plane.loops.upkeep import UpkeepLoop
from control_plane.loops.work import WorkLoop, WorkOptions
from control_plane.ports import Delivery, JobQueue, Message, QueueUnavailable, ResultSink
from control_plane.queue_api.messages import read_message
from control_plane.services.jobs.adopting import NAMESPACE, Adoption, AdoptionOptions
from control_plane.services.jobs.attempt import AttemptOptions, Attempts
from control_plane.services.jobs.delivering import Delivering, DeliveryOptions
from control_plane.services.jobs.upkeep import Upkeep, UpkeepOptions
from tests.integration.queue_faults.assembly import (
    DAY_S,
    PHOTOS,
    Parts,
    Place,
    opened,
)
from tests.integration.queue_faults.engine import StandIn
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import ENGINES, Planned
from tests.integration.queue_faults.processes import end_with_parent
from tests.integration.queue_faults.sending import open_sink
from tests.integration.queue_faults.submitting import AGAIN_S, submit_all


class Falls:
    """step: told of each step; at the n-th passing of the one it is for, the process is gone."""

    def __init__(self, notes: Notes, at: str, passing: int) -> None:
        self._notes = notes
        self._at = at
        self._left = passing

    def step(self, name: str) -> None:
        if name != self._at:
            return
        self._left -= 1
        if self._left == 0:
            self._notes.fall(name)
            os.kill(os.getpid(), signal.SIGKILL)


def work(place: Place, at: str = "", passing: int = 1) -> None:
    """A worker: takes, works, sees to what is left, sends results. Until SIGTERM."""
    _begin(place)
    asyncio.run(_until_terminated(_work(place, Falls(Notes(place.folder), at, passing))))


def submit(place: Place, jobs: Sequence[Planned], per_s: float, at: str, passing: int) -> None:
    """Who accepts jobs: all of them that its predecessors did not. Ends when all are accepted."""
    _begin(place)
    falls = Falls(Notes(place.folder), at, passing)
    asyncio.run(submit_all(place, jobs, per_s, falls.step))


def put(place: Place, messages: Sequence[tuple[str, bytes, bool]]) -> None:
    """Another service, which puts messages straight on the queue: id, body, whether it is one."""
    _begin(place)
    asyncio.run(_put(place, messages))


def _begin(place: Place) -> None:
    end_with_parent()
    log = (place.folder / "log.txt").open("a", buffering=1)
    structlog.configure(logger_factory=structlog.WriteLoggerFactory(log))
    logging.basicConfig(stream=log)


async def _until_terminated(main: Coroutine[Any, Any, None]) -> None:
    task = asyncio.ensure_future(main)
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, task.cancel)
    try:
        await task
    except asyncio.CancelledError:
        return


async def _work(place: Place, falls: Falls) -> None:
    notes = Notes(place.folder)
    async with opened(place) as parts, open_sink(place) as sink:
        queue = NotingQueue(parts, notes) if place.is_noted else parts.queue
        worker = f"worker-{os.getpid()}-{uuid.uuid4().hex[:8]}"
        async with asyncio.TaskGroup() as group:
            group.create_task(_work_loop(place, parts, queue, worker, falls.step).run())
            group.create_task(_upkeep_loop(place, parts, worker).run())
            if sink is not None:
                group.create_task(_deliver_loop(parts, sink).run())


def _work_loop(
    place: Place, parts: Parts, queue: JobQueue, worker: str, step: Callable[[str], None]
) -> WorkLoop:
    attempts = Attempts(
        worker,
        store=parts.jobs,
        queue=queue,
        uploads=parts.uploads,
        photos=PHOTOS,
        detection=StandIn(place.folder, takes_s=place.takes_s, is_noted=place.is_noted),
        adoption=Adoption(
            store=parts.jobs,
            read_message=lambda body: read_message(body, known=ENGINES),
            options=AdoptionOptions(DAY_S, DAY_S),
        ),
        clock=parts.clock,
        rng=Random(),
        options=AttemptOptions(
            claim_s=place.claim_s, pause_s=0.2, is_sent=bool(place.webhook), retries=place.retries
        ),
        step=step,
    )
    return WorkLoop(
        attempts,
        queue=queue,
        upkeep=parts.jobs,
        drain=Drain(DrainOptions()),
        room=lambda _: place.concurrency,
        clock=parts.clock,
        rng=Random(),
        options=WorkOptions(concurrency=place.concurrency, wait_s=1.0, figures_s=1.0),
    )


def _upkeep_loop(place: Place, parts: Parts, worker: str) -> UpkeepLoop:
    upkeep = Upkeep(
        worker,
        store=parts.jobs,
        upkeep=parts.jobs,
        queue=parts.queue,
        uploads=parts.uploads,
        options=UpkeepOptions(
            keep_s=DAY_S,
            keep_dead_s=DAY_S,
            unpublished_s=1.0,
            stranded_s=1.0,
            lost_after_s=5.0,
            is_sent=bool(place.webhook),
        ),
    )
    return UpkeepLoop(upkeep, clock=parts.clock, rng=Random(), interval_s=0.5)


def _deliver_loop(parts: Parts, sink: ResultSink) -> DeliverLoop:
    delivering = Delivering(
        store=parts.jobs,
        upkeep=parts.jobs,
        sink=sink,
        rng=Random(),
        options=DeliveryOptions(
            timeout_s=1.0, max_attempts=50, first_s=0.1, most_s=1.0, hold_s=1.0
        ),
    )
    return DeliverLoop(delivering, rng=Random(), interval_s=0.1)


class NotingQueue:
    """JobQueue, and a note of each message that is handed out."""

    def __init__(self, parts: Parts, notes: Notes) -> None:
        self._queue = parts.queue
        self._notes = notes
        self.publish = self._queue.publish
        self.settle = self._queue.settle
        self.depths = self._queue.depths

    async def take(self, wanted: dict[Priority, int], *, wait_s: float) -> tuple[Delivery, ...]:
        taken = await self._queue.take(wanted, wait_s=wait_s)
        for delivery in taken:
            self._notes.take(delivery.message_id)
        return taken


async def _put(place: Place, messages: Sequence[tuple[str, bytes, bool]]) -> None:
    notes = Notes(place.folder)
    async with opened(place) as parts:
        for message_id, body, is_readable in messages:
            name = message_id
            if not is_readable:
                name += f"/{hashlib.sha256(body).hexdigest()}"
            job_id = str(uuid.uuid5(NAMESPACE, name))
            if job_id in notes.sent():
                continue
            while True:
                try:
                    await parts.queue.publish(Message(message_id, Priority.NORMAL, body))
                    break
                except QueueUnavailable:
                    await asyncio.sleep(AGAIN_S)
            notes.send(job_id, is_readable)
