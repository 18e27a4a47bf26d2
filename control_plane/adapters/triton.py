"""One Triton instance over gRPC: the data path as bytes, the control path as messages.

One long-lived channel. The channel never retries by itself: retries are the gateway's
decision, and a hidden one would double the load of a failing instance.
"""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterable
from dataclasses import replace
from typing import Any

import grpc
import grpc.aio
from google.protobuf import json_format
from google.protobuf.message import DecodeError
from tenacity import AsyncRetrying, RetryCallState, retry_if_result, wait_fixed
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Config, Release
from control_plane.core.loading import Observation, read_pins
from control_plane.core.outcomes import CallFailure
from control_plane.ports import CallFailed, CallMetadata

SERVICE = "/inference.GRPCInferenceService/"

HEADROOM_BYTES = 64 * 1024
"""What a message at the edge's bound may grow by when it is re-targeted."""
READY = "READY"
GONE = ("", "UNAVAILABLE")
"""States in the index of a version that was never loaded, and of one that was unloaded."""
UNLOADING = "UNLOADING"
UNLOAD_POLL_S = 0.05
PATIENT_POLLS = 60
"""So often a version is seen unloading before it counts as gone: about 3 s."""
VERSION = re.compile(r"[0-9]{1,18}")
"""What Triton takes for a version is an int64."""


