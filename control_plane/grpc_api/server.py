"""The gRPC server: KServe v2, tidegate.v1, health and reflection on one port.

Handlers take and give bytes; what is typed is parsed inside, so that a malformed message
is answered with a typed refusal and nothing is decoded that is only passed on.
"""

from __future__ import annotations

import asyncio
from typing import Any

import grpc
import grpc.aio
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from control_plane.errors import ConfigurationError
from control_plane.grpc_api import kserve_service, operations_service, orchestrator_service
from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator

MAX_CONCURRENT_STREAMS = 1024


class GrpcServer:
    """Listens from ``start`` to ``stop``."""

    def __init__(
        self,
        *,
        kserve: KServe,
        orchestrator: Orchestrator,
        operations: OperationsService,
        host: str,
        port: int,
        max_message_bytes: int,
        max_concurrent_calls: int,
    ) -> None:
        self._host = f"[{host}]" if ":" in host else host
        self.address = f"{self._host}:{port}"
        self._services = {
            kserve_service.SERVICE: kserve.handlers(),
            orchestrator_service.SERVICE: orchestrator.handlers(),
            operations_service.SERVICE: operations.handlers(),
        }
        self._stopping = kserve.stopping
        self._health = _Health(self._stopping)
        self._server = grpc.aio.server(
            options=[
                ("grpc.max_receive_message_length", max_message_bytes),
                ("grpc.max_send_message_length", max_message_bytes),
                ("grpc.max_concurrent_streams", MAX_CONCURRENT_STREAMS),
                # A second process on the port is an error, not half of the traffic.
                ("grpc.so_reuseport", 0),
            ],
            # grpc answers what is above with RESOURCE_EXHAUSTED.
            maximum_concurrent_rpcs=max_concurrent_calls,
        )

    async def start(self) -> None:
        """Raises ConfigurationError when the port cannot be had."""
        for name, handlers in self._services.items():
            self._server.add_generic_rpc_handlers(
                (grpc.method_handlers_generic_handler(name, dict(handlers)),)
            )
        health_pb2_grpc.add_HealthServicer_to_server(self._health, self._server)
        names = [*self._services, health.SERVICE_NAME, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, self._server)
        await self.report(False)
        try:
            port = self._server.add_insecure_port(self.address)
        except RuntimeError as error:
            raise ConfigurationError(
                f"cannot listen on {self.address}: is the port taken? "
                f"Choose another with grpc.port or --grpc-port",
                field="grpc.port",
            ) from error
        self.address = f"{self._host}:{port}"
        await self._server.start()

    async def report(self, is_serving: bool) -> None:
        """What grpc.health.v1 answers, for the server as a whole and for each service."""
        states = health_pb2.HealthCheckResponse
        state = states.SERVING if is_serving else states.NOT_SERVING
        for name in ("", *self._services):
            await self._health.set(name, state)

    async def announce_stop(self) -> None:
        """Health says that it does not serve, from now on; everything is served as ever."""
        await self._health.enter_graceful_shutdown()

    async def stop(self, grace_s: float) -> None:
        """Refuse new calls, let those in flight finish for ``grace_s`` seconds.

        Called again meanwhile with less patience, it ends them sooner.
        """
        await self.announce_stop()
        self._stopping.set()
        await self._server.stop(grace_s)


class _Health(health.aio.HealthServicer):  # type: ignore[misc]
    """Ends its watches when the server stops: they would keep it waiting for the whole grace."""

    def __init__(self, stopping: asyncio.Event) -> None:
        super().__init__()
        self._stopping = stopping

    async def Watch(self, request: Any, context: Any) -> None:  # noqa: N802  grpc's name
        watching = asyncio.create_task(super().Watch(request, context))
        stopping = asyncio.create_task(self._stopping.wait())
        try:
            await asyncio.wait({watching, stopping}, return_when=asyncio.FIRST_COMPLETED)
        finally:
            watching.cancel()
            stopping.cancel()
            await asyncio.gather(watching, stopping, return_exceptions=True)
