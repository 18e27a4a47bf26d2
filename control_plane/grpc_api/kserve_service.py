"""``inference.GRPCInferenceService``: any Triton client works against it unchanged.

ModelInfer and ModelStreamInfer pass bytes through the gateway. Reads are answered for
engines. Whatever would change a server is refused: the fleet belongs to the control plane.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from dataclasses import dataclass, field
from typing import Any

import grpc
import structlog
from tritonclient.grpc import service_pb2

from control_plane.core.deadline import Deadline
from control_plane.core.identifiers import CORRELATION_ID
from control_plane.core.wire import priority_suffix, read_request_head
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.grpc_api.calls import (
    ATTEMPTS,
    FALLBACK_FROM,
    INSTANCE,
    RELEASE,
    Answering,
    CallHead,
    CallTimeouts,
    Context,
    Unary,
    parse,
    read_deadline,
    read_metadata,
)
from control_plane.ports import Clock
from control_plane.services.calling import InferCall
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, InferAnswer
from control_plane.services.model_reads import ModelReads, index
from control_plane.services.status import Status
from control_plane.services.streaming import InferStream
from control_plane.services.tracing import NOT_TRACED, Tracer

log = structlog.get_logger(__name__)
# Asking structlog whether a line would be written takes microseconds, of every call.
level = logging.getLogger(__name__)

SERVICE = "inference.GRPCInferenceService"

REFUSED = (
    "RepositoryModelLoad",
    "RepositoryModelUnload",
    "SystemSharedMemoryStatus",
    "SystemSharedMemoryRegister",
    "SystemSharedMemoryUnregister",
    "CudaSharedMemoryStatus",
    "CudaSharedMemoryRegister",
    "CudaSharedMemoryUnregister",
    "TraceSetting",
    "LogSettings",
)

# What of Triton's extensions the gateway carries.
EXTENSIONS = (
    "classification",
    "sequence",
    "model_repository",
    "model_configuration",
    "parameters",
    "statistics",
    "binary_tensor_data",
    "schedule_policy",
)


@dataclass(frozen=True, slots=True)
class KServe:
    """The service's methods over Tidegate's services.

    stopping: set when the server takes no new work; open streams then end.
    """

    gateway: Gateway
    fleet: Fleet
    reads: ModelReads
    status: Status
    clock: Clock
    version: str
    timeouts: CallTimeouts
    stream_idle_s: float
    max_message_bytes: int
    tracing: Tracer = NOT_TRACED
    stopping: asyncio.Event = field(default_factory=asyncio.Event)

    def handlers(self) -> dict[str, grpc.RpcMethodHandler]:
        """Every method of the service by name; all take and give bytes."""
        unary: dict[str, Unary] = {
            "ModelInfer": self.model_infer,
            "ServerLive": self._read(service_pb2.ServerLiveRequest, self._server_live),
            "ServerReady": self._read(service_pb2.ServerReadyRequest, self._server_ready),
            "ModelReady": self._read(service_pb2.ModelReadyRequest, self._model_ready),
            "ServerMetadata": self._read(service_pb2.ServerMetadataRequest, self._server_metadata),
            "ModelMetadata": self._ask(service_pb2.ModelMetadataRequest, self.reads.metadata),
            "ModelConfig": self._ask(service_pb2.ModelConfigRequest, self.reads.config),
            "ModelStatistics": self._ask(service_pb2.ModelStatisticsRequest, self.reads.statistics),
            "RepositoryIndex": self._read(service_pb2.RepositoryIndexRequest, self._index),
            **{method: _refusal(method) for method in REFUSED},
        }
        handlers = {
            method: grpc.unary_unary_rpc_method_handler(call) for method, call in unary.items()
        }
        handlers["ModelStreamInfer"] = grpc.stream_stream_rpc_method_handler(
            self.model_stream_infer
        )
        return handlers

    async def model_infer(self, message: bytes, context: Context) -> bytes:
        async with Answering(context, "ModelInfer"):
            head = read_metadata(context)
            request = read_request_head(message)
            with self.tracing.root(
                "infer", correlation_id=head.correlation_id, carried=head.carried, edge="grpc"
            ):
                answer = await self.gateway.infer(
                    InferCall(
                        message=message + _priority(head),
                        engine=request.model_name,
                        wanted_release=request.model_version,
                        routing_key=_routing_key(head, request.sequence or request.request_id),
                        deadline=read_deadline(context, self.clock, self.timeouts),
                        correlation_id=head.correlation_id,
                        sequence=request.sequence,
                        priority=head.priority or request.priority,
                        is_key_given=bool(head.routing_key or request.sequence),
                    )
                )
            if level.isEnabledFor(logging.DEBUG):
                log.debug(
                    "inferred",
                    engine=request.model_name,
                    release=answer.release,
                    instance=answer.instance,
                )
            context.set_trailing_metadata(
                (
                    (CORRELATION_ID, head.correlation_id),
                    (RELEASE, answer.release),
                    (INSTANCE, answer.instance),
                    (ATTEMPTS, str(answer.attempts)),
                    *_fallback(answer),
                )
            )
            return answer.message

    async def model_stream_infer(
        self, messages: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[bytes]:
        async with Answering(context, "ModelStreamInfer"):
            head = read_metadata(context)
            stream = InferStream(
                choose=self.gateway.choose,
                fleet=self.fleet,
                routing_key=head.routing_key,
                correlation_id=head.correlation_id,
                addition=_priority(head),
                timeout_s=context.time_remaining(),
                idle_s=self.stream_idle_s,
                max_held_bytes=self.max_message_bytes,
                stopping=self.stopping,
            )
            with self.tracing.root(
                "stream", correlation_id=head.correlation_id, carried=head.carried, edge="grpc"
            ):
                async with aclosing(stream.answers(messages)) as answers:
                    async for answer in answers:
                        yield answer
            log.debug("streamed", releases=stream.releases)

    def _read(self, kind: Any, answer: Callable[[Any], Awaitable[Any]]) -> Unary:
        async def call(raw: bytes, context: Context) -> bytes:
            async with Answering(context, kind.DESCRIPTOR.name.removesuffix("Request")):
                read_metadata(context)
                response = await answer(parse(kind, raw))
                return bytes(response.SerializeToString())

        return call

    def _ask(self, kind: Any, read: Callable[[str, str, Deadline], Awaitable[Any]]) -> Unary:
        """A read that instances are asked for, within the caller's deadline."""

        async def call(raw: bytes, context: Context) -> bytes:
            async with Answering(context, kind.DESCRIPTOR.name.removesuffix("Request")):
                read_metadata(context)
                request = parse(kind, raw)
                deadline = read_deadline(context, self.clock, self.timeouts)
                response = await read(request.name, request.version, deadline)
                return bytes(response.SerializeToString())

        return call

    async def _server_live(self, _: Any) -> Any:
        return service_pb2.ServerLiveResponse(live=True)

    async def _server_ready(self, _: Any) -> Any:
        return service_pb2.ServerReadyResponse(ready=self.status.is_ready())

    async def _model_ready(self, request: Any) -> Any:
        is_ready = self.reads.is_ready(request.name, request.version)
        return service_pb2.ModelReadyResponse(ready=is_ready)

    async def _server_metadata(self, _: Any) -> Any:
        return service_pb2.ServerMetadataResponse(
            name="tidegate", version=self.version, extensions=EXTENSIONS
        )

    async def _index(self, request: Any) -> Any:
        return index(self.gateway.table, self.fleet, ready_only=request.ready)


def _refusal(method: str) -> Unary:
    async def call(_: bytes, context: Context) -> bytes:
        async with Answering(context, method):
            read_metadata(context)
            raise ControlPlaneError(
                ErrorCode.PERMISSION_DENIED,
                f"{method} is not for callers: the control plane alone changes its Tritons",
            )

    return call


def _fallback(answer: InferAnswer) -> tuple[tuple[str, str], ...]:
    return () if answer.fallback_from is None else ((FALLBACK_FROM, answer.fallback_from),)


def _priority(head: CallHead) -> bytes:
    """What to append to a request for the priority in its call's metadata."""
    return b"" if head.priority is None else priority_suffix(head.priority.triton_level)


def _routing_key(head: CallHead, request_key: str) -> str:
    """What the split is made by: the caller's key, else the request's own, else the correlation."""
    return head.routing_key or request_key or head.correlation_id
