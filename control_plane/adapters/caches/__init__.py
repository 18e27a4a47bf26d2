"""Where results are kept for a while: this process's memory, or a Redis that several share."""

from control_plane.adapters.caches.memory import MemoryCache
from control_plane.adapters.caches.redis import RedisCache, open_redis_cache

__all__ = ["MemoryCache", "RedisCache", "open_redis_cache"]
