"""A photo's engines run side by side; one that fails leaves the others."""

from __future__ import annotations

import asyncio
import uuid
from dataclasses import replace
from datetime import UTC
from typing import Any

import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from control_plane.core.deadline import Deadline
from control_plane.core.detections import (
    DetectionRequest,
    DetectionStatus,
    EngineFailure,
    EngineResult,
    Priority,
)
from control_plane.core.requests import Ended
from control_plane.core.routing import RoutingTable, Shadow
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import CallMetadata
from control_plane.services.calling import CallTimes
from control_plane.services.detection import Detection
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import GatewayOptions
from control_plane.services.result_cache import ResultReuse
from tests.unit.fakes import (
    FakeClock,
    FakeInspector,
    FakeInstance,
    FakeResultCache,
    call_failed,
)
from tests.unit.samples import DAMAGE_NEXT, TABLE, look_at_photo, make_fleet, make_gateway

ALL = ("damage", "materials", "volume")
MEASURED = EngineResult({"volume_m3": 12.346, "confidence": 0.8765}, "4.0.0", "triton-0", 1)


def make_detection(fleet: Fleet, clock: FakeClock | None = None) -> Detection:
    clock = clock or FakeClock()
    return Detection(make_gateway(fleet, clock), FakeInspector(), lambda: TABLE.routes, clock)


def request(*engines: str, **changes: Any) -> DetectionRequest:
    asked = {
        "photo": b"photo of a roof",
        "engines": engines or ALL,
        "request_id": "r-1",
        "correlation_id": "c-1",
        "deadline": Deadline(1030.0),
    }
    return DetectionRequest(**(asked | changes))


def in_flight(fleet: Fleet) -> int:
    return sum(instance.in_flight for instance in fleet.instances)


async def refusal_of(detection: Detection, asked: DetectionRequest) -> ControlPlaneError:
    with pytest.raises(ControlPlaneError) as refusal:
        await detection.detect(asked)
    return refusal.value


def test_the_engines_that_can_be_asked_are_those_with_a_route() -> None:
    assert make_detection(make_fleet()).known_engines() == ALL


async def test_a_routing_key_is_told_as_the_callers_own_and_the_request_id_is_not() -> None:
    heard: list[Ended] = []
    gateway = make_gateway(make_fleet(FakeInstance(answer=look_at_photo)), ended=heard.append)
    detection = Detection(gateway, FakeInspector(), lambda: TABLE.routes, FakeClock())
    await detection.detect(request("damage"))
    await detection.detect(request("damage", routing_key="roof"))
    keys = [(one.routing_key, one.is_key_given) for one in heard]
    assert keys == [("r-1", False), ("roof", True)]


async def test_a_whole_answer_says_who_served_it() -> None:
    triton, clock = FakeInstance(answer=look_at_photo), FakeClock()

    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        clock.advance(0.0125)
        return look_at_photo(asked)

    triton.answer = answer
    detection = make_detection(make_fleet(triton), clock)
    whole = await detection.detect(request(photo_id="p-1"))
    assert whole.status is DetectionStatus.COMPLETED
    assert (whole.request_id, whole.correlation_id, whole.photo_id) == ("r-1", "c-1", "p-1")
    assert uuid.UUID(whole.detection_id).version == 4
    assert whole.timestamp.tzinfo is UTC
    assert whole.processing_time_ms == 37.5
    assert whole.errors == {}
    assert list(whole.results) == list(ALL)
    assert whole.results["volume"] == MEASURED
    assert whole.results["damage"].findings["counts"] == {"hail": 1, "wind": 1}
    assert whole.results["materials"].findings["items"][0]["brand"] == "Owens"
    assert (await detection.detect(request("volume"))).detection_id != whole.detection_id


async def test_what_an_engine_is_asked() -> None:
    seen: list[service_pb2.ModelInferRequest] = []

    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked)
        return look_at_photo(asked)

    detection = make_detection(make_fleet(FakeInstance(answer=answer)))
    await detection.detect(
        request("damage", priority=Priority.LOW, releases={"damage": "stable", "volume": "9.9.9"})
    )
    (asked,) = seen
    assert (asked.model_name, asked.model_version, asked.id) == ("damage--1.0.0", "1", "r-1")
    assert asked.parameters["priority"].int64_param == 3
    assert asked.raw_input_contents[0][4:] == b"photo of a roof"


@pytest.mark.parametrize(("remaining_s", "engine_s"), [(2.0, 1.9), (5.0, 4.75), (20.0, 5.0)])
async def test_an_engine_that_hangs_leaves_time_to_tell_what_the_others_found(
    remaining_s: float, engine_s: float
) -> None:
    triton = FakeInstance(failures={"damage--1.0.0": call_failed("INTERNAL", "out of memory")})
    options = GatewayOptions(CallTimes(10.0))
    clock = FakeClock()
    gateway = make_gateway(make_fleet(triton), clock, options=options)
    detection = Detection(gateway, FakeInspector(), lambda: TABLE.routes, clock)
    await detection.detect(request("damage", deadline=Deadline(1000.0 + remaining_s)))
    assert triton.timeouts_s[0] == pytest.approx(engine_s)


