"""``tidegate.v1.Orchestrator`` over the real server: whole, partial, failed and refused."""

from __future__ import annotations

import uuid
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from tritonclient.grpc import service_pb2

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.grpc_api.detection_messages import (
    PRIORITIES,
    STATUSES,
    EngineResult,
    _write_result,
)
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.unit.fakes import call_failed
from tests.unit.grpc_api.conftest import ORCHESTRATOR, Edge
from tests.unit.samples import look_at_photo

DETECT = ORCHESTRATOR + "Detect"


@pytest.fixture(autouse=True)
def _looking(edge: Edge) -> None:
    edge.triton.answer = look_at_photo


def request(**changes: Any) -> bytes:
    asked = {"photo": b"photo of a roof", **changes}
    if "photo_url" in changes:
        del asked["photo"]
    return pb.DetectRequest(**asked).SerializeToString()


async def detect(edge: Edge, message: bytes, **metadata: str) -> pb.Detection:
    raw, _ = await edge.call(DETECT, message, **metadata)
    return pb.Detection.FromString(raw)


async def test_a_whole_detection(edge: Edge) -> None:
    photo_id = str(uuid.uuid4())
    found = await detect(edge, request(photo_id=photo_id.upper()), x_correlation_id="job-7")
    assert found.status == pb.DETECTION_STATUS_COMPLETED
    assert (found.correlation_id, found.photo_id) == ("job-7", photo_id)
    assert uuid.UUID(found.request_id) != uuid.UUID(found.detection_id)
    assert abs((found.timestamp.ToDatetime(UTC) - datetime.now(UTC)).total_seconds()) < 60
    assert sorted(found.results) == ["damage", "materials", "volume"]
    assert not found.errors
    damage = found.results["damage"]
    assert (damage.release, damage.instance, damage.attempts) == ("1.0.0", "triton-0", 1)
    assert dict(damage.damage.counts) == {"wind": 1, "hail": 1}
    wind = damage.damage.objects[0]
    assert (wind.class_name, wind.brand) == ("wind", "")
    assert wind.confidence == pytest.approx(0.9123)
    assert (wind.box.x_min, wind.box.y_min, wind.box.x_max, wind.box.y_max) == (1, 2, 3, 4)
    materials = found.results["materials"].materials
    assert [item.brand for item in materials.objects] == ["Owens", ""]
    volume = found.results["volume"]
    assert (volume.release, volume.volume) == (
        "4.0.0",
        pb.Volume(volume_m3=12.346, confidence=0.8765),
    )


async def test_only_the_engines_asked_for(edge: Edge) -> None:
    found = await detect(edge, request(detection_types=["volume", "material"]))
    assert sorted(found.results) == ["materials", "volume"]


async def test_a_partial_detection_says_why(edge: Edge) -> None:
    edge.triton.failures["volume"] = call_failed("INTERNAL", "stub died")
    found = await detect(edge, request())
    assert found.status == pb.DETECTION_STATUS_PARTIAL
    assert sorted(found.results) == ["damage", "materials"]
    assert dict(found.errors) == {
        "volume": pb.EngineError(code="backend_fault", message="stub died")
    }


async def test_a_failed_detection_is_an_answer(edge: Edge) -> None:
    edge.triton.is_away = True
    found = await detect(edge, request())
    assert found.status == pb.DETECTION_STATUS_FAILED
    assert not found.results
    assert {error.code for error in found.errors.values()} == {"backend_unavailable"}


async def test_when_to_ask_an_engine_again_is_told(edge: Edge) -> None:
    edge.fleet.publish("triton-0", serving=(), is_live=True, reason="", now_s=0.0)
    found = await detect(edge, request(detection_types=["volume"]))
    assert found.errors["volume"].retry_after_s == 1.0


async def test_a_photo_by_its_url(edge: Edge) -> None:
    seen: list[bytes] = []

    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked.raw_input_contents[0][4:])
        return look_at_photo(asked)

    edge.triton.answer = answer
    await detect(edge, request(photo_url="file:///roof.jpg", detection_types=["damage"]))
    assert seen == [b"photo from a file"]
    refusal = await edge.refusal(DETECT, request(photo_url="file:///other.jpg"))
    assert (refusal.status, refusal.metadata["x-tidegate-field"]) == ("NOT_FOUND", "photo_url")


