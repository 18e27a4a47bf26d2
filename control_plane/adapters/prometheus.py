"""Instant queries of a Prometheus, over its HTTP API (``/api/v1/query``), in bounded time and size.

https://prometheus.io/docs/prometheus/latest/querying/api/#instant-queries
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

import httpx
import orjson

from control_plane.adapters.http_transport import LastingTransport
from control_plane.ports import QueryFailed

MAX_ANSWER_BYTES = 1024 * 1024


def open_client(headers: Mapping[str, str] | None = None) -> httpx.AsyncClient:
    """headers: what the Prometheus, or who stands before it, wants to see."""
    limits = httpx.Limits(max_connections=8, max_keepalive_connections=2)
    return httpx.AsyncClient(
        transport=LastingTransport(limits),
        trust_env=False,
        timeout=None,  # noqa: S113  each query has a bound over the whole of it
        headers={"Accept-Encoding": "identity", **(headers or {})},
    )


class Prometheus:
    """Implements MetricQueries. url: without ``/api/v1/query``."""

    def __init__(self, url: str, client: httpx.AsyncClient) -> None:
        self._url = f"{url.rstrip('/')}/api/v1/query"
        self._client = client

    async def query(self, expression: str, *, timeout_s: float) -> tuple[float, ...]:
        try:
            async with asyncio.timeout(timeout_s):
                status, body = await self._fetch(expression)
        except TimeoutError:
            raise QueryFailed(f"no answer within {timeout_s:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise QueryFailed(str(error) or type(error).__name__) from None
        try:
            answer = orjson.loads(body)
            if answer["status"] != "success":
                raise QueryFailed(f"{answer.get('errorType')}: {str(answer.get('error'))[:200]}")
            return _values(answer["data"])
        except (orjson.JSONDecodeError, LookupError, TypeError, ValueError, AttributeError):
            raise QueryFailed(f"HTTP status {status}, and no Prometheus answer") from None

    async def _fetch(self, expression: str) -> tuple[int, bytes]:
        # A form, because an expression may be longer than a URL may.
        form = {"query": expression}
        async with self._client.stream("POST", self._url, data=form) as answer:
            body = bytearray()
            async for part in answer.aiter_raw():
                body += part
                if len(body) > MAX_ANSWER_BYTES:
                    raise QueryFailed(f"more than {MAX_ANSWER_BYTES} bytes")
        return answer.status_code, bytes(body)


def _values(data: Mapping[str, Any]) -> tuple[float, ...]:
    kind, result = data["resultType"], data["result"]
    if kind == "vector":
        return tuple(float(series["value"][1]) for series in result)
    if kind == "scalar":
        return (float(result[1]),)
    raise QueryFailed(f"the result is a {str(kind)[:40]}; ask for an instant vector or a scalar")
