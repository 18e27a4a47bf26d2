"""tidegate.v1, grpc.health.v1 and reflection, as a typed client meets them."""

from __future__ import annotations

import uuid
from pathlib import Path

import grpc
import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.asking import DETECT, call_raw
from tests.integration.matching import assert_finds, found_in
from tests.integration.photos import SIZE, photo_of, scene, small_photo
from tests.integration.running import RunningTidegate

pytestmark = pytest.mark.triton

SERVICES = (
    "inference.GRPCInferenceService",
    "tidegate.v1.Orchestrator",
    "tidegate.v1.Operations",
)


def detect(
    tidegate: RunningTidegate, *metadata: tuple[str, str], **fields: object
) -> tuple[pb.Detection, dict[str, str]]:
    request = pb.DetectRequest(**fields)
    answer, trailing = call_raw(
        tidegate.grpc, DETECT, request.SerializeToString(), metadata=metadata, timeout_s=60
    )
    return pb.Detection.FromString(answer), trailing


class TestDetect:
    def test_every_engine_is_asked_by_default(
        self, tidegate: RunningTidegate, engines: tuple[str, ...]
    ) -> None:
        answer, trailing = detect(
            tidegate, ("x-correlation-id", "typed-1"), photo=photo_of("damage")
        )
        assert answer.status == pb.DETECTION_STATUS_COMPLETED
        assert set(answer.results) == set(engines)
        assert not answer.errors
        assert answer.correlation_id == trailing["x-correlation-id"] == "typed-1"
        assert uuid.UUID(answer.request_id) != uuid.UUID(answer.detection_id)
        assert answer.timestamp.seconds > 1_700_000_000
        for result in answer.results.values():
            assert result.release == "1.0.0"
            assert result.instance in tidegate.triton_urls
            assert result.attempts == 1

    def test_damage_is_found_where_it_was_drawn(self, tidegate: RunningTidegate) -> None:
        answer, _ = detect(tidegate, photo=photo_of("damage"), detection_types=["damage"])
        damage = answer.results["damage"].damage
        assert_finds(found_in(damage.objects), scene("damage").boxes)
        assert sum(damage.counts.values()) == len(damage.objects)

    def test_materials_are_found_where_they_were_drawn(self, tidegate: RunningTidegate) -> None:
        answer, _ = detect(tidegate, photo=photo_of("materials"), detection_types=["material"])
        materials = answer.results["materials"].materials
        assert_finds(found_in(materials.objects), scene("materials").boxes)
        assert all(bool(o.brand) == (o.class_name == "shingle") for o in materials.objects)

    def test_a_pile_has_a_volume(self, tidegate: RunningTidegate) -> None:
        answer, _ = detect(tidegate, photo=photo_of("volume"), detection_types=["volume"])
        volume = answer.results["volume"].volume
        assert volume.volume_m3 > 0
        assert 0 <= volume.confidence <= 1

    def test_boxes_lie_in_the_photo(self, tidegate: RunningTidegate) -> None:
        answer, _ = detect(tidegate, photo=photo_of("damage"), detection_types=["damage"])
        width, height = SIZE
        for found in answer.results["damage"].damage.objects:
            assert 0 <= found.box.x_min < found.box.x_max <= width
            assert 0 <= found.box.y_min < found.box.y_max <= height
            assert 0 < found.confidence <= 1

    def test_a_photo_by_url(self, tidegate: RunningTidegate, photo_root: Path) -> None:
        path = photo_root / "by url, typed.jpg"
        path.write_bytes(small_photo())
        photo_id = str(uuid.uuid4())
        answer, _ = detect(
            tidegate,
            photo_url=path.as_uri(),
            photo_id=photo_id,
            detection_types=["damage"],
            priority=pb.PRIORITY_HIGH,
            releases={"damage": "stable"},
            metadata=pb.Metadata(project_id=str(uuid.uuid4()), user_id=str(uuid.uuid4())),
        )
        assert answer.status == pb.DETECTION_STATUS_COMPLETED
        assert answer.photo_id == photo_id

    def test_a_release_that_does_not_serve_fails_its_engine_only(
        self, tidegate: RunningTidegate
    ) -> None:
        answer, _ = detect(
            tidegate,
            photo=small_photo(),
            detection_types=["damage", "materials"],
            releases={"damage": "1.1.0"},
        )
        assert answer.status == pb.DETECTION_STATUS_PARTIAL
        assert set(answer.results) == {"materials"}
        assert answer.errors["damage"].code == "release_not_ready"
        assert "1.1.0" in answer.errors["damage"].message

    def test_an_alias_is_understood_in_releases_too(self, tidegate: RunningTidegate) -> None:
        answer, _ = detect(
            tidegate,
            photo=small_photo(),
            detection_types=["material"],
            releases={"material": "canary"},
        )
        assert answer.errors["materials"].code == "release_not_ready"


def test_list_engines(tidegate: RunningTidegate) -> None:
    raw, _ = call_raw(tidegate.grpc, "/tidegate.v1.Orchestrator/ListEngines", b"")
    engines = {engine.name: engine for engine in pb.ListEnginesResponse.FromString(raw).engines}
    assert {"damage", "materials", "volume"} <= set(engines)
    damage = engines["damage"]
    assert (damage.kind, damage.stable, damage.is_ready) == ("ensemble", "1.0.0", True)
    releases = {release.release: release for release in damage.releases}
    assert releases["1.0.0"].is_stable
    assert releases["1.0.0"].weight_bp == 10_000
    assert sorted(releases["1.0.0"].ready_on) == sorted(tidegate.triton_urls)
    assert releases["1.1.0"].pins["damage_detector"] == 2
    assert not releases["1.1.0"].ready_on


@pytest.mark.parametrize("service", ["", *SERVICES])
def test_health_reports_serving(tidegate: RunningTidegate, service: str) -> None:
    with grpc.insecure_channel(tidegate.grpc) as channel:
        stub = health_pb2_grpc.HealthStub(channel)
        answer = stub.Check(health_pb2.HealthCheckRequest(service=service), timeout=10)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def test_health_of_a_service_that_is_none(tidegate: RunningTidegate) -> None:
    with grpc.insecure_channel(tidegate.grpc) as channel:
        call = health_pb2_grpc.HealthStub(channel).Check.future(
            health_pb2.HealthCheckRequest(service="roofs"), timeout=10
        )
        assert call.code() is grpc.StatusCode.NOT_FOUND


def test_reflection_lists_and_describes_the_services(tidegate: RunningTidegate) -> None:
    ask = reflection_pb2.ServerReflectionRequest
    requests = [ask(list_services=""), *(ask(file_containing_symbol=name) for name in SERVICES)]
    with grpc.insecure_channel(tidegate.grpc) as channel:
        stub = reflection_pb2_grpc.ServerReflectionStub(channel)
        listed, *described = stub.ServerReflectionInfo(iter(requests), timeout=10)
    names = {service.name for service in listed.list_services_response.service}
    assert {*SERVICES, "grpc.health.v1.Health"} <= names
    for answer, service in zip(described, SERVICES, strict=True):
        files = answer.file_descriptor_response.file_descriptor_proto
        parsed = [FileDescriptorProto.FromString(raw) for raw in files]
        declared = {f"{file.package}.{one.name}" for file in parsed for one in file.service}
        assert service in declared
