"""Every part of the control plane, built and wired, and not yet started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Protocol

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.logs import ProcessLevel
from control_plane.adapters.metrics_text import MetricsText
from control_plane.adapters.model_folder import ModelFolder
from control_plane.adapters.photos import HeadInspector
from control_plane.bootstrap.checks import (
    check_engines,
    instance_urls,
    limited_spec,
    read_fallbacks,
)
from control_plane.bootstrap.edges import Services, make_grpc_server, make_http_server
from control_plane.bootstrap.feedback import FeedbackParts, make_feedback
from control_plane.bootstrap.instances import Instances, make_instances
from control_plane.bootstrap.jobs import JobParts, make_jobs, room_in_fleet, unserved_in_fleet
from control_plane.bootstrap.metrics import make_metrics
from control_plane.bootstrap.opening import adopt
from control_plane.bootstrap.options import photo_limits
from control_plane.bootstrap.outside import Outside, open_outside, open_state
from control_plane.bootstrap.registration import make_registration, make_registry
from control_plane.bootstrap.requests import RequestPath, make_request_path
from control_plane.bootstrap.rollouts import RolloutParts, make_rollouts, name_plane
from control_plane.bootstrap.tracing import make_tracing
from control_plane.bootstrap.traffic import TrafficParts, make_traffic
from control_plane.core.state import State
from control_plane.grpc_api.server import GrpcServer
from control_plane.rest_api.server import HttpServer
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.detection import Detection
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.holding import Holding
from control_plane.services.jobs.depths import QueueDepths
from control_plane.services.log_level import LogLevel
from control_plane.services.operations import Operations, heal
from control_plane.services.registration import Registration
from control_plane.services.status import Status
from control_plane.services.tracing import NotTraced, Tracing
from control_plane.settings import Settings


class Loop(Protocol):
    """Runs until it is cancelled, or was stopped."""

    async def run(self) -> None: ...


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Everything that runs, wired and not yet started."""

    status: Status
    instances: Instances
    rollouts: RolloutParts
    path: RequestPath
    traffic: TrafficParts
    jobs: JobParts
    feedback: FeedbackParts
    metrics: MetricsText
    log_level: LogLevel
    grpc: GrpcServer
    http: HttpServer

    def following_loops(self) -> tuple[Loop, ...]:
        """What every process runs that sends requests to the fleet."""
        instances, rollouts = self.instances, self.rollouts
        return (
            *instances.watches,
            *instances.scrapes,
            *instances.probes,
            self.path.measuring,
            self.traffic.loop,
            rollouts.measure,
            rollouts.catalogue,
            rollouts.follow,
        )

    def job_loops(self) -> tuple[Loop, ...]:
        """What sees to jobs, whoever works on them."""
        jobs = self.jobs
        return (jobs.upkeep,) if jobs.deliver is None else (jobs.upkeep, jobs.deliver)


@asynccontextmanager
async def wired(settings: Settings, *, with_tritons: bool) -> AsyncIterator[ControlPlane]:
    """Builds every part; its end closes the store, the queue and the channels to the instances.

    with_tritons: whether the Tritons of this machine count, whoever started them.
    """
    async with AsyncExitStack() as stack:
        board = Board(State())
        folder = ModelFolder(settings.model_repository)
        registry = make_registry(settings, lambda: catalogue.specs)
        stack.push_async_callback(registry.close)
        catalogue = Catalogue(
            folder,
            registry,
            state=lambda: board.state,
            adjust=lambda spec: limited_spec(settings, spec),
        )
        # What is wrong with settings and repository is said before anything is made or opened.
        await catalogue.load()
        check_engines(settings, catalogue.engines)
        folder.sweep()
        fallbacks = read_fallbacks(settings, catalogue.engines)
        instances = instance_urls(settings, with_tritons=with_tritons)
        store = await open_state(settings, stack)
        board.put(await store.read())
        await catalogue.refresh()  # now with what is in use
        board.put(await adopt(store, catalogue.engines, fallbacks))
        outside = await open_outside(
            settings,
            stack,
            store=store,
            folder=folder,
            registry=registry,
            instances=instances,
            with_tritons=with_tritons,
        )
        plane = _wire(settings, board, catalogue, fallbacks, outside)
        stack.push_async_callback(plane.path.shadowing.close)
        yield plane


@dataclass(frozen=True, slots=True)
class Ground:
    """What every part stands on. plane: this process's name."""

    settings: Settings
    plane: str
    board: Board
    catalogue: Catalogue
    outside: Outside
    clock: MonotonicClock
    calendar: SystemCalendar


