"""Detections as protobuf: what is asked, read and checked, and what is answered, written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from google.protobuf import json_format, struct_pb2

from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineResult,
    Priority,
    check_detection_types,
    check_releases,
    check_uuid,
)
from control_plane.errors import InvalidArgument
from control_plane.grpc_api.protos import orchestrator_pb2 as pb

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
class Asked:
    """What is asked, every value checked. Of photo and photo_url exactly one is there."""

    engines: tuple[str, ...]
    priority: Priority
    photo: bytes | None = field(repr=False)
    photo_url: str | None
    photo_id: str | None
    releases: Mapping[str, str]
    metadata: Mapping[str, str]


def read_asked(message: pb.DetectRequest, known: tuple[str, ...]) -> Asked:
    """known: the engines that may be asked for. Raises InvalidArgument."""
    if message.priority not in PRIORITIES:
        raise InvalidArgument(f"unknown priority {message.priority}", field="priority")
    source = message.WhichOneof("source")
    if source is None:
        raise InvalidArgument("send a photo or a photo_url", field="photo")
    engines = check_detection_types(list(message.detection_types) or known, known)
    return Asked(
        engines=engines,
        priority=PRIORITIES[message.priority],
        photo=message.photo if source == "photo" else None,
        photo_url=message.photo_url if source == "photo_url" else None,
        photo_id=_uuid_or_none(message.photo_id, "photo_id"),
        releases=check_releases(message.releases, engines),
        metadata=_check_metadata(message.metadata),
    )


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
        cached=result.is_cached,
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
