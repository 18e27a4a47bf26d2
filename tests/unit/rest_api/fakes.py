"""The services behind the REST edge, in memory."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import httpx

from control_plane.adapters.stores import MemoryStore
from control_plane.core.accuracy import Accuracy, Judged
from control_plane.core.admission import AdmissionStatistics
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    EngineFailure,
    EngineResult,
    Priority,
    overall_status,
)
from control_plane.core.traffic import RequestCounts
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.app import RestLimits, RestServices, create_app
from control_plane.rest_api.hosts import ANY, AllowedHosts
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.feedback import SaidFeedback, TakenFeedback, TakenPart
from control_plane.services.log_level import LogLevel
from control_plane.services.operations import Action
from control_plane.services.rollout_requests import PlanDefaults
from control_plane.services.standing import Standing
from control_plane.services.status import (
    ChangeView,
    EngineThereView,
    EngineView,
    InstanceView,
    ReleaseView,
)
from control_plane.services.tracing import NOT_TRACED
from control_plane.services.traffic import Traffic
from tests.unit.fake_jobs import FakeJobs
from tests.unit.fake_logs import make_log_level
from tests.unit.fakes import FakeCalendar
from tests.unit.rest_api.fake_registration import FakeRegistration
from tests.unit.rollouts import FakeRollouts
from tests.unit.samples import TABLE

PHOTO = b"\xff\xd8\xff\xe0 as good as a photo"
DETECT = "/api/v1/orchestrator/detect"
UUID = "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d"
NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
LIMITS = RestLimits(max_bytes=100_000, timeout_s=10.0, max_timeout_s=60.0, max_deadline_s=3600.0)
PLAN_DEFAULTS = PlanDefaults((5, 50), 30.0, 600.0, 20)
DETECTION_ID = "6f9d9a6e-0a39-4a4e-b5f0-0f9a2a6a3c55"


class FakeClock:
    def __init__(self) -> None:
        self.reading_s = 1000.0

    def now_s(self) -> float:
        return self.reading_s


@dataclass
class FakeDetection:
    """Remembers what it was asked and answers as it is told to."""

    engines: tuple[str, ...] = ("damage", "materials", "volume")
    failures: Mapping[str, EngineFailure] = field(default_factory=dict)
    error: BaseException | None = None
    asked: list[DetectionRequest] = field(default_factory=list)
    gate: asyncio.Event | None = None
    started: asyncio.Event = field(default_factory=asyncio.Event)
    cancelled: asyncio.Event = field(default_factory=asyncio.Event)

    def known_engines(self) -> tuple[str, ...]:
        return self.engines

    async def detect(self, request: DetectionRequest) -> DetectionAnswer:
        self.asked.append(request)
        self.started.set()
        if self.gate is not None:
            try:
                await self.gate.wait()
            except asyncio.CancelledError:
                self.cancelled.set()
                raise
        if self.error is not None:
            raise self.error
        results = {
            engine: EngineResult({"counts": {"hail": 1}}, "1.1.0", "triton-0", 1)
            for engine in request.engines
            if engine not in self.failures
        }
        return DetectionAnswer(
            request_id=request.request_id,
            detection_id=DETECTION_ID,
            correlation_id=request.correlation_id,
            status=overall_status(len(results), len(self.failures)),
            results=results,
            errors=self.failures,
            processing_time_ms=12.5,
            timestamp=NOON,
            photo_id=request.photo_id,
        )


@dataclass
class FakePhotos:
    """Knows one photo."""

    url: str = "file:///photos/roof.jpg"
    gate: asyncio.Event | None = None

    async def fetch(self, url: str) -> bytes:
        if self.gate is not None:
            await self.gate.wait()
        if url != self.url:
            raise ControlPlaneError(
                ErrorCode.PHOTO_FORBIDDEN, "photo_url is not allowed", field="photo_url"
            )
        return PHOTO


def engine_view(name: str = "damage", *, is_ready: bool = True) -> EngineView:
    ready_on = ("triton-0",) if is_ready else ()
    releases = (
        ReleaseView("1.0.0", {"damage_detector": 1}, False, 0, (), shadow_bp=500),
        ReleaseView(
            *("1.1.0", {"damage_detector": 2}, True, 10_000, ready_on, 1, 2, True, 14),
            is_canary=True,
            is_serving=True,
        ),
    )
    admission = AdmissionStatistics(
        limit=40,
        in_flight=3,
        baseline_s=0.05,
        is_measuring=False,
        admitted={Priority.HIGH: 1, Priority.NORMAL: 20, Priority.LOW: 5},
        shed={Priority.HIGH: 0, Priority.NORMAL: 0, Priority.LOW: 2},
    )
    return EngineView(name, "ensemble", "1.1.0", is_ready, releases, admission, 29.46)


def change_view(name: str = "triton-0", *, engine: str | None = None) -> ChangeView:
    return ChangeView(NOON, name, engine, "unknown", "healthy", "all is well")


def instance_view(
    name: str = "triton-0", *, state: str = "ready", health: str = "healthy"
) -> InstanceView:
    reason = "" if state == "ready" else "connection refused"
    return InstanceView(
        name=name,
        url="127.0.0.1:8001",
        state=state,
        serving={"damage": ("1.1.0",)},
        in_flight=2,
        breakers={},
        reason=reason,
        observed_ago_s=0.25,
        health=health,
        health_reason="all is well",
        health_since=NOON,
        engines={"damage": EngineThereView("fit", "probe: ok", 2)},
        last_change=change_view(name),
    )


@dataclass
class FakeStatus:
    engine_views: tuple[EngineView, ...] = (engine_view(),)
    instance_views: tuple[InstanceView, ...] = (instance_view(),)
    is_stopping: bool = False
    was_whole: bool = False

    def engines(self) -> tuple[EngineView, ...]:
        return self.engine_views

    def instances(self) -> tuple[InstanceView, ...]:
        return self.instance_views

    def instance(self, name: str) -> InstanceView:
        for view in self.instance_views:
            if view.name == name:
                return view
        raise ControlPlaneError(ErrorCode.NOT_FOUND, "unknown instance", field="instance")

    def history(self, name: str) -> tuple[ChangeView, ...]:
        return (change_view(name), change_view(name, engine="damage"))

    def changes(self, limit: int) -> tuple[ChangeView, ...]:
        return tuple(change_view(view.name) for view in self.instance_views)[:limit]

    def is_ready(self) -> bool:
        if self.is_stopping or not self.engine_views:
            return False
        return self.was_whole or all(view.is_ready for view in self.engine_views)


@dataclass
class FakeStanding:
    standing: Standing = field(default_factory=lambda: Standing("gate-1"))

    def now(self) -> Standing:
        return self.standing


@dataclass
class FakeOperations:
    """Remembers what was done, or refuses it."""

    done: list[tuple[Action, str, str, str, bool]] = field(default_factory=list)
    error: ControlPlaneError | None = None

    async def act(
        self, action: Action, name: str, *, who: str, reason: str = "", force: bool = False
    ) -> None:
        if self.error is not None:
            raise self.error
        self.done.append((action, name, who, reason, force))


@dataclass
class FakeFeedback:
    """Remembers what was said; judges as it is told to."""

    said: list[SaidFeedback] = field(default_factory=list)
    judged: Judged = field(default_factory=lambda: Judged(is_right=True))
    error: ControlPlaneError | None = None

    async def give(self, said: SaidFeedback) -> TakenFeedback:
        if self.error is not None:
            raise self.error
        self.said.append(said)
        return TakenFeedback(
            said.request_id or UUID,
            said.detection_id or DETECTION_ID,
            {engine: TakenPart("1.1.0", self.judged, has_replaced=False) for engine in said.truth},
        )


@dataclass
class FakeAccuracy:
    found: Mapping[str, Accuracy] = field(default_factory=dict)
    asked: list[tuple[str, float | None]] = field(default_factory=list)
    error: ControlPlaneError | None = None

    async def of(self, engine: str, *, since_s: float | None = None) -> Mapping[str, Accuracy]:
        if self.error is not None:
            raise self.error
        self.asked.append((engine, since_s))
        return self.found


@dataclass
class Edge:
    """A REST application over fakes, and a client of it."""

    detection: FakeDetection = field(default_factory=FakeDetection)
    status: FakeStatus = field(default_factory=FakeStatus)
    standing: FakeStanding = field(default_factory=FakeStanding)
    operations: FakeOperations = field(default_factory=FakeOperations)
    registration: FakeRegistration = field(default_factory=FakeRegistration)
    photos: FakePhotos = field(default_factory=FakePhotos)
    clock: FakeClock = field(default_factory=FakeClock)
    limits: RestLimits = LIMITS
    rollouts: FakeRollouts = field(default_factory=FakeRollouts)
    plan_defaults: PlanDefaults = PLAN_DEFAULTS
    jobs: FakeJobs = field(default_factory=FakeJobs)
    feedback: FakeFeedback = field(default_factory=FakeFeedback)
    accuracy: FakeAccuracy = field(default_factory=FakeAccuracy)
    metrics: bytes = b"tidegate_up 1.0\n"
    counts: RequestCounts = field(default_factory=lambda: RequestCounts(900.0))
    log_level: LogLevel = field(default_factory=make_log_level)
    store: MemoryStore = field(default_factory=lambda: MemoryStore(lambda: 0.0))
    stopping: asyncio.Event = field(default_factory=asyncio.Event)
    hastened: int = 0
    tracing: Any = NOT_TRACED
    hosts: AllowedHosts = field(default_factory=lambda: AllowedHosts((ANY,)))

    def hasten(self) -> None:
        self.hastened += 1

    async def render(self) -> bytes:
        return self.metrics

    def services(self) -> RestServices:
        return RestServices(
            detection=self.detection,
            status=self.status,
            operations=self.operations,
            photos=self.photos,
            clock=self.clock,
            limits=self.limits,
            version="0.1.0",
            rollouts=self.rollouts,
            registration=self.registration,
            standing=self.standing,
            plan_defaults=self.plan_defaults,
            intake=self.jobs,
            jobs=self.jobs,
            feedback=self.feedback,
            accuracy=self.accuracy,
            metrics=self,
            log_level=self.log_level,
            traces=self.tracing,
            traffic=Traffic(
                "gate-1",
                counts=self.counts,
                share=self.store,
                has_others=lambda: False,
                drift=ConfidenceDrift(self.store, lambda: TABLE),
                clock=self.clock,
                calendar=FakeCalendar(),
            ),
            stopping=self.stopping,
            hasten=self.hasten,
            hosts=self.hosts,
        )

    @asynccontextmanager
    async def client(
        self, prepare: Callable[[Any], None] | None = None
    ) -> AsyncIterator[httpx.AsyncClient]:
        app = create_app(self.services())
        if prepare is not None:
            prepare(app)
        transport = httpx.ASGITransport(app)
        async with httpx.AsyncClient(transport=transport, base_url="http://tidegate") as client:
            yield client


async def upload(client: httpx.AsyncClient, **fields: Any) -> httpx.Response:
    return await client.post(DETECT, files={"photo": ("roof.jpg", PHOTO)}, data=fields)


async def assert_still_answers(client: httpx.AsyncClient) -> None:
    """A bad request costs itself only: the next good one is served."""
    response = await upload(client)
    assert response.status_code == 200, response.text


def check_problem(response: httpx.Response, status: int, code: ErrorCode, field: str | None) -> str:
    """Every member of a problem; returns its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    body = response.json()
    assert body["status"] == status
    assert body["code"] == code.value
    assert body.get("field") == field
    assert body["type"].endswith(code.value)
    assert body["title"]
    assert body["correlation_id"] == response.headers["x-correlation-id"]
    return str(body["detail"])
