"""Every part of the control plane, built and wired, and not yet started."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.model_folder import ModelFolder
from control_plane.adapters.photos import HeadInspector, LocalPhotos
from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry
from control_plane.adapters.stores import SqlStore, open_store
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.bootstrap.checks import (
    check_engines,
    instance_urls,
    limited_spec,
    metrics_urls,
    read_fallbacks,
)
from control_plane.bootstrap.edges import make_grpc_server, make_http_server
from control_plane.bootstrap.instances import Instances, make_instances
from control_plane.bootstrap.opening import adopt
from control_plane.bootstrap.options import (
    photo_limits,
    plan_defaults,
    rest_limits,
    store_bounds,
)
from control_plane.bootstrap.registration import make_registration, make_registry
from control_plane.bootstrap.requests import RequestPath, make_request_path
from control_plane.bootstrap.rollouts import (
    RolloutParts,
    make_gates,
    make_rollouts,
    name_plane,
)
from control_plane.core.state import State
from control_plane.grpc_api.calls import CallTimeouts
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.rollout_calls import RolloutCalls
from control_plane.grpc_api.server import GrpcServer
from control_plane.rest_api.server import HttpServer
from control_plane.rest_api.services import RestServices
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gates import Gates
from control_plane.services.gateway import Gateway
from control_plane.services.holding import Holding
from control_plane.services.model_reads import ModelReads
from control_plane.services.operations import Operations, heal
from control_plane.services.registration import Registration
from control_plane.services.status import Status
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class ControlPlane:
    """Everything that runs, wired and not yet started."""

    status: Status
    instances: Instances
    rollouts: RolloutParts
    path: RequestPath
    grpc: GrpcServer
    http: HttpServer


@asynccontextmanager
async def wired(settings: Settings, *, with_tritons: bool) -> AsyncIterator[ControlPlane]:
    """Builds every part; its end closes the store and the channels to the instances."""
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
        store = await stack.enter_async_context(
            open_store(
                settings.store_location,
                timeout_s=settings.store.timeout_s,
                pool_size=settings.store.pool_size,
                bounds=store_bounds(settings),
            )
        )
        board.put(await store.read())
        await catalogue.refresh()  # now with what is in use
        board.put(await adopt(store, catalogue.engines, fallbacks))
        tritons = {}
        for name, url in instances.items():
            triton = TritonInstance(url, max_message_bytes=settings.grpc.max_message_bytes)
            stack.push_async_callback(triton.close)
            tritons[name] = triton
        urls = metrics_urls(settings, with_tritons=with_tritons)
        client = await stack.enter_async_context(open_client(len(urls)))
        metrics = {name: TritonMetrics(url, client) for name, url in urls.items()}
        gates = await make_gates(settings, stack)
        outside = Outside(store, folder, registry, tritons, metrics, gates)
        plane = _wire(settings, board, catalogue, fallbacks, outside)
        stack.push_async_callback(plane.path.shadowing.close)
        yield plane


@dataclass(frozen=True, slots=True)
class Outside:
    """What reaches the outside world, by the instance's name where there is one for each."""

    store: SqlStore
    folder: ModelFolder
    registry: FileRegistry | MlflowRegistry
    tritons: Mapping[str, TritonInstance]
    metrics: Mapping[str, TritonMetrics]
    gates: Gates | None


def _wire(
    settings: Settings,
    board: Board,
    catalogue: Catalogue,
    fallbacks: Mapping[str, str],
    outside: Outside,
) -> ControlPlane:
    store = outside.store
    clock, calendar, plane = MonotonicClock(), SystemCalendar(), name_plane()
    instances = make_instances(
        settings,
        catalogue=catalogue,
        board=board,
        tritons=outside.tritons,
        metrics=outside.metrics,
        clock=clock,
    )
    path = make_request_path(settings, plane, board, instances.fleet, clock)
    holding = Holding(
        plane=plane,
        board=board,
        store=store,
        audit=store,
        fleet=instances.fleet,
        heal=lambda name, reason: heal(instances.fleet, instances.mender, name, reason),
    )
    rollouts = make_rollouts(
        settings,
        plane=plane,
        store=store,
        board=board,
        catalogue=catalogue,
        registry=outside.registry,
        fallbacks=fallbacks,
        instances=instances,
        measuring=path.measuring,
        gates=outside.gates,
        holding=holding,
        clock=clock,
        calendar=calendar,
    )
    registration = make_registration(
        settings,
        catalogue=catalogue,
        models=outside.folder,
        registry=outside.registry,
        fleet=instances.fleet,
        board=board,
        record=rollouts.rollouts.record,
        clock=clock,
        calendar=calendar,
    )
    status = _status(catalogue, instances.fleet, board, path.gateway, clock, calendar)
    operations = Operations(instances.fleet, lambda: board.table, instances.mender, holding)
    grpc, http = _edges(
        settings,
        instances.fleet,
        path.gateway,
        status,
        catalogue,
        registration,
        operations,
        rollouts,
        clock,
    )
    return ControlPlane(status, instances, rollouts, path, grpc, http)


def _status(
    catalogue: Catalogue,
    fleet: Fleet,
    board: Board,
    gateway: Gateway,
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> Status:
    return Status(
        engines=catalogue.engines,
        fleet=fleet,
        table=lambda: board.table,
        admission=gateway.admission,
        retry_budget=gateway.retry_budget,
        clock=clock,
        calendar=calendar,
    )


def _edges(
    settings: Settings,
    fleet: Fleet,
    gateway: Gateway,
    status: Status,
    catalogue: Catalogue,
    registration: Registration,
    operations: Operations,
    rollouts: RolloutParts,
    clock: MonotonicClock,
) -> tuple[GrpcServer, HttpServer]:
    detection = Detection(
        gateway,
        HeadInspector(photo_limits(settings)),
        lambda: [name for name in catalogue.engines if catalogue.specs[name].takes_photo],
        clock,
    )
    photos = LocalPhotos(settings.photos.allowed_roots, settings.photos.max_bytes)
    timeouts = CallTimeouts(settings.requests.timeout_s, settings.requests.max_timeout_s)
    kserve = KServe(
        gateway=gateway,
        fleet=fleet,
        reads=ModelReads(
            gateway=gateway,
            fleet=fleet,
            components=frozenset(catalogue.specs.keys() - catalogue.engines.keys()),
            timeout_s=settings.requests.engine_timeout_s,
            clock=clock,
        ),
        status=status,
        clock=clock,
        version=__version__,
        timeouts=timeouts,
        stream_idle_s=settings.grpc.stream_idle_s,
        max_message_bytes=settings.grpc.max_message_bytes,
    )
    defaults = plan_defaults(settings)
    calls = RolloutCalls(rollouts.rollouts, defaults, timeouts, kserve.stopping)
    grpc = make_grpc_server(
        settings,
        kserve,
        Orchestrator(detection, photos, status, clock, timeouts),
        OperationsService(operations, status, calls),
    )
    services = RestServices(
        detection=detection,
        status=status,
        operations=operations,
        photos=photos,
        clock=clock,
        limits=rest_limits(settings),
        version=__version__,
        rollouts=rollouts.rollouts,
        plan_defaults=defaults,
        registration=registration,
        hasten=rollouts.registry.hasten,
        standing=rollouts.standings,
    )
    return grpc, make_http_server(settings, services)
