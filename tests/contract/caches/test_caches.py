"""Both result caches: what is put is found for a while, and nothing that is wrong is an error."""

from __future__ import annotations

import asyncio
import logging
import tracemalloc
from collections.abc import AsyncIterator
from time import perf_counter

import pytest
from structlog.testing import capture_logs

from control_plane.adapters.caches import MemoryCache, RedisCache, open_redis_cache
from control_plane.adapters.caches import redis as redis_module
from control_plane.adapters.clock import MonotonicClock
from tests.servers.redis import RedisServer
from tests.unit.fakes import FakeClock

MIB = 1024 * 1024


@pytest.fixture
def fast(monkeypatch: pytest.MonkeyPatch) -> None:
    """The machine may be busy: what is waited for is not what is tested."""
    monkeypatch.setattr(redis_module, "WAIT_S", 2.0)


@pytest.fixture(params=["memory", "redis"])
async def cache(
    request: pytest.FixtureRequest, fast: None
) -> AsyncIterator[MemoryCache | RedisCache]:
    if request.param == "memory":
        yield MemoryCache(max_bytes=MIB, ttl_s=60, clock=MonotonicClock())
        return
    server: RedisServer = request.getfixturevalue("redis")
    async with open_redis_cache(server.url, ttl_s=60, clock=MonotonicClock()) as opened:
        yield opened


async def test_what_is_put_is_found(cache: MemoryCache | RedisCache) -> None:
    assert await cache.get("put") is None
    await cache.put("put", b"\x00found\xff")
    assert await cache.get("put") == b"\x00found\xff"
    await cache.put("put", b"again")
    assert await cache.get("put") == b"again"
    assert cache.failures == 0


async def test_many_at_once_get_each_their_own(cache: MemoryCache | RedisCache) -> None:
    names = [f"many-{number}" for number in range(200)]
    await asyncio.gather(*(cache.put(name, name.encode()) for name in names))
    found = await asyncio.gather(*(cache.get(name) for name in names))
    assert found == [name.encode() for name in names]


async def test_a_get_that_is_given_up_leaves_its_answer_to_nobody_else(
    redis: RedisServer, fast: None
) -> None:
    async with open_redis_cache(redis.url, ttl_s=60, clock=MonotonicClock()) as cache:
        for number in range(50):
            await cache.put(f"own-{number}", str(number).encode())
        for number in range(50):
            given_up = asyncio.ensure_future(cache.get(f"own-{number}"))
            for _ in range(number % 5):
                await asyncio.sleep(0)
            given_up.cancel()
            await asyncio.gather(given_up, return_exceptions=True)
            assert await cache.get(f"own-{number}") == str(number).encode()


async def test_memory_forgets_when_the_time_is_over() -> None:
    clock = FakeClock()
    cache = MemoryCache(max_bytes=MIB, ttl_s=60, clock=clock)
    await cache.put("a", b"1")
    clock.advance(59)
    assert await cache.get("a") == b"1"
    clock.advance(2)
    assert await cache.get("a") is None


async def test_memory_is_bounded_in_bytes_and_keeps_what_was_used_last() -> None:
    cache = MemoryCache(max_bytes=10_000, ttl_s=60, clock=FakeClock())
    await cache.put("huge", bytes(20_000))
    assert await cache.get("huge") is None
    for number in range(8):
        await cache.put(f"{number}", bytes(1000))
        await cache.get("0")
    await cache.put("8", bytes(1000))
    assert await cache.get("0") is not None
    assert await cache.get("1") is None


async def test_memory_is_bounded_in_what_it_really_takes() -> None:
    tracemalloc.start()
    try:
        before, _ = tracemalloc.get_traced_memory()
        cache = MemoryCache(max_bytes=MIB, ttl_s=60, clock=FakeClock())
        for number in range(5000):
            await cache.put(f"{number:064d}", b"%0100d" % number)
        taken = tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()
    assert await cache.get(f"{4999:064d}") is not None
    assert taken < 1.1 * MIB


async def test_redis_forgets_when_the_time_is_over(redis: RedisServer, fast: None) -> None:
    async with open_redis_cache(redis.url, ttl_s=60, clock=MonotonicClock()) as cache:
        await cache.put("a", b"1")
    with redis.client() as client:
        assert 59_000 < client.pttl(redis_module.PREFIX + "a") <= 60_000


async def test_a_redis_that_is_away_is_left_alone_and_comes_back(
    redis: RedisServer, fast: None
) -> None:
    clock = FakeClock()
    with capture_logs() as logs:
        async with open_redis_cache(redis.url, ttl_s=60, clock=clock) as cache:
            await cache.put("a", b"1")
            redis.kill()
            try:
                for _ in range(10):
                    assert await cache.get("a") is None
                assert cache.failures == redis_module.FAILURES_IN_A_ROW
                clock.advance(redis_module.PAUSE_S + 1)
                assert await cache.get("a") is None
                assert await cache.get("a") is None
                assert cache.failures == redis_module.FAILURES_IN_A_ROW + 1
            finally:
                redis.start()
            assert await cache.get("a") is None  # it is still left alone
            clock.advance(redis_module.PAUSE_S + 1)
            await cache.put("a", b"2")
            assert await cache.get("a") == b"2"
    assert [line["event"] for line in logs] == [
        "the result cache does not answer",
        "the result cache answers again",
    ]


async def test_a_redis_that_hangs_costs_a_moment_and_then_nothing(redis: RedisServer) -> None:
    clock = FakeClock()
    async with open_redis_cache(redis.url, ttl_s=60, clock=clock) as cache:
        redis.stall()
        try:
            started_s = perf_counter()
            for _ in range(100):
                assert await cache.get("a") is None
            took_s = perf_counter() - started_s
        finally:
            redis.resume()
    # Three waits of 50 ms, with room for a busy machine; a hundred would be 5 s.
    assert 3 * redis_module.WAIT_S * 0.9 < took_s < 4


@pytest.mark.parametrize("url", ["redis://:wrong@127.0.0.1:{port}/0", "redis://127.0.0.1:{port}/0"])
async def test_a_wrong_password_is_a_cache_that_finds_nothing_and_is_not_told(
    redis: RedisServer, fast: None, url: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    wrong = url.format(port=redis.port)
    with capture_logs() as logs:
        async with open_redis_cache(wrong, ttl_s=60, clock=FakeClock()) as cache:
            for _ in range(5):
                assert await cache.get("a") is None
    assert len(logs) == 1
    assert "wrong" not in str(logs) + caplog.text