def _wire(
    settings: Settings,
    board: Board,
    catalogue: Catalogue,
    fallbacks: Mapping[str, str],
    outside: Outside,
) -> ControlPlane:
    clock, calendar, plane = MonotonicClock(), SystemCalendar(), name_plane()
    ground = Ground(settings, plane, board, catalogue, outside, clock, calendar)
    instances = make_instances(
        settings,
        catalogue=catalogue,
        board=board,
        tritons=outside.tritons,
        metrics=outside.metrics,
        clock=clock,
    )
    depths = QueueDepths(outside.queue)
    drift = ConfidenceDrift(outside.store, lambda: board.table)
    path = make_request_path(settings, plane, board, instances.fleet, drift, clock)
    traffic = make_traffic(plane, outside.store, board, path, drift, clock, calendar)
    holding = _holding(ground, instances)
    rollouts = _rollouts(ground, fallbacks, instances, path, holding, depths)
    detection = _detection(ground, path)
    tracing = make_tracing(settings, outside.spans)
    jobs = _jobs(ground, instances, path, rollouts, detection, depths, tracing)
    feedback = make_feedback(settings, outside, catalogue.engines, clock, calendar)
    services = Services(
        gateway=path.gateway,
        fleet=instances.fleet,
        detection=feedback.kept(detection),
        photos=outside.photos,
        status=_status(ground, instances, path),
        catalogue=catalogue,
        registration=_registration(ground, instances, rollouts),
        operations=Operations(instances.fleet, lambda: board.table, instances.mender, holding),
        rollouts=rollouts,
        jobs=jobs,
        feedback=feedback,
        metrics=make_metrics(
            outside, board, catalogue, instances, path, traffic, rollouts, jobs, feedback, clock
        ),
        traffic=traffic.traffic,
        log_level=LogLevel(plane, ProcessLevel(), clock, calendar),
        tracing=tracing,
        clock=clock,
    )
    return ControlPlane(
        status=services.status,
        instances=instances,
        rollouts=rollouts,
        path=path,
        traffic=traffic,
        jobs=jobs,
        feedback=feedback,
        metrics=services.metrics,
        log_level=services.log_level,
        grpc=make_grpc_server(settings, services),
        http=make_http_server(settings, services),
    )


def _rollouts(
    ground: Ground,
    fallbacks: Mapping[str, str],
    instances: Instances,
    path: RequestPath,
    holding: Holding,
    depths: QueueDepths,
) -> RolloutParts:
    return make_rollouts(
        ground.settings,
        plane=ground.plane,
        store=ground.outside.store,
        board=ground.board,
        catalogue=ground.catalogue,
        registry=ground.outside.registry,
        fallbacks=fallbacks,
        instances=instances,
        measuring=path.measuring,
        gates=ground.outside.gates,
        holding=holding,
        is_queue_away=lambda: depths.is_away,
        clock=ground.clock,
        calendar=ground.calendar,
    )


def _jobs(
    ground: Ground,
    instances: Instances,
    path: RequestPath,
    rollouts: RolloutParts,
    detection: Detection,
    depths: QueueDepths,
    tracing: Tracing | NotTraced,
) -> JobParts:
    board, fleet = ground.board, instances.fleet
    return make_jobs(
        ground.settings,
        ground.plane,
        ground.outside,
        depths,
        detection,
        room_in_fleet(board, fleet, path.gateway, detection),
        unserved_in_fleet(board, fleet, detection),
        rollouts.rollouts,
        tracing,
        ground.clock,
    )


def _holding(ground: Ground, instances: Instances) -> Holding:
    return Holding(
        plane=ground.plane,
        board=ground.board,
        store=ground.outside.store,
        audit=ground.outside.store,
        fleet=instances.fleet,
        heal=lambda name, reason: heal(instances.fleet, instances.mender, name, reason),
    )


def _registration(ground: Ground, instances: Instances, rollouts: RolloutParts) -> Registration:
    return make_registration(
        ground.settings,
        catalogue=ground.catalogue,
        models=ground.outside.folder,
        registry=ground.outside.registry,
        fleet=instances.fleet,
        board=ground.board,
        record=rollouts.rollouts.record,
        clock=ground.clock,
        calendar=ground.calendar,
    )


def _detection(ground: Ground, path: RequestPath) -> Detection:
    catalogue = ground.catalogue
    return Detection(
        path.gateway,
        HeadInspector(photo_limits(ground.settings)),
        lambda: [name for name in catalogue.engines if catalogue.specs[name].takes_photo],
        ground.clock,
        ground.outside.reuse,
    )


def _status(ground: Ground, instances: Instances, path: RequestPath) -> Status:
    return Status(
        engines=ground.catalogue.engines,
        fleet=instances.fleet,
        table=lambda: ground.board.table,
        admission=path.gateway.admission,
        retry_budget=path.gateway.retry_budget,
        clock=ground.clock,
        calendar=ground.calendar,
    )
