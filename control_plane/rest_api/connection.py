"""One HTTP connection with the bounds that uvicorn's own lacks.

A request's head is bounded in bytes and in seconds; what a refused caller keeps sending
is dropped for a while and then cut off; too many requests at once, and bytes that are no
HTTP, are answered with a problem as everything else is.
"""

from __future__ import annotations

import asyncio
from asyncio import TimerHandle
from dataclasses import dataclass
from http import HTTPStatus
from typing import Any

import structlog
from starlette.types import Receive, Scope, Send
from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api.correlation import (
    HEADER,
    SECURITY_HEADERS,
    CorrelationMiddleware,
    read_or_make_id,
)
from control_plane.rest_api.problems import HttpRefusal, problem_of

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class HttpLimits:
    """What one caller, and all together, may take of the server.

    max_requests: under way at once; more are told to come back (429).
    max_connections: open at once, idle ones included; more get the same answer.
    max_head_bytes: request line and headers together.
    head_timeout_s: from the connection, or the first byte of a later request, to its last header.
    keep_alive_s: how long an idle connection is kept.
    linger_s: how long what a refused caller still sends is read and dropped. Closing at
        once would reset the connection, and the caller would lose the answer.
    """

    max_requests: int = 256
    max_connections: int = 2048
    max_head_bytes: int = 32 * 1024
    head_timeout_s: float = 10.0
    keep_alive_s: int = 30
    linger_s: float = 5.0


class BoundedProtocol(HttpToolsProtocol):
    """uvicorn's protocol over httptools; :func:`bounded_protocol` sets what its class holds.

    is_leaving: set when the server is about to stop. Each connection then ends with its next
        answer, which says so: its caller opens the next one elsewhere, and loses nothing.
    is_stopping: set when the server stops. A connection accepted in that same moment is not
        among those that uvicorn then shuts down, and would be waited for.
    """

    limits: HttpLimits
    is_leaving: asyncio.Event
    is_stopping: asyncio.Event

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        self._served_app = self.app
        self._is_in_head = True
        self._is_in_body = False
        self._unfinished_bytes = 0
        self._head_bytes = 0
        self._is_head_too_large = False
        self._head_timer: TimerHandle | None = None
        self._linger_timer: TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._start_head_timer()
        if self.is_stopping.is_set():
            self._close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._stop_head_timer()
        self._stop_linger_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # The parser keeps an unfinished header to itself, however long it grows.
        if self._is_in_head and not self.transport.is_closing():
            self._unfinished_bytes += len(data)
            if self._unfinished_bytes > self.limits.max_head_bytes:
                self._is_head_too_large = True
                self.send_400_response("")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._is_in_head = True
        self._unfinished_bytes = 0
        self._head_bytes = 0
        self._start_head_timer()

    def on_header(self, name: bytes, value: bytes) -> None:
        super().on_header(name, value)
        self._head_bytes += len(name) + len(value)
        if self._head_bytes + len(self.url) > self.limits.max_head_bytes:
            self._is_head_too_large = True
            raise ValueError("head too large")  # stops the parser; uvicorn then answers 400

    def on_headers_complete(self) -> None:
        self._is_in_head = False
        self._is_in_body = True
        self._stop_head_timer()
        has_room = (
            len(self.tasks) < self.limits.max_requests
            and len(self.connections) <= self.limits.max_connections
        )
        # Refused under its id and with its line in the log, as every request is answered.
        refusing = CorrelationMiddleware(_tell_overloaded, self.loop.time)
        self.app = self._served_app if has_room else refusing
        super().on_headers_complete()
        if self.is_leaving.is_set():
            self.cycle.keep_alive = False

    def on_message_complete(self) -> None:
        self._is_in_body = False
        self._stop_linger_timer()
        super().on_message_complete()

    def on_response_complete(self) -> None:
        super().on_response_complete()
        if self._is_in_body and not self.transport.is_closing():
            self._linger_timer = self.loop.call_later(self.limits.linger_s, self._close)

    def send_400_response(self, msg: str) -> None:
        """Answers what is no HTTP, or has too large a head, and ends the connection."""
        del msg  # uvicorn's own words
        refusal = HttpRefusal(
            HTTPStatus.BAD_REQUEST, ErrorCode.INVALID_ARGUMENT, "not valid HTTP", field="head"
        )
        if self._is_head_too_large:
            limit = self.limits.max_head_bytes
            refusal = HttpRefusal(
                HTTPStatus.REQUEST_HEADER_FIELDS_TOO_LARGE,
                ErrorCode.MESSAGE_TOO_LARGE,
                f"the request line and headers have more than {limit} bytes",
                field="head",
            )
        # Only of a head that is being read: those of the request before stay in ``headers``.
        correlation_id = read_or_make_id(self.headers if self._is_in_head and self.headers else ())
        headers = {**SECURITY_HEADERS, HEADER: correlation_id, "Connection": "close"}
        problem = problem_of(refusal, correlation_id, headers=headers)
        raw_headers = [*self.server_state.default_headers, *problem.raw_headers]
        lines = [b"%b: %b\r\n" % (name, value) for name, value in raw_headers]
        self.transport.write(
            b"".join([STATUS_LINE[problem.status_code], *lines, b"\r\n", bytes(problem.body)])
        )
        self.transport.close()
        log.info(
            "request refused",
            status=int(problem.status_code),
            code=refusal.code,
            reason=refusal.message,
            correlation_id=correlation_id,
        )

    def _start_head_timer(self) -> None:
        if self._head_timer is None:
            self._head_timer = self.loop.call_later(self.limits.head_timeout_s, self._close)

    def _stop_head_timer(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _stop_linger_timer(self) -> None:
        if self._linger_timer is not None:
            self._linger_timer.cancel()
            self._linger_timer = None

    def _close(self) -> None:
        if not self.transport.is_closing():
            self.transport.close()


def bounded_protocol(
    limits: HttpLimits, is_leaving: asyncio.Event, is_stopping: asyncio.Event
) -> type[BoundedProtocol]:
    """uvicorn builds a protocol per connection and can pass it no options of ours."""
    held = {"limits": limits, "is_leaving": is_leaving, "is_stopping": is_stopping}
    return type("BoundedProtocolWithLimits", (BoundedProtocol,), held)


async def _tell_overloaded(scope: Scope, receive: Receive, send: Send) -> None:
    error = ControlPlaneError(
        ErrorCode.OVERLOADED,
        "as many HTTP requests are under way as http.max_requests allows",
        retry_after_s=1.0,
    )
    await problem_of(error, scope["state"]["correlation_id"])(scope, receive, send)
