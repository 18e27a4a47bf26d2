"""A gRPC server that speaks Triton's protocol over a FakeInstance; what the adapter calls."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import grpc
import grpc.aio
from tritonclient.grpc import service_pb2, service_pb2_grpc

from control_plane.core.catalogue import ModelSpec
from control_plane.ports import CallFailed
from tests.unit.fakes import FakeInstance


class FakeTriton(service_pb2_grpc.GRPCInferenceServiceServicer):
    """As Triton 2.51 answers (TRITON.md): twins are not in the index, they are asked for."""

    def __init__(self, instance: FakeInstance) -> None:
        self.instance = instance
        self.hangs: set[str] = set()
        self.loads: list[service_pb2.RepositoryModelLoadRequest] = []
        self.unloads: list[str] = []
        self.is_ready = True
        self.config_failure: grpc.StatusCode | None = None
        self.correlation_ids: list[str] = []
        self.has_nameless_step = False
        self.odd_versions: tuple[str, ...] = ("",)
        # A model that was unloaded is seen on its way out so many times; a twin never is.
        self.lingers = 0
        self.keeps_twins = False
        self.index_reads = 0
        self._leaving: dict[str, int] = {}

    async def ServerReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("ServerReady")
        return service_pb2.ServerReadyResponse(ready=self.is_ready)

    async def RepositoryModelUnload(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("RepositoryModelUnload")
        self.unloads.append(request.model_name)
        if request.model_name in self.instance.loaded:
            self._leaving[request.model_name] = self.lingers
        if not self.keeps_twins:
            await self.instance.unload(request.model_name, timeout_s=1.0)
        return service_pb2.RepositoryModelUnloadResponse()

    async def RepositoryIndex(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("RepositoryIndex")
        self.index_reads += 1
        answer = service_pb2.RepositoryIndexResponse()
        for name, versions in self.instance.loaded.items():
            for version in sorted(versions):
                answer.models.add(name=name, version=str(version), state="READY")
        if not request.ready:
            answer.models.add(name="unasked", version="1", state="READY")
        for name, looks in self._leaving.items():
            state, reason = ("UNLOADING", "") if looks else ("UNAVAILABLE", "unloaded")
            answer.models.add(name=name, version="1", state=state, reason=reason)
            self._leaving[name] = max(looks - 1, 0)
        answer.models.add(name="never", version="", state="")
        answer.models.add(name="going", version="3", state="UNLOADING")
        for version in self.odd_versions:
            answer.models.add(name="odd", version=version, state="READY")
        return answer

    async def ModelReady(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("ModelReady")
        is_ready = request.name in self.instance.twins and request.version in ("", "1")
        return service_pb2.ModelReadyResponse(ready=is_ready)

    async def ModelConfig(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("ModelConfig")
        if self.config_failure is not None:
            await context.abort(self.config_failure, "no such model")
        answer = service_pb2.ModelConfigResponse()
        if self.has_nameless_step:
            answer.config.ensemble_scheduling.step.add(model_version=1)
        for component, version in ModelSpec("", self.instance.twins[request.name], ()).steps:
            answer.config.ensemble_scheduling.step.add(model_name=component, model_version=version)
        return answer

    async def RepositoryModelLoad(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("RepositoryModelLoad")
        self.loads.append(request)
        config = json.loads(request.parameters["config"].string_param)
        is_twin = "file:1/.keep" in request.parameters
        with aborting(context) as failures:
            await self.instance.load(request.model_name, config, is_twin=is_twin, timeout_s=1.0)
        await abort_by(context, failures)
        return service_pb2.RepositoryModelLoadResponse()

    async def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        await self._answer("ModelInfer")
        self._note(context)
        with aborting(context) as failures:
            raw = await self.instance.infer(request.SerializeToString(), timeout_s=1.0)
            return service_pb2.ModelInferResponse.FromString(raw)
        await abort_by(context, failures)
        return None

    async def ModelStreamInfer(self, requests: Any, context: Any) -> AsyncIterator[Any]:  # noqa: N802
        self._note(context)

        async def messages() -> AsyncIterator[bytes]:
            async for request in requests:
                yield request.SerializeToString()

        with aborting(context) as failures:
            async for raw in self.instance.stream(messages()):
                yield service_pb2.ModelStreamInferResponse.FromString(raw)
        await abort_by(context, failures)

    def _note(self, context: Any) -> None:
        metadata = dict(context.invocation_metadata())
        self.correlation_ids.append(metadata.get("x-correlation-id", ""))

    async def _answer(self, method: str) -> None:
        if method in self.hangs:
            await asyncio.Event().wait()


@contextmanager
def aborting(context: Any) -> Iterator[list[CallFailed]]:
    failures: list[CallFailed] = []
    try:
        yield failures
    except CallFailed as failed:
        failures.append(failed)


async def abort_by(context: Any, failures: list[CallFailed]) -> None:
    for failed in failures:
        await context.abort(getattr(grpc.StatusCode, failed.failure.status), failed.failure.message)


@asynccontextmanager
async def served(triton: FakeTriton) -> AsyncIterator[str]:
    """Its address."""
    server = grpc.aio.server()
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(triton, server)
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        await server.stop(None)
