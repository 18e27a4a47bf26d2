"""The result cache that the settings name, if any."""

from __future__ import annotations

from contextlib import AsyncExitStack

from control_plane.adapters.caches import MemoryCache, open_redis_cache
from control_plane.ports import Clock, ResultCache
from control_plane.services.result_cache import ResultReuse
from control_plane.settings import Settings


async def open_reuse(settings: Settings, stack: AsyncExitStack, clock: Clock) -> ResultReuse | None:
    """None where every photo is to be looked at, also those that come at once."""
    cache = settings.cache
    if cache.kind == "off":
        return None
    kept: ResultCache = MemoryCache(max_bytes=cache.max_bytes, ttl_s=cache.ttl_s, clock=clock)
    if cache.kind == "redis" and cache.url is not None:
        kept = await stack.enter_async_context(
            open_redis_cache(cache.url.get_secret_value(), ttl_s=cache.ttl_s, clock=clock)
        )
    return ResultReuse(kept, clock)