@pytest.mark.parametrize(
    ("changes", "code", "field"),
    [
        ({"priority": 9}, "invalid_argument", "priority"),
        ({"detection_types": ["damage", "roof"]}, "invalid_argument", "detection_types[1]"),
        ({"detection_types": ["damage"] * 33}, "invalid_argument", "detection_types"),
        ({"photo_id": "7"}, "invalid_argument", "photo_id"),
        ({"metadata": pb.Metadata(user_id="7")}, "invalid_argument", "metadata.user_id"),
        ({"metadata": pb.Metadata(project_id="7")}, "invalid_argument", "metadata.project_id"),
        ({"photo": b"%PDF"}, "photo_invalid", "photo"),
        ({"photo": b""}, "photo_invalid", "photo"),
    ],
)
async def test_a_mistake_is_named_and_costs_no_instance_anything(
    edge: Edge, changes: dict[str, Any], code: str, field: str
) -> None:
    refusal = await edge.refusal(DETECT, request(**changes))
    assert refusal.status == "INVALID_ARGUMENT"
    assert refusal.metadata["x-tidegate-code"] == code
    assert refusal.metadata["x-tidegate-field"] == field
    assert edge.triton.calls == []


async def test_a_request_without_a_photo_is_refused(edge: Edge) -> None:
    refusal = await edge.refusal(DETECT, b"")
    assert refusal.message == "send a photo or a photo_url"
    assert refusal.metadata["x-tidegate-field"] == "photo"


async def test_a_release_that_nobody_knows_is_refused(edge: Edge) -> None:
    refusal = await edge.refusal(DETECT, request(releases={"damage": "9.9.9"}))
    assert refusal.status == "NOT_FOUND"
    assert refusal.metadata["x-tidegate-code"] == "unknown_release"


async def test_what_the_engines_are_asked(edge: Edge) -> None:
    seen: list[service_pb2.ModelInferRequest] = []

    def answer(asked: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
        seen.append(asked)
        return look_at_photo(asked)

    edge.triton.answer = answer
    for priority in (pb.PRIORITY_UNSPECIFIED, pb.PRIORITY_HIGH):
        await detect(edge, request(detection_types=["damage"], priority=priority))
    levels = [asked.parameters["priority"].int64_param for asked in seen]
    assert levels == [Priority.NORMAL.triton_level, Priority.HIGH.triton_level]


async def test_engines_are_listed_with_their_releases(edge: Edge) -> None:
    raw, _ = await edge.call(ORCHESTRATOR + "ListEngines", b"")
    damage, materials, volume = pb.ListEnginesResponse.FromString(raw).engines
    assert damage == pb.Engine(
        name="damage",
        kind="ensemble",
        stable="1.0.0",
        is_ready=True,
        releases=[
            pb.Release(
                release="1.0.0",
                pins={"preprocess": 1, "damage_detector": 1},
                is_stable=True,
                weight_bp=10_000,
                ready_on=["triton-0"],
                is_serving=True,
            ),
            pb.Release(release="1.1.0", pins={"preprocess": 1, "damage_detector": 2}),
        ],
    )
    assert (materials.name, volume.name, volume.kind) == ("materials", "volume", "model")
    refusal = await edge.refusal(ORCHESTRATOR + "ListEngines", b"\xff")
    assert refusal.status == "INVALID_ARGUMENT"


def test_every_priority_and_status_has_its_word() -> None:
    assert set(PRIORITIES) == set(pb.Priority.values())
    assert set(PRIORITIES.values()) == set(Priority)
    assert set(STATUSES) == set(DetectionStatus)
    assert len(set(STATUSES.values())) == len(STATUSES)


def result(**findings: object) -> EngineResult:
    return EngineResult(findings, "1.0.0", "triton-0", 1)


def test_a_fallback_is_told() -> None:
    fallen = replace(result(), fallback_from="1.1.0")
    assert _write_result("roof", fallen).fallback_from == "1.1.0"
    assert not _write_result("roof", result()).HasField("fallback_from")


def test_another_engines_findings_are_a_struct() -> None:
    other = _write_result("roof", result(labels=["a"], scores=[[0.5, 1.0]], flag=True)).other
    assert dict(other.items())["flag"] is True
    assert list(other["labels"]) == ["a"]
    assert [list(row) for row in other["scores"]] == [[0.5, 1.0]]