class TritonInstance:
    """Implements InferenceCalls and ModelControl for the Triton at ``url`` (host:port)."""

    def __init__(self, url: str, *, max_message_bytes: int) -> None:
        self.url = url
        largest = max_message_bytes + HEADROOM_BYTES
        self._channel = grpc.aio.insecure_channel(
            url,
            options=[
                ("grpc.enable_retries", 0),
                ("grpc.max_send_message_length", largest),
                ("grpc.max_receive_message_length", largest),
                # A restarted Triton is found within a second, not after minutes of back-off.
                ("grpc.initial_reconnect_backoff_ms", 100),
                ("grpc.min_reconnect_backoff_ms", 500),
                ("grpc.max_reconnect_backoff_ms", 1000),
                # Each instance its own connection, also to one address.
                ("grpc.use_local_subchannel_pool", 1),
            ],
        )
        self._infer = self._channel.unary_unary(SERVICE + "ModelInfer")
        self._stream = self._channel.stream_stream(SERVICE + "ModelStreamInfer")

    async def close(self) -> None:
        await self._channel.close()

    async def infer(
        self, message: bytes, *, timeout_s: float, metadata: CallMetadata = ()
    ) -> bytes:
        try:
            answer: bytes = await self._infer(message, timeout=timeout_s, metadata=metadata)
        except grpc.aio.AioRpcError as error:
            raise CallFailed(_failure(error)) from None
        return answer

    async def stream(
        self,
        messages: AsyncIterator[bytes],
        *,
        timeout_s: float | None = None,
        metadata: CallMetadata = (),
    ) -> AsyncIterator[bytes]:
        call = self._stream(messages, timeout=timeout_s, metadata=metadata)
        try:
            async for answer in call:
                yield answer
        except grpc.aio.AioRpcError as error:
            raise CallFailed(_failure(error)) from None
        except asyncio.CancelledError:
            if _is_being_cancelled():
                raise
            # grpcio cancels the call by itself when it cannot end a side that broke already.
            raise CallFailed(CallFailure("UNAVAILABLE", "the connection broke")) from None
        finally:
            call.cancel()

    async def read(self, method: str, message: bytes, *, timeout_s: float) -> bytes:
        call = self._channel.unary_unary(SERVICE + method)
        try:
            answer: bytes = await call(message, timeout=timeout_s)
        except grpc.aio.AioRpcError as error:
            raise CallFailed(_failure(error)) from None
        return answer

    async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
        server, ready_versions = await asyncio.gather(
            self._ask("ServerReady", service_pb2.ServerReadyRequest(), timeout_s),
            self._ready_versions(timeout_s),
        )
        seen = Observation(ready_versions=ready_versions, is_ready=server.ready)
        # A twin goes down with what it pins, so of a long catalogue few have to be asked for.
        twins = [
            release.model_name
            for release in releases
            if release.is_ensemble and seen.has_components(release)
        ]
        pins = await asyncio.gather(*(self._twin_pins(twin, timeout_s) for twin in twins))
        found = {twin: pinned for twin, pinned in zip(twins, pins, strict=True) if pinned}
        return replace(seen, twin_pins=found)

    async def load(
        self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
    ) -> None:
        request = service_pb2.RepositoryModelLoadRequest(model_name=model)
        request.parameters["config"].string_param = json.dumps(dict(config))
        if is_twin:
            # Any file makes Triton take the model from the call instead of the repository.
            request.parameters["file:1/.keep"].bytes_param = b""
        await self.read("RepositoryModelLoad", request.SerializeToString(), timeout_s=timeout_s)

    async def unload(self, model: str, *, timeout_s: float) -> None:
        request = service_pb2.RepositoryModelUnloadRequest(model_name=model)
        try:
            async with asyncio.timeout(timeout_s):
                await self.read(
                    "RepositoryModelUnload", request.SerializeToString(), timeout_s=timeout_s
                )
                # The call returns before it is done, and the memory is wanted back. But a version
                # whose process died under a request never gets further (measured); a load makes
                # a new process all the same.
                until_gone = AsyncRetrying(
                    retry=retry_if_result(bool),
                    wait=wait_fixed(UNLOAD_POLL_S),
                    stop=_is_stuck,
                    retry_error_callback=lambda _: None,
                )
                await until_gone(self._what_is_left, model, timeout_s)
        except TimeoutError:
            said = f"{model} is not unloaded after {timeout_s:g} s"
            raise CallFailed(CallFailure("DEADLINE_EXCEEDED", said)) from None

    async def _what_is_left(self, model: str, timeout_s: float) -> str:
        """The state of a version that is loaded, or else on its way out; "" when all are gone."""
        index = await self._ask("RepositoryIndex", service_pb2.RepositoryIndexRequest(), timeout_s)
        states = {one.state for one in index.models if one.name == model}.difference(GONE)
        if states:
            return next(iter(states - {UNLOADING}), UNLOADING)
        # A twin is not in the index.
        ready = service_pb2.ModelReadyRequest(name=model)
        return READY if (await self._ask("ModelReady", ready, timeout_s)).ready else ""

    async def _ready_versions(self, timeout_s: float) -> dict[str, frozenset[int]]:
        request = service_pb2.RepositoryIndexRequest(ready=True)
        answer = await self._ask("RepositoryIndex", request, timeout_s)
        versions: dict[str, set[int]] = {}
        for model in answer.models:
            if model.state == READY and VERSION.fullmatch(model.version):
                versions.setdefault(model.name, set()).add(int(model.version))
        return {name: frozenset(found) for name, found in versions.items()}

    async def _twin_pins(self, twin: str, timeout_s: float) -> dict[str, int] | None:
        """The pins of a twin that is ready; None when it is not."""
        ready = await self._ask(
            "ModelReady", service_pb2.ModelReadyRequest(name=twin, version="1"), timeout_s
        )
        if not ready.ready:
            return None
        try:
            answer = await self._ask(
                "ModelConfig", service_pb2.ModelConfigRequest(name=twin, version="1"), timeout_s
            )
        except CallFailed as failed:
            if failed.failure.status in ("NOT_FOUND", "INVALID_ARGUMENT", "UNAVAILABLE"):
                return None  # it went away between the two questions
            raise
        config = json_format.MessageToDict(answer.config, preserving_proto_field_name=True)
        try:
            return read_pins(config)
        except (KeyError, TypeError, ValueError) as error:
            said = f"ModelConfig of {twin} is not to be understood: {error!r}"
            raise CallFailed(CallFailure("INTERNAL", said)) from error

    async def _ask(self, method: str, request: Any, timeout_s: float) -> Any:
        raw = await self.read(method, request.SerializeToString(), timeout_s=timeout_s)
        try:
            return getattr(service_pb2, f"{method}Response").FromString(raw)
        except DecodeError as error:
            raise CallFailed(CallFailure("INTERNAL", f"{method}: {error}")) from error


def _is_stuck(polls: RetryCallState) -> bool:
    last = polls.outcome.result() if polls.outcome is not None else ""
    return last == UNLOADING and polls.attempt_number >= PATIENT_POLLS


def _is_being_cancelled() -> bool:
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0


def _failure(error: grpc.aio.AioRpcError) -> CallFailure:
    return CallFailure(error.code().name, error.details() or "")
