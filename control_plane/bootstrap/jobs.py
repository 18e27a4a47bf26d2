"""Jobs: who takes them in, works on them, sees to them, shows them, and sends what they come to."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.metrics_text import JobMetrics
from control_plane.adapters.photos import HeadInspector
from control_plane.bootstrap.instances import make_rng
from control_plane.bootstrap.job_options import (
    adoption_options,
    attempt_options,
    delivery_options,
    desk_options,
    drain_options,
    intake_options,
    upkeep_options,
    work_options,
)
from control_plane.bootstrap.options import photo_limits
from control_plane.bootstrap.outside import Outside
from control_plane.core.detections import Priority
from control_plane.core.jobs import Drain
from control_plane.loops.deliver import DeliverLoop
from control_plane.loops.depths import DepthsLoop
from control_plane.loops.upkeep import UpkeepLoop
from control_plane.loops.work import WorkLoop
from control_plane.queue_api.messages import read_message
from control_plane.services.board import Board
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.jobs.adopting import Adoption
from control_plane.services.jobs.attempt import Attempts
from control_plane.services.jobs.delivering import Delivering
from control_plane.services.jobs.depths import QueueDepths
from control_plane.services.jobs.desk import Desk
from control_plane.services.jobs.intake import Intake
from control_plane.services.jobs.upkeep import Upkeep
from control_plane.services.jobs.watching import Watching
from control_plane.services.rollouts import Rollouts
from control_plane.services.tracing import Tracer
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class JobParts:
    """deliver: None where no results are sent."""

    intake: Intake
    desk: Desk
    metrics: JobMetrics
    attempts: Attempts
    work: WorkLoop
    upkeep: UpkeepLoop
    deliver: DeliverLoop | None
    depths: DepthsLoop


def make_jobs(
    settings: Settings,
    plane: str,
    outside: Outside,
    depths: QueueDepths,
    detection: Detection,
    room: Callable[[Priority], int],
    unserved: Callable[[], Sequence[str] | None],
    rollouts: Rollouts,
    tracing: Tracer,
    clock: MonotonicClock,
) -> JobParts:
    store, queue, uploads = outside.jobs, outside.queue, outside.uploads
    intake = Intake(
        store=store,
        upkeep=store,
        queue=queue,
        uploads=uploads,
        photos=outside.photos,
        inspector=HeadInspector(photo_limits(settings)),
        clock=clock,
        options=intake_options(settings),
    )
    desk = Desk(
        store=store,
        upkeep=store,
        queue=queue,
        depths=depths,
        uploads=uploads,
        watching=Watching(store=store, upkeep=store),
        record=rollouts.record,
        options=desk_options(settings),
    )
    upkeep = Upkeep(
        plane,
        store=store,
        upkeep=store,
        queue=queue,
        uploads=uploads,
        options=upkeep_options(settings),
    )
    attempts = _attempts(settings, plane, outside, detection, tracing, clock)
    return JobParts(
        intake=intake,
        desk=desk,
        metrics=JobMetrics(desk.figures, desk.depths, clock.now_s),
        attempts=attempts,
        work=_work(settings, outside, attempts, room, unserved, clock),
        upkeep=UpkeepLoop(upkeep, clock=clock, rng=make_rng()),
        deliver=_deliver(settings, outside, tracing),
        depths=DepthsLoop(depths, rng=make_rng()),
    )


def _attempts(
    settings: Settings,
    plane: str,
    outside: Outside,
    detection: Detection,
    tracing: Tracer,
    clock: MonotonicClock,
) -> Attempts:
    adoption = Adoption(
        store=outside.jobs,
        read_message=lambda body: read_message(body, known=detection.known_engines()),
        options=adoption_options(settings),
    )
    return Attempts(
        plane,
        store=outside.jobs,
        queue=outside.queue,
        uploads=outside.uploads,
        photos=outside.photos,
        detection=detection,
        adoption=adoption,
        clock=clock,
        rng=make_rng(),
        options=attempt_options(settings),
        tracing=tracing,
    )


def _work(
    settings: Settings,
    outside: Outside,
    attempts: Attempts,
    room: Callable[[Priority], int],
    unserved: Callable[[], Sequence[str] | None],
    clock: MonotonicClock,
) -> WorkLoop:
    return WorkLoop(
        attempts,
        queue=outside.queue,
        upkeep=outside.jobs,
        drain=Drain(drain_options(settings)),
        room=room,
        clock=clock,
        rng=make_rng(),
        options=work_options(settings),
        unserved=unserved,
    )


def _deliver(settings: Settings, outside: Outside, tracing: Tracer) -> DeliverLoop | None:
    if outside.sink is None:
        return None
    delivering = Delivering(
        store=outside.jobs,
        upkeep=outside.jobs,
        sink=outside.sink,
        rng=make_rng(),
        options=delivery_options(settings),
        tracing=tracing,
    )
    return DeliverLoop(delivering, rng=make_rng(), concurrency=settings.results.concurrency)


def room_in_fleet(
    board: Board, fleet: Fleet, gateway: Gateway, detection: Detection
) -> Callable[[Priority], int]:
    """How many more photos of a priority the fleet would take now.

    As many as the fullest of the engines that serve; those that serve nowhere hold nobody up.
    """
    return partial(_room, board, fleet, gateway, detection)


def unserved_in_fleet(
    board: Board, fleet: Fleet, detection: Detection
) -> Callable[[], Sequence[str] | None]:
    """What is wrong with each instance, in words, while no engine serves; None while one does."""
    return partial(_unserved, board, fleet, detection)


def _room(
    board: Board, fleet: Fleet, gateway: Gateway, detection: Detection, priority: Priority
) -> int:
    serving = _serving(board, fleet, detection)
    return min((gateway.room(engine, priority) for engine in serving), default=0)


def _unserved(board: Board, fleet: Fleet, detection: Detection) -> Sequence[str] | None:
    if _serving(board, fleet, detection):
        return None
    return [
        f"{one.name} at {one.url}: {'serves none' if one.is_live else 'does not answer'}"
        for one in fleet.instances
    ]


def _serving(board: Board, fleet: Fleet, detection: Detection) -> list[str]:
    routes = board.table.routes
    return [
        engine
        for engine in detection.known_engines()
        if engine in routes and fleet.ready_on(engine, routes[engine].stable)
    ]
