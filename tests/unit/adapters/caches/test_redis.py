"""When a Redis is left alone: after failures in a row, and one is not a row."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.adapters.caches import redis as module
from control_plane.adapters.caches.redis import RedisCache
from tests.unit.fakes import FakeClock
from tests.unit.virtual_time import run_virtually


class FlakyRedis:
    """Fails when it is told to. asked: how often it was asked."""

    def __init__(self) -> None:
        self.fails = False
        self.hangs = False
        self.asked = 0

    async def get(self, key: str) -> bytes:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.fails:
            raise ConnectionError("away")
        return key.encode()


def make_cache() -> tuple[RedisCache, FlakyRedis, FakeClock]:
    client, clock = FlakyRedis(), FakeClock()
    return RedisCache(client, ttl_s=60, clock=clock), client, clock


async def test_single_failures_do_not_switch_it_off() -> None:
    cache, client, _ = make_cache()
    for _ in range(10):
        client.fails = True
        for _ in range(module.FAILURES_IN_A_ROW - 1):
            assert await cache.get("a") is None
        client.fails = False
        assert await cache.get("a") is not None
    assert client.asked == 10 * module.FAILURES_IN_A_ROW


async def test_failures_in_a_row_switch_it_off_for_a_while() -> None:
    cache, client, clock = make_cache()
    client.fails = True
    for _ in range(10):
        await cache.get("a")
    assert client.asked == cache.failures == module.FAILURES_IN_A_ROW
    clock.advance(module.PAUSE_S)
    await cache.get("a")
    await cache.get("a")
    assert client.asked == module.FAILURES_IN_A_ROW + 1


def test_it_is_waited_for_a_moment() -> None:
    async def main() -> float:
        cache, client, _ = make_cache()
        client.hangs = True
        assert await cache.get("a") is None
        assert cache.failures == 1
        return asyncio.get_running_loop().time()

    assert run_virtually(main()) == pytest.approx(module.WAIT_S)


async def test_who_goes_away_while_it_is_asked_is_not_held_and_is_no_failure() -> None:
    cache, client, _ = make_cache()
    client.hangs = True
    asked = asyncio.ensure_future(cache.get("a"))
    await asyncio.sleep(0)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked
    assert cache.failures == 0
