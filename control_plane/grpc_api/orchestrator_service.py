"""``tidegate.v1.Orchestrator``: detections over gRPC, typed."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import grpc
import structlog
from google.protobuf import json_format, struct_pb2

from control_plane.core.deadline import Deadline
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionRequest,
    DetectionStatus,
    EngineResult,
    Priority,
    check_detection_types,
    check_releases,
    check_uuid,
)
from control_plane.errors import InvalidArgument
from control_plane.grpc_api.calls import (
    Answering,
    CallTimeouts,
    Context,
    parse,
    read_deadline,
    read_metadata,
)
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from control_plane.ports import Clock, PhotoSource
from control_plane.services.detection import Detection
from control_plane.services.photo_fetch import fetch_photo
from control_plane.services.status import Status

log = structlog.get_logger(__name__)

SERVICE = "tidegate.v1.Orchestrator"

PRIORITIES: Mapping[int, Priority] = {
    pb.PRIORITY_UNSPECIFIED: Priority.NORMAL,
    pb.PRIORITY_HIGH: Priority.HIGH,
    pb.PRIORITY_NORMAL: Priority.NORMAL,
    pb.PRIORITY_LOW: Priority.LOW,
}

STATUSES: Mapping[DetectionStatus, pb.DetectionStatus] = {
    DetectionStatus.QUEUED: pb.DETECTION_STATUS_QUEUED,
    DetectionStatus.PROCESSING: pb.DETECTION_STATUS_PROCESSING,
    DetectionStatus.COMPLETED: pb.DETECTION_STATUS_COMPLETED,
    DetectionStatus.PARTIAL: pb.DETECTION_STATUS_PARTIAL,
    DetectionStatus.FAILED: pb.DETECTION_STATUS_FAILED,
}


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The service's methods over Tidegate's services."""

    detection: Detection
    photos: PhotoSource
    status: Status
    clock: Clock
    timeouts: CallTimeouts

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        return {
            "Detect": grpc.unary_unary_rpc_method_handler(self.detect),
            "ListEngines": grpc.unary_unary_rpc_method_handler(self.list_engines),
        }

    async def detect(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "Detect"):
            head = read_metadata(context)
            message = parse(pb.DetectRequest, raw)
            deadline = read_deadline(context, self.clock, self.timeouts)
            if message.priority not in PRIORITIES:
                raise InvalidArgument(f"unknown priority {message.priority}", field="priority")
            known = self.detection.known_engines()
            structlog.contextvars.bind_contextvars(**_check_metadata(message.metadata))
            engines = check_detection_types(list(message.detection_types) or known, known)
            releases = check_releases(message.releases, engines)
            answer = await self.detection.detect(
                DetectionRequest(
                    engines=engines,
                    priority=PRIORITIES[message.priority],
                    photo_id=_uuid_or_none(message.photo_id, "photo_id"),
                    photo=await self._photo(message, deadline),
                    releases=releases,
                    request_id=str(uuid.uuid4()),
                    correlation_id=head.correlation_id,
                    routing_key=head.routing_key or None,
                    deadline=deadline,
                )
            )
            log.info("detected", status=answer.status, duration_ms=answer.processing_time_ms)
            return write_detection(answer)

    async def list_engines(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "ListEngines"):
            read_metadata(context)
            parse(pb.ListEnginesRequest, raw)
            answer = pb.ListEnginesResponse()
            for engine in self.status.engines():
                shown = answer.engines.add(
                    name=engine.name,
                    kind=engine.kind,
                    stable=engine.stable,
                    is_ready=engine.is_ready,
                )
                for release in engine.releases:
                    shown.releases.add(
                        release=release.release,
                        pins=release.pins,
                        is_stable=release.is_stable,
                        weight_bp=release.weight_bp,
                        ready_on=release.ready_on,
                        is_canary=release.is_canary,
                        shadow_bp=release.shadow_bp,
                        is_serving=release.is_serving,
                    )
            return answer.SerializeToString()

    async def _photo(self, message: pb.DetectRequest, deadline: Deadline) -> bytes:
        source = message.WhichOneof("source")
        if source is None:
            raise InvalidArgument("send a photo or a photo_url", field="photo")
        if source == "photo":
            return message.photo
        return await fetch_photo(self.photos, message.photo_url, deadline, self.clock)


def write_detection(answer: DetectionAnswer) -> bytes:
    """A serialized ``tidegate.v1.Detection``."""
    message = pb.Detection(
        request_id=answer.request_id,
        detection_id=answer.detection_id,
        correlation_id=answer.correlation_id,
        status=STATUSES[answer.status],
        processing_time_ms=answer.processing_time_ms,
        photo_id=answer.photo_id or "",
    )
    message.timestamp.FromDatetime(answer.timestamp)
    for engine, result in answer.results.items():
        message.results[engine].CopyFrom(_write_result(engine, result))
    for engine, failure in answer.errors.items():
        message.errors[engine].CopyFrom(
            pb.EngineError(
                code=failure.code.value,
                message=failure.message,
                retry_after_s=failure.retry_after_s,
            )
        )
    return message.SerializeToString()


def _write_result(engine: str, result: EngineResult) -> pb.EngineResult:
    message = pb.EngineResult(
        release=result.release,
        instance=result.instance,
        attempts=result.attempts,
        fallback_from=result.fallback_from,
    )
    findings: Any = result.findings
    if engine in ("damage", "materials"):
        objects = getattr(message, engine)
        objects.counts.update(findings["counts"])
        for found in findings.get("detections", findings.get("items", ())):
            objects.objects.add(
                class_name=found["class"],
                confidence=found["confidence"],
                box=pb.Box(**found["box"]),
                brand=found.get("brand") or "",
            )
    elif engine == "volume":
        message.volume.CopyFrom(pb.Volume(**findings))
    else:
        message.other.CopyFrom(json_format.ParseDict(dict(findings), struct_pb2.Struct()))
    return message


def _check_metadata(metadata: pb.Metadata) -> dict[str, str]:
    """Whose photo it is, for the log. Raises InvalidArgument for what is no UUID."""
    found = {
        name: _uuid_or_none(getattr(metadata, name), f"metadata.{name}")
        for name in ("project_id", "user_id")
    }
    return {name: value for name, value in found.items() if value}


def _uuid_or_none(value: str, name: str) -> str | None:
    return check_uuid(value, name) if value else None
