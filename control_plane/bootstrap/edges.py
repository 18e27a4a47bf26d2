"""The edges, gRPC and HTTP, over the services."""

from __future__ import annotations

from control_plane.grpc_api.kserve_service import KServe
from control_plane.grpc_api.operations_service import OperationsService
from control_plane.grpc_api.orchestrator_service import Orchestrator
from control_plane.grpc_api.server import GrpcServer
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpLimits, HttpServer
from control_plane.rest_api.services import RestServices
from control_plane.settings import Settings


def make_grpc_server(
    settings: Settings, kserve: KServe, orchestrator: Orchestrator, operations: OperationsService
) -> GrpcServer:
    return GrpcServer(
        kserve=kserve,
        orchestrator=orchestrator,
        operations=operations,
        host=settings.grpc.host,
        port=settings.grpc.port,
        max_message_bytes=settings.grpc.max_message_bytes,
        max_concurrent_calls=settings.grpc.max_concurrent_calls,
    )


def make_http_server(settings: Settings, services: RestServices) -> HttpServer:
    limits = HttpLimits(
        max_requests=settings.http.max_requests, max_connections=settings.http.max_connections
    )
    return HttpServer(
        create_app(services), settings.http.host, settings.http.port, limits, services.stopping
    )
