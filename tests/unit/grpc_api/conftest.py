"""The real gRPC server on a port of its own, over services over fake Tritons."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

import grpc
import grpc.aio
import pytest

from control_plane.core.requests import Ended
from control_plane.grpc_api.calls import CallTimeouts
from control_plane.grpc_api.detection_calls import DetectionCalls
from control_plane.grpc_api.job_calls import JobCalls
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.rollout_calls import RolloutCalls
from control_plane.grpc_api.server import GrpcServer
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.model_reads import ModelReads
from control_plane.services.operations import Operations
from control_plane.services.rollout_requests import PlanDefaults
from control_plane.services.status import Status
from control_plane.services.tracing import NOT_TRACED, Tracer
from tests.unit.fake_jobs import FakeJobs
from tests.unit.fakes import FakeCalendar, FakeClock, FakeInspector, FakeInstance, FakePhotos
from tests.unit.rollouts import FakeRollouts
from tests.unit.samples import ENGINES, TABLE, make_fleet, make_gateway

MAX_MESSAGE_BYTES = 64 * 1024
KSERVE = "/inference.GRPCInferenceService/"
ORCHESTRATOR = "/tidegate.v1.Orchestrator/"
OPERATIONS = "/tidegate.v1.Operations/"
Metadata = dict[str, str]


@dataclass(frozen=True, slots=True)
class Refusal:
    """How a call was refused."""

    status: str
    message: str
    metadata: Metadata


@dataclass(slots=True)
class Edge:
    """A running server, what lies behind it, and a channel to it."""

    triton: FakeInstance
    fleet: Fleet
    server: GrpcServer
    clock: FakeClock
    photos: FakePhotos
    gateway: Gateway
    rollouts: FakeRollouts
    jobs: FakeJobs
    channel: Any = field(default=None)
    heard: list[Ended] = field(default_factory=list)

    @property
    def in_flight(self) -> int:
        return sum(instance.in_flight for instance in self.fleet.instances)

    async def call(
        self, method: str, message: bytes, *, timeout_s: float | None = 10.0, **metadata: str
    ) -> tuple[bytes, Metadata]:
        """The answer and its trailing metadata. Underscores in names stand for dashes."""
        pairs = [(name.replace("_", "-"), value) for name, value in metadata.items()]
        call = self.channel.unary_unary(method)(message, timeout=timeout_s, metadata=pairs)
        answer = await call
        return answer, trailing(await call.trailing_metadata())

    async def refusal(
        self, method: str, message: bytes, *, timeout_s: float | None = 10.0, **metadata: str
    ) -> Refusal:
        with pytest.raises(grpc.aio.AioRpcError) as refused:
            await self.call(method, message, timeout_s=timeout_s, **metadata)
        error = refused.value
        return Refusal(error.code().name, error.details(), trailing(error.trailing_metadata()))


def trailing(metadata: Any) -> Metadata:
    return {key: value for key, value in metadata or () if isinstance(value, str)}


def make_server(
    fleet: Fleet,
    clock: FakeClock,
    photos: FakePhotos,
    port: int = 0,
    stream_idle_s: float = 600.0,
    max_concurrent_calls: int = 1024,
    gateway: Gateway | None = None,
    rollouts: FakeRollouts | None = None,
    operations: Operations | None = None,
    jobs: FakeJobs | None = None,
    tracing: Tracer = NOT_TRACED,
) -> GrpcServer:
    jobs = jobs or FakeJobs()
    gateway = gateway or make_gateway(fleet, clock)
    status = Status(
        engines=ENGINES,
        fleet=fleet,
        table=lambda: TABLE,
        admission=gateway.admission,
        retry_budget=gateway.retry_budget,
        clock=clock,
        calendar=FakeCalendar(),
    )
    components = frozenset({"preprocess", "damage_detector", "materials_detector"})
    timeouts = CallTimeouts(30.0, 60.0)
    kserve = KServe(
        gateway=gateway,
        fleet=fleet,
        reads=ModelReads(
            gateway=gateway, fleet=fleet, components=components, timeout_s=3.0, clock=clock
        ),
        status=status,
        clock=clock,
        version="9.9.9",
        timeouts=timeouts,
        stream_idle_s=stream_idle_s,
        max_message_bytes=MAX_MESSAGE_BYTES,
        tracing=tracing,
    )
    calls = RolloutCalls(
        rollouts or FakeRollouts(),
        PlanDefaults((5, 50), 30.0, 600.0, 20),
        timeouts,
        kserve.stopping,
    )
    detection = Detection(gateway, FakeInspector(), lambda: TABLE.routes, clock)
    known = detection.known_engines
    submitted = DetectionCalls(
        jobs, jobs, known, timeouts, kserve.stopping, max_deadline_s=3600.0, tracing=tracing
    )
    return GrpcServer(
        kserve=kserve,
        orchestrator=Orchestrator(detection, photos, status, clock, timeouts, submitted, tracing),
        operations=OperationsService(
            operations or Operations(fleet, lambda: TABLE), status, calls, JobCalls(jobs, timeouts)
        ),
        host="127.0.0.1",
        port=port,
        max_message_bytes=MAX_MESSAGE_BYTES,
        max_concurrent_calls=max_concurrent_calls,
    )


@pytest.fixture
async def edge() -> AsyncIterator[Edge]:
    triton, clock = FakeInstance(), FakeClock()
    fleet = make_fleet(triton)
    photos = FakePhotos({"file:///roof.jpg": b"photo from a file"})
    heard: list[Ended] = []
    gateway = make_gateway(fleet, clock, ended=heard.append)
    rollouts = FakeRollouts()
    jobs = FakeJobs()
    server = make_server(fleet, clock, photos, gateway=gateway, rollouts=rollouts, jobs=jobs)
    await server.start()
    running = Edge(triton, fleet, server, clock, photos, gateway, rollouts, jobs, heard=heard)
    async with grpc.aio.insecure_channel(server.address) as channel:
        running.channel = channel
        yield running
    await server.stop(0)