async def test_engines_run_side_by_side() -> None:
    triton = FakeInstance(answer=look_at_photo)
    triton.hold.clear()
    fleet = make_fleet(triton)
    task = asyncio.create_task(make_detection(fleet).detect(request()))
    # All three have been asked before any may answer.
    entered = [await triton.entered.get() for _ in ALL]
    assert sorted(entered) == ["damage--1.0.0", "materials--1.0.0", "volume"]
    assert in_flight(fleet) == 3
    triton.hold.set()
    assert (await task).status is DetectionStatus.COMPLETED
    assert in_flight(fleet) == 0


async def test_an_engine_that_fails_leaves_the_others() -> None:
    failures = {"damage--1.0.0": call_failed("INTERNAL", "stub of damage--1.0.0 died")}
    fleet = make_fleet(FakeInstance(answer=look_at_photo, failures=failures))
    with capture_logs() as logs:
        answer = await make_detection(fleet).detect(request())
    assert answer.status is DetectionStatus.PARTIAL
    assert list(answer.results) == ["materials", "volume"]
    assert answer.errors == {
        "damage": EngineFailure(ErrorCode.BACKEND_FAULT, "stub of damage died")
    }
    warned = [entry for entry in logs if entry["log_level"] == "warning"]
    assert [(entry["event"], entry["engine"]) for entry in warned] == [("engine failed", "damage")]
    assert in_flight(fleet) == 0


@pytest.mark.parametrize(
    ("status", "said", "code"),
    [
        ("UNIMPLEMENTED", "no such method", ErrorCode.UNIMPLEMENTED),
        (
            "RESOURCE_EXHAUSTED",
            "Received message larger than max (6 vs. 5)",
            ErrorCode.MESSAGE_TOO_LARGE,
        ),
    ],
)
async def test_what_an_instance_says_of_its_own_call_leaves_the_others(
    status: str, said: str, code: ErrorCode
) -> None:
    failures = {"damage--1.0.0": call_failed(status, said)}
    fleet = make_fleet(FakeInstance(answer=look_at_photo, failures=failures))
    answer = await make_detection(fleet).detect(request())
    assert answer.status is DetectionStatus.PARTIAL
    assert answer.errors["damage"].code is code


async def test_when_every_engine_fails_the_answer_says_so() -> None:
    fleet = make_fleet(FakeInstance(is_away=True))
    answer = await make_detection(fleet).detect(request("damage", "volume"))
    assert answer.status is DetectionStatus.FAILED
    assert answer.results == {}
    assert {failure.code for failure in answer.errors.values()} == {ErrorCode.BACKEND_UNAVAILABLE}
    assert in_flight(fleet) == 0


async def test_an_engine_that_is_ready_nowhere_leaves_the_others() -> None:
    ready = frozenset({("volume", "4.0.0")})
    fleet = make_fleet(FakeInstance(answer=look_at_photo), serving=ready)
    answer = await make_detection(fleet).detect(request("damage", "volume"))
    assert answer.status is DetectionStatus.PARTIAL
    assert answer.errors["damage"].code is ErrorCode.RELEASE_NOT_READY


async def test_an_answer_that_cannot_be_read_is_that_engines_failure() -> None:
    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        response = look_at_photo(asked)
        if asked.model_name == "volume":
            response.raw_output_contents.pop()
        return response

    fleet = make_fleet(FakeInstance(answer=answer))
    whole = await make_detection(fleet).detect(request("volume", "damage"))
    assert whole.status is DetectionStatus.PARTIAL
    assert whole.errors["volume"].code is ErrorCode.BACKEND_FAULT


class SlowDamage(FakeInstance):
    """Its damage never answers; the others do after damage was asked."""

    async def infer(
        self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
    ) -> bytes:
        if service_pb2.ModelInferRequest.FromString(message).model_name == "damage--1.0.0":
            self.entered.put_nowait("damage")
            try:
                await asyncio.Event().wait()
            except asyncio.CancelledError:
                self.calls.append("damage was cancelled")
                raise
        await self.entered.get()
        raise call_failed("INVALID_ARGUMENT", "IMAGE: the JPEG image is truncated")


async def test_what_an_engine_says_against_its_request_is_its_own_failure() -> None:
    said = call_failed("INVALID_ARGUMENT", "unexpected shape for input 'IMAGE'")
    triton = FakeInstance(answer=look_at_photo, failures={"volume": said})
    answer = await make_detection(make_fleet(triton)).detect(request("volume", "damage"))
    assert answer.status is DetectionStatus.PARTIAL
    assert answer.errors["volume"].code is ErrorCode.BACKEND_FAULT
    assert "unexpected shape" in answer.errors["volume"].message
    assert "damage" in answer.results


