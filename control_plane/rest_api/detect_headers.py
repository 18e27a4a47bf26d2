"""What the headers of a detection ask: how long it may take, and whether anybody waits for it."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass

from starlette.requests import Request

from control_plane.core.identifiers import check_idempotency_key, check_routing_key
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.services import RestLimits

TIMEOUT = "X-Request-Timeout-S"
ROUTING_KEY = "X-Routing-Key"
IDEMPOTENCY_KEY = "Idempotency-Key"
RESPOND_ASYNC = "respond-async"
FRESH = frozenset({"no-cache", "no-store"})
"""RFC 9111, 5.2.1: the answer must not be one that was stored."""

_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*(?:"|\\?$)')
"""A quoted-string (RFC 9110, 5.6.4), or what begins like one and has no end."""


@dataclass(frozen=True, slots=True)
class DetectHeaders:
    """timeout_s: how long the caller waits or, where it does not wait, how long the job has.

    None: nothing was said, and nobody waits.
    may_use_cache: whether what was found on the same photo a while ago will do.
    """

    is_async: bool
    timeout_s: float | None
    routing_key: str | None
    idempotency_key: str | None
    may_use_cache: bool = True


def read_headers(request: Request, limits: RestLimits) -> DetectHeaders:
    """Raises InvalidArgument, or DEADLINE_EXCEEDED for a timeout that is over."""
    is_async = _prefers_async(request)
    timeout_s = _read_timeout_s(
        request, limits.max_deadline_s if is_async else limits.max_timeout_s
    )
    routing_key = request.headers.get(ROUTING_KEY)
    idempotency_key = request.headers.get(IDEMPOTENCY_KEY)
    return DetectHeaders(
        is_async=is_async,
        timeout_s=limits.timeout_s if timeout_s is None and not is_async else timeout_s,
        routing_key=check_routing_key(routing_key, ROUTING_KEY) if routing_key else None,
        idempotency_key=None
        if idempotency_key is None
        else check_idempotency_key(idempotency_key, IDEMPOTENCY_KEY),
        may_use_cache=not FRESH & _words_of(request, "cache-control"),
    )


def _read_timeout_s(request: Request, most_s: float) -> float | None:
    text = request.headers.get(TIMEOUT)
    if text is None:
        return None
    try:
        timeout_s = float(text)
    except ValueError:
        timeout_s = math.nan
    if not math.isfinite(timeout_s):
        raise InvalidArgument(f"{TIMEOUT} is not a number of seconds: {text[:40]!r}", field=TIMEOUT)
    if timeout_s <= 0:
        raise ControlPlaneError(
            ErrorCode.DEADLINE_EXCEEDED, f"{TIMEOUT} is {timeout_s:g}: already past", field=TIMEOUT
        )
    if timeout_s > most_s:
        raise InvalidArgument(
            f"{TIMEOUT} is {timeout_s:g}; the limit is {most_s:g} s", field=TIMEOUT
        )
    return timeout_s


def _prefers_async(request: Request) -> bool:
    """RFC 7240, 4.1. Other preferences are ignored, as it allows."""
    return RESPOND_ASYNC in _words_of(request, "prefer")


def _words_of(request: Request, header: str) -> frozenset[str]:
    """Of a list of words in a header, each without its parameters, those that have no value."""
    listed = ",".join(request.headers.getlist(header)).lower()
    # What is between quotes may look like a list.
    words = _QUOTED.sub(lambda quoted: quoted[0] if quoted[0] == '""' else "quoted", listed)
    pairs = (one.partition(";")[0].partition("=") for one in words.split(","))
    # RFC 7240, 2: an empty value is none.
    return frozenset(name.strip() for name, _, value in pairs if value.strip() in ("", '""'))
