"""``tidegate.v1.Orchestrator``: detections over gRPC, typed.

The service's calls about detections that nobody waits for are in ``detection_calls``.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass

import grpc
import structlog

from control_plane.core.deadline import Deadline
from control_plane.core.detections import DetectionAnswer, DetectionRequest
from control_plane.grpc_api.calls import (
    Answering,
    CallHead,
    CallTimeouts,
    Context,
    parse,
    read_deadline,
    read_metadata,
)
from control_plane.grpc_api.detection_calls import DetectionCalls
from control_plane.grpc_api.detection_messages import Asked, read_asked, write_detection
from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from control_plane.ports import Clock, PhotoSource
from control_plane.services.detection import Detection
from control_plane.services.photo_fetch import fetch_photo
from control_plane.services.status import Status
from control_plane.services.tracing import NOT_TRACED, Tracer, name_subject

log = structlog.get_logger(__name__)

SERVICE = "tidegate.v1.Orchestrator"


@dataclass(frozen=True, slots=True)
class Orchestrator:
    """The service's methods over Tidegate's services."""

    detection: Detection
    photos: PhotoSource
    status: Status
    clock: Clock
    timeouts: CallTimeouts
    jobs: DetectionCalls
    tracing: Tracer = NOT_TRACED

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        own = {
            "Detect": grpc.unary_unary_rpc_method_handler(self.detect),
            "ListEngines": grpc.unary_unary_rpc_method_handler(self.list_engines),
        }
        return own | self.jobs.handlers()

    async def detect(self, raw: bytes, context: Context) -> bytes:
        async with Answering(context, "Detect"):
            head = read_metadata(context)
            message = parse(pb.DetectRequest, raw)
            deadline = read_deadline(context, self.clock, self.timeouts)
            asked = read_asked(message, self.detection.known_engines())
            structlog.contextvars.bind_contextvars(**asked.metadata)
            with self.tracing.root(
                "detect",
                correlation_id=head.correlation_id,
                carried=head.carried,
                edge="grpc",
                engines=",".join(asked.engines),
                priority=asked.priority.value,
            ) as traced:
                answer = await self._answer(asked, head, deadline)
                traced.put(status=answer.status.value)
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

    async def _answer(self, asked: Asked, head: CallHead, deadline: Deadline) -> DetectionAnswer:
        request_id = str(uuid.uuid4())
        name_subject(request_id)
        return await self.detection.detect(
            DetectionRequest(
                engines=asked.engines,
                priority=asked.priority,
                photo_id=asked.photo_id,
                photo=await self._photo(asked, deadline),
                releases=asked.releases,
                request_id=request_id,
                correlation_id=head.correlation_id,
                routing_key=head.routing_key or None,
                deadline=deadline,
            )
        )

    async def _photo(self, asked: Asked, deadline: Deadline) -> bytes:
        if asked.photo is not None:
            return asked.photo
        return await fetch_photo(self.photos, asked.photo_url or "", deadline, self.clock)
