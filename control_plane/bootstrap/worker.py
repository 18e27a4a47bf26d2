"""Where a worker can be looked at, if its settings give it a port."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock
from control_plane.bootstrap.hosts import allowed_hosts
from control_plane.bootstrap.wiring import ControlPlane
from control_plane.rest_api.connection import HttpLimits
from control_plane.rest_api.server import HttpServer
from control_plane.rest_api.worker_app import create_worker_app
from control_plane.settings import Settings

# Asked by one Prometheus, one orchestrator, and now and then a person.
LIMITS = HttpLimits(max_requests=16, max_connections=64)
GRACE_S = 1.0


@asynccontextmanager
async def looked_at(settings: Settings, plane: ControlPlane) -> AsyncIterator[str | None]:
    """Its URL while it listens; None where no port is given. Raises ConfigurationError."""
    port = settings.worker.http_port
    if port is None:
        yield None
        return
    host = settings.worker.http_host
    names = settings.worker.http_allowed_hosts
    app = create_worker_app(
        status=plane.status,
        metrics=plane.metrics,
        log_level=plane.log_level,
        version=__version__,
        clock=MonotonicClock(),
        hosts=allowed_hosts(host, names, setting="worker.http_allowed_hosts"),
    )
    told = ("worker.http_host", "worker.http_port")
    http = HttpServer(app, host, port, LIMITS, settings=told)
    await http.start()
    try:
        yield http.url
    finally:
        await http.stop(GRACE_S)
