"""Every part of the control plane, built and wired, and not yet started."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.model_repository import ModelRepository
from control_plane.adapters.photos import HeadInspector, LocalPhotos
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.bootstrap.checks import (
    check_engines,
    instance_urls,
    limited_specs,
    metrics_urls,
    read_fallbacks,
)
from control_plane.bootstrap.options import (
    gateway_options,
    health_options,
    mend_options,
    mend_times,
    photo_limits,
    pool_options,
    pool_options_by_engine,
    probe_options,
    probe_times,
    rest_limits,
    watch_times,
)
from control_plane.core.catalogue import ModelSpec
from control_plane.core.mend_ledger import MendLedger
from control_plane.core.routing import RoutingTable, all_to_stable
from control_plane.grpc_api.calls import CallTimeouts
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.server import GrpcServer
from control_plane.loops.probe import InstanceProbe
from control_plane.loops.scrape import InstanceScrape
from control_plane.loops.watch import InstanceWatch
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpLimits, HttpServer
from control_plane.rest_api.services import RestServices
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.instance import Instance
from control_plane.services.mending import Mender
from control_plane.services.model_reads import ModelReads
from control_plane.services.operations import Operations
from control_plane.services.probing import Prober
from control_plane.services.status import Status
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Everything that runs, wired and not yet started."""

    status: Status
    watches: tuple[InstanceWatch, ...]
    scrapes: tuple[InstanceScrape, ...]
    probes: tuple[InstanceProbe, ...]
    grpc: GrpcServer
    http: HttpServer


@asynccontextmanager
async def wired(settings: Settings, *, with_tritons: bool) -> AsyncIterator[ControlPlane]:
    """Builds every part; its end closes the channels to the instances."""
    repository = ModelRepository.read(settings.model_repository)
    check_engines(settings, repository)
    fallbacks = read_fallbacks(settings, repository)
    table = all_to_stable(repository.engines.values(), revision=1, fallbacks=fallbacks)
    async with AsyncExitStack() as stack:
        tritons = {}
        for name, url in instance_urls(settings, with_tritons=with_tritons).items():
            triton = TritonInstance(url, max_message_bytes=settings.grpc.max_message_bytes)
            stack.push_async_callback(triton.close)
            tritons[name] = triton
        urls = metrics_urls(settings, with_tritons=with_tritons)
        client = await stack.enter_async_context(open_client(len(urls)))
        metrics = {name: TritonMetrics(url, client) for name, url in urls.items()}
        yield _wire(settings, repository, table, tritons, metrics)


def _wire(
    settings: Settings,
    repository: ModelRepository,
    table: RoutingTable,
    tritons: Mapping[str, TritonInstance],
    metrics: Mapping[str, TritonMetrics],
) -> ControlPlane:
    clock = MonotonicClock()
    fleet = _fleet(settings, repository, tritons, clock)
    gateway = Gateway(
        fleet=fleet,
        table=lambda: table,
        options=gateway_options(settings),
        clock=clock,
        rng=_rng(),
    )
    status = Status(
        engines=repository.engines,
        fleet=fleet,
        table=lambda: table,
        admission=gateway.admission,
        retry_budget=gateway.retry_budget,
        clock=clock,
        calendar=SystemCalendar(),
    )
    prober = Prober(repository.goldens, times=probe_times(settings), clock=clock)
    specs = limited_specs(settings, repository)
    mender = _mender(settings, specs, fleet, prober, clock) if settings.mending.enabled else None
    operations = Operations(fleet, lambda: table, mender)
    photo_engines = [name for name in repository.engines if repository.specs[name].takes_photo]
    detection = Detection(
        gateway, HeadInspector(photo_limits(settings)), lambda: photo_engines, clock
    )
    photos = LocalPhotos(settings.photos.allowed_roots, settings.photos.max_bytes)
    reads = ModelReads(
        gateway=gateway,
        fleet=fleet,
        components=frozenset(set(repository.specs) - set(repository.engines)),
        timeout_s=settings.requests.engine_timeout_s,
        clock=clock,
    )
    timeouts = CallTimeouts(settings.requests.timeout_s, settings.requests.max_timeout_s)
    return ControlPlane(
        status=status,
        watches=_watches(settings, specs, table, tritons, fleet, clock, mender),
        probes=_probes(settings, table, fleet, prober, clock),
        scrapes=_scrapes(settings, table, metrics, fleet),
        grpc=_grpc_server(
            settings,
            KServe(
                gateway=gateway,
                fleet=fleet,
                reads=reads,
                status=status,
                clock=clock,
                version=__version__,
                timeouts=timeouts,
                stream_idle_s=settings.grpc.stream_idle_s,
                max_message_bytes=settings.grpc.max_message_bytes,
            ),
            Orchestrator(detection, photos, status, clock, timeouts),
            OperationsService(operations, status),
        ),
        http=_http_server(
            settings,
            RestServices(
                detection, status, operations, photos, clock, rest_limits(settings), __version__
            ),
        ),
    )


