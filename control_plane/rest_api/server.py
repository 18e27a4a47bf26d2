"""Runs the REST application on a socket, in the event loop that is already there.

uvicorn, with connections that are bounded (:mod:`control_plane.rest_api.connection`) and
without signal handlers (the process has its own).
"""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import uvicorn
from starlette.types import ASGIApp

from control_plane.errors import ConfigurationError
from control_plane.rest_api.connection import HttpLimits, bounded_protocol

__all__ = ["HttpLimits", "HttpServer"]

BACKLOG = 1024
CANCEL_GRACE_S = 1.0


class HttpServer:
    """One listening socket. ``start`` returns when it accepts; ``stop`` drains it.

    stopping: is set when it stops, for answers that else would never end.
    settings: the names of those that gave host and port, for who has to mend them.
    """

    def __init__(
        self,
        app: ASGIApp,
        host: str,
        port: int,
        limits: HttpLimits | None = None,
        stopping: asyncio.Event | None = None,
        *,
        settings: tuple[str, str] = ("http.host", "http.port"),
    ) -> None:
        self._host_setting, self._port_setting = settings
        self._host = host
        self._port = port
        chosen = limits or HttpLimits()
        self._is_leaving = asyncio.Event()
        self._is_stopping = stopping or asyncio.Event()
        self._config = uvicorn.Config(
            app,
            loop="none",
            http=bounded_protocol(chosen, self._is_leaving, self._is_stopping),
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            proxy_headers=False,
            backlog=BACKLOG,
            timeout_keep_alive=chosen.keep_alive_s,
        )
        self._server = _QuietServer(self._config)
        self._serving: asyncio.Task[None] | None = None

    @property
    def port(self) -> int:
        """The port listened on: the one asked for, or the one found for 0."""
        return self._port

    @property
    def url(self) -> str:
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"http://{host}:{self._port}"

    async def start(self) -> None:
        """Raises ConfigurationError when the address cannot be listened on."""
        listener = await self._bind()
        self._port = listener.getsockname()[1]
        self._serving = asyncio.create_task(self._server.serve(sockets=[listener]), name="http")
        ready = asyncio.create_task(self._server.is_started.wait())
        await asyncio.wait({ready, self._serving}, return_when=asyncio.FIRST_COMPLETED)
        ready.cancel()
        if self._serving.done():
            listener.close()
            await self._serving

    async def announce_stop(self) -> None:
        """Serves as ever, and ends each connection with its next answer."""
        self._is_leaving.set()

    async def stop(self, grace_s: float) -> None:
        """Accepts no more, waits up to ``grace_s`` for requests under way, ends the rest.

        Called again meanwhile with less patience, it ends the rest sooner.
        """
        serving = self._serving
        if serving is None:
            return
        self._is_stopping.set()
        self._server.should_exit = True
        await asyncio.wait({serving}, timeout=grace_s)
        self._server.force_exit = True  # uvicorn waits no longer
        state = self._server.server_state
        for task in state.tasks:
            task.cancel()
        if state.tasks:
            await asyncio.wait(set(state.tasks), timeout=CANCEL_GRACE_S)
        for connection in list(state.connections):
            connection.transport.abort()
        await asyncio.shield(serving)
        self._serving = None

    async def _bind(self) -> socket.socket:
        loop = asyncio.get_running_loop()
        listener: socket.socket | None = None
        try:
            addresses = await loop.getaddrinfo(
                self._host, self._port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
            )
            family, kind, protocol, _, address = addresses[0]
            listener = socket.socket(family, kind, protocol)
            # A restart must not wait for the connections of its predecessor to time out.
            listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listener.setblocking(False)
            listener.bind(address)
            # Another process may have bound the same address without listening yet.
            listener.listen(BACKLOG)
        except OSError as error:
            if listener is not None:
                listener.close()
            why = (error.strerror or str(error)).lower()
            is_host = isinstance(error, socket.gaierror)
            setting = self._host_setting if is_host else self._port_setting
            raise ConfigurationError(
                f"cannot listen for HTTP on {self._host} port {self._port}: {why}; "
                f"set {setting} to another, or end what uses it",
                field=setting,
            ) from None
        return listener


class _QuietServer(uvicorn.Server):
    """A server that leaves signals alone and says when it has started."""

    def __init__(self, config: uvicorn.Config) -> None:
        super().__init__(config)
        self.is_started = asyncio.Event()

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        yield

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        self.is_started.set()
