"""Results in this process's memory: what was used last stays, within bytes and a time to live."""

from __future__ import annotations

from cachetools import TTLCache

from control_plane.ports import Clock

OVERHEAD_BYTES = 500
"""Of an entry, besides its key and value: the objects and links that hold it, as measured."""


class MemoryCache:
    """max_bytes: of keys, values and what holds them, together."""

    def __init__(self, *, max_bytes: int, ttl_s: float, clock: Clock) -> None:
        self._max_bytes = max_bytes
        self._kept: TTLCache[str, tuple[str, bytes]] = TTLCache(
            maxsize=max_bytes,
            ttl=ttl_s,
            timer=clock.now_s,
            getsizeof=lambda entry: _size(*entry),
        )

    def __repr__(self) -> str:
        return f"<MemoryCache {self._kept.currsize:g} of {self._max_bytes} bytes>"

    @property
    def failures(self) -> int:
        return 0

    async def get(self, key: str) -> bytes | None:
        entry = self._kept.get(key)
        return None if entry is None else entry[1]

    async def put(self, key: str, value: bytes) -> None:
        if _size(key, value) <= self._max_bytes:
            self._kept[key] = (key, value)


def _size(key: str, value: bytes) -> int:
    return len(key) + len(value) + OVERHEAD_BYTES
