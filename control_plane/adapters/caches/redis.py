"""Results in a Redis. It is waited for a moment, and when it fails it is left alone for a while.

A get or put takes WAIT_S at most. After FAILURES_IN_A_ROW it is not asked for PAUSE_S, and then
one failure is enough for the next pause: a Redis that hangs costs some requests a moment each, and
not every request. An outage is logged when it begins and when it ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import structlog

from control_plane.ports import Clock

log = structlog.get_logger(__name__)

WAIT_S = 0.05
PAUSE_S = 5.0
FAILURES_IN_A_ROW = 3
MAX_CONNECTIONS = 32
PREFIX = "tidegate:result:"


class RedisCache:
    """client: redis-py's, for bytes. ttl_s: how long a result is kept there."""

    def __init__(self, client: Any, *, ttl_s: float, clock: Clock) -> None:
        self._client = client
        self._ttl_ms = max(1, round(ttl_s * 1000))
        self._clock = clock
        self._failures = 0
        self._in_a_row = 0
        self._resume_s = 0.0
        self._is_out = False

    @property
    def failures(self) -> int:
        return self._failures

    async def get(self, key: str) -> bytes | None:
        found = await self._ask("get", PREFIX + key)
        return found if isinstance(found, bytes) else None

    async def put(self, key: str, value: bytes) -> None:
        await self._ask("psetex", PREFIX + key, self._ttl_ms, value)

    async def _ask(self, command: str, *arguments: object) -> object:
        """Redis's answer; None where it has none, or failed, or is left alone."""
        if self._clock.now_s() < self._resume_s:
            return None
        try:
            async with asyncio.timeout(WAIT_S):
                answer: object = await getattr(self._client, command)(*arguments)
        except Exception as error:  # whatever is wrong with it: a cache must cost nobody an answer
            self._failed(error)
            return None
        self._in_a_row = 0
        if self._is_out:
            self._is_out = False
            log.info("the result cache answers again")
        return answer

    def _failed(self, error: Exception) -> None:
        self._failures += 1
        self._in_a_row += 1
        if self._in_a_row >= FAILURES_IN_A_ROW:
            self._resume_s = self._clock.now_s() + PAUSE_S
            if not self._is_out:
                self._is_out = True
                # Its type only: the words may hold the address with what comes before the @.
                log.warning("the result cache does not answer", error=type(error).__name__)


@asynccontextmanager
async def open_redis_cache(url: str, *, ttl_s: float, clock: Clock) -> AsyncIterator[RedisCache]:
    """Connects when first asked, so that a Redis that is away keeps nobody from starting.

    Raises ValueError for what is no URL of a Redis.
    """
    from redis.asyncio import BlockingConnectionPool, Redis
    from redis.asyncio.retry import Retry
    from redis.backoff import NoBackoff

    pool = BlockingConnectionPool.from_url(
        url,
        max_connections=MAX_CONNECTIONS,
        timeout=None,  # the time of the whole command bounds it
        socket_timeout=WAIT_S,
        socket_connect_timeout=WAIT_S,
        retry=Retry(NoBackoff(), 0),
        decode_responses=False,
    )
    client = Redis(connection_pool=pool)
    try:
        yield RedisCache(client, ttl_s=ttl_s, clock=clock)
    finally:
        await client.aclose()
        await pool.disconnect()
