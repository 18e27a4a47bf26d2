"""The outermost layer of every request: its id, its log line, its last safety net.

A pure ASGI middleware, because Starlette's BaseHTTPMiddleware runs the application in a
second task, which breaks context variables and cancellation. It
- takes ``X-Correlation-ID`` or makes one, binds it to structlog's context (so that every
  log line below carries it) and returns it with every answer, errors included;
- turns an exception nobody expected into an opaque problem and one logged traceback;
- writes one access line per request and ``Server-Timing: total``;
- adds the headers that keep browsers from guessing or framing what we send.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterable

import structlog
from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from control_plane.core.identifiers import CORRELATION_ID, is_correlation_id
from control_plane.errors import ControlPlaneError
from control_plane.rest_api.problems import CLIENT_CLOSED_REQUEST, REFUSAL, internal_problem

log = structlog.get_logger(__name__)

HEADER = "X-Correlation-ID"
SERVER_FAULTS = 500
MOST_WORDS = 240
"""Of a failure's reason."""
_NAME = CORRELATION_ID.encode()
SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Referrer-Policy": "no-referrer",
    # For answers that are data. A page that needs more says so itself.
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
}

# Asked every few seconds by whoever watches; they would drown the rest.
_PROBES = frozenset({"/healthz", "/readyz", "/metrics"})


class CorrelationMiddleware:
    """Wraps an ASGI application. now_s: a monotonic clock's reading, in seconds."""

    def __init__(self, app: ASGIApp, now_s: Callable[[], float]) -> None:
        self._app = app
        self._now_s = now_s

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        started_s = self._now_s()
        correlation_id = read_or_make_id(scope["headers"])
        scope.setdefault("state", {})["correlation_id"] = correlation_id
        status: int | None = None

        async def send_with_headers(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers[HEADER] = correlation_id
                headers["Server-Timing"] = f"total;dur={self._since_ms(started_s):.1f}"
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)

        # A pipelined request starts in the context of the one before it.
        structlog.contextvars.clear_contextvars()
        structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
        try:
            await self._app(scope, receive, send_with_headers)
        except Exception:
            log.exception("unexpected error", method=scope["method"], route=_route_of(scope))
            if status is not None:
                raise  # the answer has begun; only breaking the connection is honest
            await internal_problem(correlation_id)(scope, receive, send_with_headers)
        finally:
            self._write_access_line(scope, status or CLIENT_CLOSED_REQUEST, started_s)
            structlog.contextvars.clear_contextvars()

    def _since_ms(self, started_s: float) -> float:
        return (self._now_s() - started_s) * 1000

    def _write_access_line(self, scope: Scope, status: int, started_s: float) -> None:
        write = log.debug if scope["path"] in _PROBES else log.info
        refusal: ControlPlaneError | None = scope.get(REFUSAL)
        told: dict[str, str] = {}
        if refusal is not None:
            told["code"] = refusal.code.value
            if refusal.field:
                told["field"] = refusal.field
            # What the caller got wrong is told in his own words, and they may be a secret.
            if int(status) >= SERVER_FAULTS:
                told["reason"] = refusal.message[:MOST_WORDS]
        # Bound, so that a line of what went well has no empty fields.
        with structlog.contextvars.bound_contextvars(**told):
            write(
                "request",
                method=scope["method"],
                route=_route_of(scope),
                status=int(status),
                duration_ms=round(self._since_ms(started_s), 2),
            )


def read_or_make_id(headers: Iterable[tuple[bytes, bytes]]) -> str:
    """The caller's id if it is one that fits in a log line and a header, else a new one."""
    for name, value in headers:
        if name == _NAME and is_correlation_id(given := value.decode("latin-1")):
            return given
    return str(uuid.uuid4())


def _route_of(scope: Scope) -> str:
    """The route's pattern, not the path: few values, and nothing a stranger wrote."""
    return getattr(scope.get("route"), "path", "unmatched")
