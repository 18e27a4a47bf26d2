"""The composition root: the only place where adapters are built and wired.

    settings ─► model repository ─► routes ─► fleet ─► gateway ─► detection
                                                │         │          │
                                             watches    gRPC       REST

``run`` is the whole life of the process: start, serve until told to stop, drain, stop.
"""

from __future__ import annotations

import asyncio
import logging
import random
import signal
from collections.abc import AsyncIterator, Awaitable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

import structlog
import uvloop

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.logs import LEVELS, set_up_logs
from control_plane.adapters.model_repository import ModelRepository
from control_plane.adapters.photos import HeadInspector, LocalPhotos, PhotoLimits
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.core.admission import AdmissionOptions
from control_plane.core.balancing import LoadOptions, PolicyName, PoolOptions
from control_plane.core.breaker import BreakerOptions
from control_plane.core.catalogue import ModelSpec
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.health import HealthOptions, ProbeOptions
from control_plane.core.loading import with_parameters
from control_plane.core.mend_ledger import MendLedger, MendOptions
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudgetOptions
from control_plane.core.routing import RoutingTable, all_to_stable
from control_plane.embedded.fleet import EmbeddedFleet
from control_plane.embedded.options import ADDRESS, FleetOptions, InstancePorts, LogLevel, LogLine
from control_plane.errors import ConfigurationError
from control_plane.grpc_api.calls import CallTimeouts
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.server import GrpcServer
from control_plane.loops.drain import StopOrders, drain
from control_plane.loops.probe import InstanceProbe
from control_plane.loops.readiness import report_readiness
from control_plane.loops.scrape import InstanceScrape
from control_plane.loops.watch import InstanceWatch, WatchTimes
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpLimits, HttpServer
from control_plane.rest_api.services import RestLimits, RestServices
from control_plane.services.calling import CallTimes
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, GatewayOptions
from control_plane.services.instance import Instance
from control_plane.services.mending import Mender, MendTimes
from control_plane.services.model_reads import ModelReads
from control_plane.services.operations import Operations
from control_plane.services.probing import Prober, ProbeTimes
from control_plane.services.status import Status
from control_plane.settings import AdmissionSettings, LoadedSettings, Settings

log = structlog.get_logger(__name__)
triton_log = structlog.get_logger("triton", source="triton")


