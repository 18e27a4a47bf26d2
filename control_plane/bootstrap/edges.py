"""The edges, gRPC and HTTP, over the services."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.metrics_text import MetricsText
from control_plane.bootstrap.feedback import FeedbackParts
from control_plane.bootstrap.hosts import allowed_hosts
from control_plane.bootstrap.jobs import JobParts
from control_plane.bootstrap.options import http_limits, plan_defaults, rest_limits
from control_plane.bootstrap.rollouts import RolloutParts
from control_plane.grpc_api.calls import CallTimeouts
from control_plane.grpc_api.detection_calls import DetectionCalls
from control_plane.grpc_api.job_calls import JobCalls
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.rollout_calls import RolloutCalls
from control_plane.grpc_api.server import GrpcServer
from control_plane.ports import PhotoSource
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpServer
from control_plane.rest_api.services import RestServices
from control_plane.services.catalogue import Catalogue
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.log_level import LogLevel
from control_plane.services.model_reads import ModelReads
from control_plane.services.operations import Operations
from control_plane.services.registration import Registration
from control_plane.services.status import Status
from control_plane.services.tracing import NotTraced, Tracing
from control_plane.services.traffic import Traffic
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class Services:
    """What the edges stand in front of."""

    gateway: Gateway
    fleet: Fleet
    detection: Detection
    photos: PhotoSource
    status: Status
    catalogue: Catalogue
    registration: Registration
    operations: Operations
    rollouts: RolloutParts
    jobs: JobParts
    feedback: FeedbackParts
    metrics: MetricsText
    traffic: Traffic
    log_level: LogLevel
    tracing: Tracing | NotTraced
    clock: MonotonicClock


def make_grpc_server(settings: Settings, services: Services) -> GrpcServer:
    timeouts = CallTimeouts(settings.requests.timeout_s, settings.requests.max_timeout_s)
    kserve, clock = _kserve(settings, services, timeouts), services.clock
    jobs = DetectionCalls(
        services.jobs.intake,
        services.jobs.desk,
        services.detection.known_engines,
        timeouts,
        kserve.stopping,
        settings.jobs.max_deadline_s,
        services.tracing,
    )
    rollouts = RolloutCalls(
        services.rollouts.rollouts, plan_defaults(settings), timeouts, kserve.stopping
    )
    return GrpcServer(
        kserve=kserve,
        orchestrator=Orchestrator(
            *(services.detection, services.photos, services.status, clock, timeouts, jobs),
            services.tracing,
        ),
        operations=OperationsService(
            services.operations,
            services.status,
            rollouts,
            JobCalls(services.jobs.desk, timeouts),
        ),
        host=settings.grpc.host,
        port=settings.grpc.port,
        max_message_bytes=settings.grpc.max_message_bytes,
        max_concurrent_calls=settings.grpc.max_concurrent_calls,
    )


def _kserve(settings: Settings, services: Services, timeouts: CallTimeouts) -> KServe:
    gateway, fleet, catalogue = services.gateway, services.fleet, services.catalogue
    return KServe(
        gateway=gateway,
        fleet=fleet,
        reads=ModelReads(
            gateway=gateway,
            fleet=fleet,
            components=frozenset(catalogue.specs.keys() - catalogue.engines.keys()),
            timeout_s=settings.requests.engine_timeout_s,
            clock=services.clock,
        ),
        status=services.status,
        clock=services.clock,
        version=__version__,
        timeouts=timeouts,
        stream_idle_s=settings.grpc.stream_idle_s,
        max_message_bytes=settings.grpc.max_message_bytes,
        tracing=services.tracing,
    )


def make_http_server(settings: Settings, services: Services) -> HttpServer:
    rollouts, http = services.rollouts, settings.http
    rest = RestServices(
        detection=services.detection,
        status=services.status,
        operations=services.operations,
        photos=services.photos,
        clock=services.clock,
        limits=rest_limits(settings),
        version=__version__,
        rollouts=rollouts.rollouts,
        plan_defaults=plan_defaults(settings),
        registration=services.registration,
        hasten=rollouts.registry.hasten,
        standing=rollouts.standings,
        intake=services.jobs.intake,
        jobs=services.jobs.desk,
        feedback=services.feedback.desk,
        accuracy=services.feedback.board,
        metrics=services.metrics,
        traffic=services.traffic,
        log_level=services.log_level,
        traces=services.tracing,
        hosts=allowed_hosts(http.host, http.allowed_hosts, setting="http.allowed_hosts"),
    )
    return HttpServer(
        create_app(rest),
        http.host,
        http.port,
        http_limits(settings),
        stopping=rest.stopping,
    )