async def test_a_photo_that_an_engine_calls_unreadable_ends_the_others() -> None:
    triton = SlowDamage()
    fleet = make_fleet(triton)
    refusal = await refusal_of(make_detection(fleet), request("damage", "volume"))
    assert (refusal.code, refusal.field) == (ErrorCode.PHOTO_INVALID, "photo")
    assert refusal.message == "IMAGE: the JPEG image is truncated"
    assert triton.calls == ["damage was cancelled"]
    assert in_flight(fleet) == 0


@pytest.mark.parametrize(
    ("releases", "code"),
    [
        ({"volume": "9.9.9"}, ErrorCode.UNKNOWN_RELEASE),
        ({"volume": "x"}, ErrorCode.UNKNOWN_RELEASE),
    ],
)
async def test_a_release_that_nobody_knows_is_the_callers_mistake(
    releases: dict[str, str], code: ErrorCode
) -> None:
    fleet = make_fleet(FakeInstance(answer=look_at_photo))
    refusal = await refusal_of(make_detection(fleet), request(releases=releases))
    assert (refusal.code, refusal.field) == (code, "model_version")
    assert in_flight(fleet) == 0


async def test_a_photo_that_is_none_costs_no_engine_anything() -> None:
    triton = FakeInstance()
    refusal = await refusal_of(make_detection(make_fleet(triton)), request(photo=b"%PDF"))
    assert refusal.code is ErrorCode.PHOTO_INVALID
    assert triton.calls == []


async def test_a_deadline_already_past_refuses_before_the_photo_is_looked_at() -> None:
    asked = request(photo=b"%PDF", deadline=Deadline(1000.0))
    refusal = await refusal_of(make_detection(make_fleet(FakeInstance())), asked)
    assert refusal.code is ErrorCode.DEADLINE_EXCEEDED


async def test_a_cancelled_caller_gives_every_place_back() -> None:
    triton = FakeInstance()
    triton.hold.clear()
    fleet = make_fleet(triton)
    task = asyncio.create_task(make_detection(fleet).detect(request()))
    for _ in ALL:
        await triton.entered.get()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert in_flight(fleet) == 0


class Reusing:
    """A detection with a cache, in front of one Triton. table: may be changed meanwhile."""

    def __init__(self) -> None:
        self.triton = FakeInstance(answer=look_at_photo)
        self.table: RoutingTable = TABLE
        clock = FakeClock()
        gateway = make_gateway(make_fleet(self.triton), clock, table=lambda: self.table)
        self.reuse = ResultReuse(FakeResultCache(), clock)
        self.detection = Detection(
            gateway, FakeInspector(), lambda: TABLE.routes, clock, self.reuse
        )

    async def ask(self, **changes: Any) -> dict[str, bool]:
        """Which engines' results were found for an earlier request."""
        answer = await self.detection.detect(request(**changes))
        assert answer.status is DetectionStatus.COMPLETED
        return {engine: result.is_cached for engine, result in answer.results.items()}


NONE_CACHED = dict.fromkeys(ALL, False)
ALL_CACHED = dict.fromkeys(ALL, True)


async def test_a_photo_that_comes_again_is_not_looked_at_again() -> None:
    site = Reusing()
    assert await site.ask() == NONE_CACHED
    assert await site.ask(request_id="r-2", routing_key="roof") == ALL_CACHED
    assert await site.ask(photo=b"photo of another roof") == NONE_CACHED
    assert len(site.triton.calls) == 6
    assert (site.reuse.statistics().hits, site.reuse.statistics().misses) == (3, 6)


async def test_a_result_that_is_known_is_the_same_as_before() -> None:
    site = Reusing()
    first = await site.detection.detect(request("volume"))
    again = await site.detection.detect(request("volume"))
    assert again.results["volume"].findings == first.results["volume"].findings
    assert (again.results["volume"].instance, again.results["volume"].attempts) == ("triton-0", 0)
    assert again.detection_id != first.detection_id


async def test_who_wants_it_looked_at_anew_gets_that() -> None:
    site = Reusing()
    await site.ask()
    assert await site.ask(may_use_cache=False) == NONE_CACHED
    assert len(site.triton.calls) == 6


async def test_while_something_is_tried_on_an_engine_every_request_of_its_is_sent() -> None:
    site = Reusing()
    await site.ask()
    route = TABLE.routes["damage"]
    shadowed = replace(
        route, serving={**route.serving, "1.1.0": DAMAGE_NEXT}, shadow=Shadow("1.1.0", 100)
    )
    site.table = replace(TABLE, routes={**TABLE.routes, "damage": shadowed})
    assert await site.ask() == {"damage": False, "materials": True, "volume": True}
    site.table = TABLE
    assert await site.ask() == ALL_CACHED


async def test_a_release_that_does_not_exist_is_refused_with_a_cache_too() -> None:
    refusal = await refusal_of(Reusing().detection, request("damage", releases={"damage": "9.9.9"}))
    assert refusal.code is ErrorCode.UNKNOWN_RELEASE


async def test_one_photo_from_many_at_once_is_looked_at_once() -> None:
    site = Reusing()
    cached = await asyncio.gather(*(site.ask() for _ in range(8)))
    assert sorted(one["damage"] for one in cached) == [False, *[True] * 7]
    assert len(site.triton.calls) == 3