def run(loaded: LoadedSettings, *, with_tritons: bool) -> int:
    """Serve until SIGTERM or Ctrl-C. The exit status: 0 after a clean stop.

    with_tritons: start Tritons on this machine too.
    Raises ControlPlaneError when what is configured cannot be started.
    """
    settings = loaded.settings
    set_up_logs(settings.log.level, settings.log.format)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(settings, with_tritons=with_tritons))
    return 0


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Everything that runs, wired and not yet started."""

    status: Status
    watches: tuple[InstanceWatch, ...]
    scrapes: tuple[InstanceScrape, ...]
    probes: tuple[InstanceProbe, ...]
    grpc: GrpcServer
    http: HttpServer


async def _serve(settings: Settings, *, with_tritons: bool) -> None:
    orders = StopOrders()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, orders.give)
    # Left in the opposite order: the edges have finished what they accepted, then the channels
    # to the instances close, and only then the Tritons of this machine stop.
    async with AsyncExitStack() as stack:
        embedded = _embedded_fleet(settings) if with_tritons else None
        if embedded is not None:
            stack.push_async_callback(embedded.stop)
        plane = await stack.enter_async_context(_wired(settings, with_tritons=with_tritons))
        grace_s = settings.shutdown.grace_s
        # For an end that nobody ordered; after a drain there is nothing left to stop.
        stack.push_async_callback(plane.grpc.stop, grace_s)
        stack.push_async_callback(plane.http.stop, grace_s)
        await plane.http.start()
        await plane.grpc.start()
        log.info("listening", http=plane.http.url, grpc=plane.grpc.address, version=__version__)
        if embedded is not None:
            await embedded.start()
        await _run_loops(plane, embedded, _drained(plane, settings, orders))
    log.info("stopped")


async def _drained(plane: ControlPlane, settings: Settings, orders: StopOrders) -> None:
    """Until a stop was ordered and the edges have drained."""
    await orders.first.wait()
    plane.status.announce_stop()
    await drain(
        (plane.http, plane.grpc),
        orders,
        notice_s=settings.shutdown.notice_s,
        grace_s=settings.shutdown.grace_s,
    )


async def _run_loops(
    plane: ControlPlane, embedded: EmbeddedFleet | None, end: Awaitable[object]
) -> None:
    """Until ``end`` is over, or a loop ends by an error, which ends the process too."""
    async with asyncio.TaskGroup() as group:
        loops = [group.create_task(watch.run()) for watch in plane.watches]
        loops += [group.create_task(scrape.run()) for scrape in plane.scrapes]
        loops += [group.create_task(probe.run()) for probe in plane.probes]
        loops.append(group.create_task(report_readiness(plane.status.is_ready, plane.grpc.report)))
        if embedded is not None:
            loops.append(group.create_task(_report_ended(embedded)))
        await end
        for loop in loops:
            loop.cancel()


async def _report_ended(embedded: EmbeddedFleet) -> None:
    """Says loudly which embedded Triton nobody restarts any more; an error when none is left."""
    async for name, error in embedded.ended():
        log.error("embedded Triton is no longer supervised", instance=name, exc_info=error)
    raise RuntimeError("no embedded Triton is supervised any more")


@asynccontextmanager
async def _wired(settings: Settings, *, with_tritons: bool) -> AsyncIterator[ControlPlane]:
    """Builds every part; its end closes the channels to the instances."""
    repository = ModelRepository.read(settings.model_repository)
    _check_engines(settings, repository)
    fallbacks = _fallbacks(settings, repository)
    table = all_to_stable(repository.engines.values(), revision=1, fallbacks=fallbacks)
    async with AsyncExitStack() as stack:
        tritons = {}
        for name, url in _instance_urls(settings, with_tritons=with_tritons).items():
            triton = TritonInstance(url, max_message_bytes=settings.grpc.max_message_bytes)
            stack.push_async_callback(triton.close)
            tritons[name] = (url, triton)
        urls = _metrics_urls(settings, with_tritons=with_tritons)
        client = await stack.enter_async_context(open_client(len(urls)))
        metrics = {name: TritonMetrics(url, client) for name, url in urls.items()}
        yield _wire(settings, repository, table, tritons, metrics)


def _wire(
    settings: Settings,
    repository: ModelRepository,
    table: RoutingTable,
    tritons: Mapping[str, tuple[str, TritonInstance]],
    metrics: Mapping[str, TritonMetrics],
) -> ControlPlane:
    clock = MonotonicClock()
    rng = random.Random()  # noqa: S311  jitter and choices, no secret
    weights = {instance.name: instance.weight for instance in settings.instances}
    fleet = Fleet(
        (
            Instance(name, url, triton, weight=weights.get(name, 1.0))
            for name, (url, triton) in tritons.items()
        ),
        options=_pool_options(settings),
        clock=clock,
        rng=rng,
        health=_health_options(settings),
        probed=repository.goldens,
    )
    requests = settings.requests
    gateway = Gateway(
        fleet=fleet,
        table=lambda: table,
        options=_gateway_options(settings),
        clock=clock,
        rng=rng,
    )
    status = Status(
        engines=repository.engines,
        fleet=fleet,
        table=lambda: table,
        clock=clock,
        calendar=SystemCalendar(),
    )
    limits = PhotoLimits(
        settings.photos.max_bytes, settings.photos.max_pixels, settings.photos.max_full_pixels
    )
    photos = LocalPhotos(settings.photos.allowed_roots, settings.photos.max_bytes)
    timeouts = CallTimeouts(requests.timeout_s, requests.max_timeout_s)
    photo_engines = [name for name in repository.engines if repository.specs[name].takes_photo]
    prober = Prober(
        repository.goldens,
        times=ProbeTimes(settings.health.probe_timeout_s, settings.health.slow_probe_s),
        clock=clock,
    )
    specs = _limited_specs(settings, repository)
    mender = _mender(settings, specs, fleet, prober, clock) if settings.mending.enabled else None
    operations = Operations(fleet, lambda: table, mender)
    detection = Detection(gateway, HeadInspector(limits), lambda: photo_engines, clock)
    return ControlPlane(
        status=status,
        scrapes=_scrapes(settings, table, metrics, fleet),
        watches=_watches(settings, specs, table, tritons, fleet, clock, mender),
        probes=tuple(
            InstanceProbe(
                name,
                fleet=fleet,
                prober=prober,
                stable=table.stable_releases,
                options=ProbeOptions(
                    interval_s=settings.health.probe_interval_s,
                    doubt_s=settings.health.probe_doubt_s,
                ),
                clock=clock,
            )
            for name in tritons
        ),
        grpc=GrpcServer(
            kserve=KServe(
                gateway=gateway,
                fleet=fleet,
                reads=ModelReads(
                    gateway=gateway,
                    fleet=fleet,
                    components=frozenset(set(repository.specs) - set(repository.engines)),
                    timeout_s=requests.engine_timeout_s,
                    clock=clock,
                ),
                status=status,
                clock=clock,
                version=__version__,
                timeouts=timeouts,
                stream_idle_s=settings.grpc.stream_idle_s,
                max_message_bytes=settings.grpc.max_message_bytes,
            ),
            orchestrator=Orchestrator(detection, photos, status, clock, timeouts),
            operations=OperationsService(operations, status),
            host=settings.grpc.host,
            port=settings.grpc.port,
            max_message_bytes=settings.grpc.max_message_bytes,
            max_concurrent_calls=settings.grpc.max_concurrent_calls,
        ),
        http=_http_server(settings, detection, status, operations, photos, clock),
    )


def _pool_options(settings: Settings) -> PoolOptions:
    breakers = settings.breakers
    return PoolOptions(
        policy=PolicyName(settings.fleet.balancing),
        load=LoadOptions(fault_counts_as_s=settings.requests.engine_timeout_s / 2),
        breaker=BreakerOptions(
            consecutive_failures=breakers.consecutive_failures,
            failure_ratio=breakers.failure_ratio,
            min_calls=breakers.min_calls,
            first_open_s=breakers.first_open_s,
            longest_open_s=breakers.longest_open_s,
        ),
        most_ejected_share=breakers.most_ejected_share,
    )


def _gateway_options(settings: Settings) -> GatewayOptions:
    requests, retries = settings.requests, settings.retries
    return GatewayOptions(
        CallTimes(
            engine_s=requests.engine_timeout_s,
            try_s=requests.try_timeout_s,
            by_engine={
                name: engine.timeout_s
                for name, engine in requests.engines.items()
                if engine.timeout_s is not None
            },
            hedge_after_s={
                name: engine.hedge_after_s
                for name, engine in requests.engines.items()
                if engine.hedge_after_s is not None
            },
        ),
        RetryOptions(max_attempts=retries.max_attempts),
        RetryBudgetOptions(ratio=retries.budget_ratio, floor_per_s=retries.budget_floor_per_s),
        _admission_options(settings.admission),
    )


def _admission_options(admission: AdmissionSettings) -> AdmissionOptions:
    return AdmissionOptions(
        LimitOptions(
            initial=admission.initial_limit,
            min_limit=admission.min_limit,
            max_limit=admission.max_limit,
            tolerance=admission.tolerance,
            patience_s=admission.patience_s,
        ),
        low_percent=admission.low_percent,
        normal_percent=admission.normal_percent,
    )


def _health_options(settings: Settings) -> HealthOptions:
    health = settings.health
    return HealthOptions(
        failed_looks=health.failed_looks,
        good_looks=health.good_looks,
        failed_probes=health.failed_probes,
        good_probes=health.good_probes,
    )


def _mender(
    settings: Settings,
    specs: Mapping[str, ModelSpec],
    fleet: Fleet,
    prober: Prober,
    clock: MonotonicClock,
) -> Mender:
    mending = settings.mending
    options = MendOptions(
        first_s=mending.first_wait_s,
        most_s=mending.longest_wait_s,
        limit=mending.limit,
        lasting_s=mending.lasting_s,
    )
    return Mender(
        fleet=fleet,
        prober=prober,
        ledger=MendLedger(options),
        specs=specs,
        times=MendTimes(
            drain_s=settings.requests.engine_timeout_s, load_s=settings.fleet.load_timeout_s
        ),
        clock=clock,
        rng=random.Random(),  # noqa: S311  jitter, no secret
    )


def _limited_specs(settings: Settings, repository: ModelRepository) -> dict[str, ModelSpec]:
    """The models, those that know the photos' limits with the limits of the settings."""
    photos = settings.photos
    limits = {
        "max_bytes": photos.max_bytes,
        "max_pixels": photos.max_pixels,
        "max_full_pixels": photos.max_full_pixels,
    }
    return {name: with_parameters(spec, limits) for name, spec in repository.specs.items()}