def _rng() -> random.Random:
    return random.Random()  # noqa: S311  jitter and choices, no secret


def _fleet(
    settings: Settings,
    repository: ModelRepository,
    tritons: Mapping[str, TritonInstance],
    clock: MonotonicClock,
) -> Fleet:
    weights = {instance.name: instance.weight for instance in settings.instances}
    return Fleet(
        (
            Instance(name, triton.url, triton, weight=weights.get(name, 1.0))
            for name, triton in tritons.items()
        ),
        options=pool_options(settings),
        by_engine=pool_options_by_engine(settings),
        clock=clock,
        rng=_rng(),
        health=health_options(settings),
        probed=repository.goldens,
    )


def _mender(
    settings: Settings,
    specs: Mapping[str, ModelSpec],
    fleet: Fleet,
    prober: Prober,
    clock: MonotonicClock,
) -> Mender:
    return Mender(
        fleet=fleet,
        prober=prober,
        ledger=MendLedger(mend_options(settings)),
        specs=specs,
        times=mend_times(settings),
        clock=clock,
        rng=_rng(),
    )


def _watches(
    settings: Settings,
    specs: Mapping[str, ModelSpec],
    table: RoutingTable,
    tritons: Mapping[str, TritonInstance],
    fleet: Fleet,
    clock: MonotonicClock,
    mender: Mender | None,
) -> tuple[InstanceWatch, ...]:
    return tuple(
        InstanceWatch(
            name,
            control=triton,
            fleet=fleet,
            specs=specs,
            desired=table.releases,
            times=watch_times(settings),
            clock=clock,
            rng=_rng(),
            mender=mender,
        )
        for name, triton in tritons.items()
    )


def _probes(
    settings: Settings, table: RoutingTable, fleet: Fleet, prober: Prober, clock: MonotonicClock
) -> tuple[InstanceProbe, ...]:
    return tuple(
        InstanceProbe(
            instance.name,
            fleet=fleet,
            prober=prober,
            releases=table.releases,
            options=probe_options(settings),
            clock=clock,
        )
        for instance in fleet.instances
    )


def _scrapes(
    settings: Settings, table: RoutingTable, metrics: Mapping[str, TritonMetrics], fleet: Fleet
) -> tuple[InstanceScrape, ...]:
    return tuple(
        InstanceScrape(
            name,
            metrics=page,
            fleet=fleet,
            releases=table.releases,
            interval_s=settings.fleet.scrape_interval_s,
            timeout_s=settings.fleet.observe_timeout_s,
        )
        for name, page in metrics.items()
    )


def _grpc_server(
    settings: Settings, kserve: KServe, orchestrator: Orchestrator, operations: OperationsService
) -> GrpcServer:
    return GrpcServer(
        kserve=kserve,
        orchestrator=orchestrator,
        operations=operations,
        host=settings.grpc.host,
        port=settings.grpc.port,
        max_message_bytes=settings.grpc.max_message_bytes,
        max_concurrent_calls=settings.grpc.max_concurrent_calls,
    )


def _http_server(settings: Settings, services: RestServices) -> HttpServer:
    limits = HttpLimits(
        max_requests=settings.http.max_requests, max_connections=settings.http.max_connections
    )
    return HttpServer(create_app(services), settings.http.host, settings.http.port, limits)
