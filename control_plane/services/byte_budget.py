"""How many bytes of messages may be held at once; who finds no room waits for it, in turn."""

from __future__ import annotations

import asyncio


class ByteBudget:
    """Room for ``limit_bytes``. A message larger than that passes when nothing else is held."""

    def __init__(self, limit_bytes: int) -> None:
        self._limit_bytes = limit_bytes
        self._held_bytes = 0
        self._turn = asyncio.Lock()
        self._has_room = asyncio.Event()

    def __repr__(self) -> str:
        return f"<ByteBudget {self._held_bytes} of {self._limit_bytes}>"

    async def take(self, size: int) -> None:
        """Returns once there is room for ``size`` bytes, which then count as held."""
        async with self._turn:  # the first to come is the first served, however large it is
            while self._held_bytes and self._held_bytes + size > self._limit_bytes:
                self._has_room.clear()
                await self._has_room.wait()
            self._held_bytes += size

    def give_back(self, size: int) -> None:
        self._held_bytes -= size
        self._has_room.set()