def _watches(
    settings: Settings,
    specs: Mapping[str, ModelSpec],
    table: RoutingTable,
    tritons: Mapping[str, tuple[str, TritonInstance]],
    fleet: Fleet,
    clock: MonotonicClock,
    mender: Mender | None,
) -> tuple[InstanceWatch, ...]:
    times = WatchTimes(
        interval_s=settings.fleet.observe_interval_s,
        observe_s=settings.fleet.observe_timeout_s,
        load_s=settings.fleet.load_timeout_s,
    )
    return tuple(
        InstanceWatch(
            name,
            control=triton,
            fleet=fleet,
            specs=specs,
            desired=table.releases,
            times=times,
            clock=clock,
            rng=random.Random(),  # noqa: S311  jitter, no secret
            mender=mender,
        )
        for name, (_, triton) in tritons.items()
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


def _http_server(
    settings: Settings,
    detection: Detection,
    status: Status,
    operations: Operations,
    photos: LocalPhotos,
    clock: MonotonicClock,
) -> HttpServer:
    limits = RestLimits(
        max_bytes=settings.photos.max_bytes,
        timeout_s=settings.requests.timeout_s,
        max_timeout_s=settings.requests.max_timeout_s,
        body_timeout_s=settings.http.body_timeout_s,
    )
    services = RestServices(detection, status, operations, photos, clock, limits, __version__)
    return HttpServer(
        create_app(services),
        settings.http.host,
        settings.http.port,
        HttpLimits(
            max_requests=settings.http.max_requests,
            max_connections=settings.http.max_connections,
        ),
    )


def _embedded_fleet(settings: Settings) -> EmbeddedFleet:
    def write(line: LogLine) -> None:
        # What Triton calls information is detail to those who run Tidegate.
        is_detail = line.level in (LogLevel.DEBUG, LogLevel.INFO)
        level = logging.DEBUG if is_detail else LEVELS[line.level.value]
        triton_log.log(level, line.text, instance=line.instance)

    return EmbeddedFleet(
        FleetOptions(
            model_repository=settings.model_repository.absolute(),
            count=settings.embedded.tritons,
            base_port=settings.embedded.base_port,
            start_timeout_s=settings.embedded.start_timeout_s,
            on_log=write,
        )
    )


def _check_engines(settings: Settings, repository: ModelRepository) -> None:
    """Raises ConfigurationError for settings of an engine that the repository lacks."""
    for name in settings.requests.engines:
        if name not in repository.engines:
            known = ", ".join(sorted(repository.engines))
            raise ConfigurationError(
                f"requests.engines.{name} is for no engine of {settings.model_repository}, "
                f"which has: {known}",
                field=f"requests.engines.{name}",
            )


def _fallbacks(settings: Settings, repository: ModelRepository) -> dict[str, str]:
    """The release that each engine falls back to, where the settings name one.

    Raises ConfigurationError for one that the engine does not have.
    """
    wanted = {
        name: engine.fallback
        for name, engine in settings.requests.engines.items()
        if engine.fallback is not None
    }
    for name, release in wanted.items():
        known = repository.engines[name].releases
        if release not in known:
            field = f"requests.engines.{name}.fallback"
            raise ConfigurationError(
                f"{field} is {release!r}, which is no release of {name!r}; it has: "
                f"{', '.join(sorted(known))}",
                field=field,
            )
    return wanted


def _instance_urls(settings: Settings, *, with_tritons: bool) -> dict[str, str]:
    """Raises ConfigurationError when an instance is called as an embedded Triton is."""
    urls = {instance.name: instance.grpc_url for instance in settings.instances}
    if with_tritons:
        for index in range(settings.embedded.tritons):
            port = InstancePorts.of(settings.embedded.base_port, index).grpc
            name = f"triton-{index}"
            if name in urls:
                place = [instance.name for instance in settings.instances].index(name)
                raise ConfigurationError(
                    f"instances.{place}.name is {name!r}, as `tidegate up` calls a Triton "
                    "that it starts itself; choose another name",
                    field=f"instances.{place}.name",
                )
            urls[name] = f"{ADDRESS}:{port}"
    return urls


def _metrics_urls(settings: Settings, *, with_tritons: bool) -> dict[str, str]:
    """The page to scrape of each instance that has one."""
    urls = {each.name: each.metrics_url for each in settings.instances if each.metrics_url}
    if with_tritons:
        for index in range(settings.embedded.tritons):
            port = InstancePorts.of(settings.embedded.base_port, index).metrics
            urls[f"triton-{index}"] = f"http://{ADDRESS}:{port}/metrics"
    return urls
