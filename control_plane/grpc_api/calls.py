"""What every gRPC call shares: its metadata, its deadline, its errors, its log line."""

from __future__ import annotations

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

import grpc
import grpc.aio
import structlog
from google.protobuf.message import DecodeError, Message

from control_plane.core.deadline import Deadline
from control_plane.core.detections import Priority, check_priority
from control_plane.core.identifiers import CORRELATION_ID, check_routing_key, is_correlation_id
from control_plane.core.tracing import CARRIERS
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.grpc_api.status import STATUS
from control_plane.ports import Clock

log = structlog.get_logger(__name__)

ROUTING_KEY = "x-routing-key"
PRIORITY = "x-priority"
RELEASE, INSTANCE, ATTEMPTS = "x-tidegate-release", "x-tidegate-instance", "x-tidegate-attempts"
FALLBACK_FROM = "x-tidegate-fallback-from"
ERROR_CODE, ERROR_FIELD = "x-tidegate-code", "x-tidegate-field"
RETRY_AFTER = "x-tidegate-retry-after-s"
OPAQUE = "internal error; the log has more under this correlation id"

MAX_MESSAGE_BYTES = 2000
"""Longest explanation of a refusal; an instance may explain itself with a whole traceback."""

Context: TypeAlias = Any
"""A grpc.aio.ServicerContext; grpcio ships no types."""

Unary = Callable[[bytes, Context], Awaitable[bytes]]
MessageType = TypeVar("MessageType", bound=Message)


@dataclass(frozen=True, slots=True)
class CallHead:
    """What the metadata of a call says.

    routing_key: "" when the caller gave none.
    priority: None when the caller gave none.
    carried: what there is of the caller's trace, by the header's name.
    """

    correlation_id: str
    routing_key: str
    priority: Priority | None = None
    carried: Mapping[str, str] = field(default_factory=dict)


def read_metadata(context: Context) -> CallHead:
    """Raises InvalidArgument for a routing key that is too long and an unknown priority."""
    correlation_id = routing_key = priority = ""
    carried: dict[str, str] = {}
    for key, value in context.invocation_metadata() or ():
        if key == CORRELATION_ID and isinstance(value, str) and is_correlation_id(value):
            correlation_id = value
        elif key == ROUTING_KEY and isinstance(value, str):
            routing_key = value
        elif key == PRIORITY and isinstance(value, str):
            priority = value
        elif key in CARRIERS and isinstance(value, str):
            carried[key] = f"{carried[key]},{value}" if key in carried else value
    correlation_id = correlation_id or secrets.token_hex(16)
    structlog.contextvars.bind_contextvars(correlation_id=correlation_id)
    context.set_trailing_metadata(((CORRELATION_ID, correlation_id),))
    check_routing_key(routing_key, ROUTING_KEY)
    urgency = check_priority(priority) if priority else None
    return CallHead(correlation_id, routing_key, urgency, carried)


@dataclass(frozen=True, slots=True)
class CallTimeouts:
    """default_s: for a caller that sets no deadline; max_s: what a longer one is cut to."""

    default_s: float
    max_s: float


def read_deadline(context: Context, clock: Clock, timeouts: CallTimeouts) -> Deadline:
    """The caller's own deadline as far as the maximum reaches, or the default."""
    return Deadline.after(clock.now_s(), _timeout_s(context, timeouts))


@asynccontextmanager
async def within_deadline(context: Context, timeouts: CallTimeouts) -> AsyncIterator[None]:
    """For work that takes no deadline itself. Raises ControlPlaneError(DEADLINE_EXCEEDED)."""
    timeout_s = _timeout_s(context, timeouts)
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except TimeoutError:
        raise ControlPlaneError(
            ErrorCode.DEADLINE_EXCEEDED, f"not done within {timeout_s:.3g} s"
        ) from None


def _timeout_s(context: Context, timeouts: CallTimeouts) -> float:
    remaining_s: float | None = context.time_remaining()
    return min(timeouts.default_s if remaining_s is None else remaining_s, timeouts.max_s)


def parse(kind: type[MessageType], raw: bytes) -> MessageType:
    """Raises InvalidArgument when the bytes are no such message."""
    try:
        return kind.FromString(raw)
    except DecodeError:
        raise InvalidArgument(
            f"malformed protobuf: no {kind.DESCRIPTOR.name}", field="message"
        ) from None


class Answering:
    """Turns what goes wrong inside an ``async with`` into the call's status; logs it once."""

    __slots__ = ("_context", "_method")

    def __init__(self, context: Context, method: str) -> None:
        self._context = context
        self._method = method

    async def __aenter__(self) -> None:
        structlog.contextvars.clear_contextvars()

    async def __aexit__(self, _: object, error: BaseException | None, __: object) -> None:
        if isinstance(error, ControlPlaneError):
            log.info("call refused", method=self._method, code=error.code, reason=error.message)
            await _abort(self._context, error)
        elif isinstance(error, Exception) and not isinstance(error, grpc.aio.AbortError):
            log.error("call failed", method=self._method, exc_info=error)
            await _abort(self._context, ControlPlaneError(ErrorCode.INTERNAL, OPAQUE))


async def _abort(context: Context, error: ControlPlaneError) -> None:
    trailing = [*(context.trailing_metadata() or ()), (ERROR_CODE, error.code.value)]
    if error.field:
        trailing.append((ERROR_FIELD, _ascii(error.field)))
    if error.retry_after_s is not None:
        trailing.append((RETRY_AFTER, f"{error.retry_after_s:g}"))
    await context.abort(STATUS[error.code], _cut(error.message), tuple(trailing))


def _cut(text: str) -> str:
    """What fits beside the metadata in the 8 KiB that a client takes, three bytes for each."""
    raw = text.encode(errors="replace")
    if len(raw) <= MAX_MESSAGE_BYTES:
        return text
    return raw[:MAX_MESSAGE_BYTES].decode(errors="ignore") + "…"


def _ascii(text: str) -> str:
    """Metadata values are printable ASCII."""
    return text.encode("ascii", "replace").decode()
