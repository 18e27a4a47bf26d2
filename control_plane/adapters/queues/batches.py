"""Writes that are confirmed together: what comes while one is under way goes into the next.

A single write waits for nobody; of many at once, each transaction takes all that are there.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

from control_plane.ports import QueueUnavailable

Item = TypeVar("Item")


class Batches(Generic[Item]):
    """apply: writes some items, all or none; raises QueueUnavailable. most: of one batch."""

    def __init__(self, apply: Callable[[Sequence[Item]], Awaitable[None]], *, most: int) -> None:
        self._apply = apply
        self._most = most
        self._waiting: list[tuple[Item, asyncio.Future[None]]] = []
        self._writing: asyncio.Task[None] | None = None

    async def write(self, item: Item) -> None:
        """Returns once it is written. Cancelled, it may be written nevertheless.

        Raises QueueUnavailable.
        """
        written: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((item, written))
        if self._writing is None or self._writing.done():
            # For all who wait, so without the ids of the first.
            self._writing = asyncio.create_task(self._write_all(), context=contextvars.Context())
        await written

    async def drained(self) -> None:
        """Once nothing is under way any more."""
        if self._writing is not None:
            await asyncio.wait([self._writing])

    async def _write_all(self) -> None:
        batch: list[tuple[Item, asyncio.Future[None]]] = []
        try:
            while self._waiting:
                batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
                await self._write(batch)
        finally:
            # Stopped in the middle: nobody must wait for what will never be said.
            for _, written in batch + self._waiting:
                written.cancel()

    async def _write(self, batch: Sequence[tuple[Item, asyncio.Future[None]]]) -> None:
        error: Exception | None = None
        try:
            await self._apply([item for item, _ in batch])
        except Exception as caught:  # raised where each was asked for
            error = caught
        for _, written in batch:
            if written.done():
                continue
            if error is None:
                written.set_result(None)
            elif isinstance(error, QueueUnavailable):
                # One of its own for each who waits: each adds to its traceback.
                written.set_exception(QueueUnavailable(*error.args))
            else:
                written.set_exception(error)
