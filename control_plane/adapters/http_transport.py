"""HTTP that goes on after requests that were cut off.

httpx's pool (httpcore 1.0.9) gives a connection to a request that waits; if that is cancelled, or
its time is over, before it takes it, nobody ever does, and it counts as busy until the process
ends. After as many as there may be, every request waits in vain. So a pool of which a request was
cut off is left to those that use it still and then closed, and what comes next begins a new one.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import TracebackType
from typing import Self, cast

import httpx


class LastingTransport(httpx.AsyncBaseTransport):
    """For an httpx.AsyncClient whose requests are cancelled now and then, as by a timeout over the
    whole of one. limits: of a pool; there are two for as long as a cancelled one's others last.

    Neither proxies nor certificates are taken from the environment.
    """

    def __init__(self, limits: httpx.Limits) -> None:
        self._limits = limits
        # Read once: it takes tens of milliseconds.
        self._certificates = httpx.create_ssl_context(trust_env=False)
        self._pool = self._make_pool()

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None = None,
        error: BaseException | None = None,
        traceback: TracebackType | None = None,
    ) -> None:
        await self.aclose()

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        pool = self._pool
        pool.begin()
        try:
            response = await pool.transport.handle_async_request(request)
        except (asyncio.CancelledError, httpx.TimeoutException):
            pool.is_left = True
            if pool is self._pool:
                self._pool = self._make_pool()
            await pool.end()
            raise
        except BaseException:
            await pool.end()
            raise
        response.stream = _Body(cast(httpx.AsyncByteStream, response.stream), pool)
        return response

    async def aclose(self) -> None:
        await self._pool.transport.aclose()

    def _make_pool(self) -> _Pool:
        return _Pool(
            httpx.AsyncHTTPTransport(
                limits=self._limits, verify=self._certificates, trust_env=False
            )
        )


class _Pool:
    """Connections, and how many requests use them; closed by the last one once it is left."""

    def __init__(self, transport: httpx.AsyncHTTPTransport) -> None:
        self.transport = transport
        self.is_left = False
        self._users = 0

    def begin(self) -> None:
        self._users += 1

    async def end(self) -> None:
        self._users -= 1
        if self.is_left and not self._users:
            await self.transport.aclose()


class _Body(httpx.AsyncByteStream):
    """The rest of an answer: until it is closed its request uses the pool."""

    def __init__(self, inner: httpx.AsyncByteStream, pool: _Pool) -> None:
        self._inner = inner
        self._pool: _Pool | None = pool

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._inner:
            yield part

    async def aclose(self) -> None:
        pool, self._pool = self._pool, None
        try:
            await self._inner.aclose()
        finally:
            if pool is not None:
                await pool.end()
