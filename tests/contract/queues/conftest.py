"""Every queue that there is, held to the same promises. A new one is another entry in KINDS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from control_plane.adapters.queues import MemoryQueue
from control_plane.ports import JobQueue
from tests.contract.queues.stage import Stage

MAX_DELIVERIES = 3


class LoopClock:
    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


@asynccontextmanager
async def in_memory(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
    async def crash(lost: JobQueue) -> None:
        assert isinstance(lost, MemoryQueue)
        await lost.aclose()

    async with MemoryQueue(LoopClock(), max_deliveries=MAX_DELIVERIES) as queue:
        yield Stage(
            queue,
            queue.another,
            crash,
            held_s=0.1,
            redelivered_s=1.0,
            max_deliveries=MAX_DELIVERIES,
        )


KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Stage]]] = {
    "memory": in_memory,
}


@pytest.fixture(params=list(KINDS))
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with KINDS[request.param](request, tmp_path) as stage:
        yield stage


@pytest.fixture
def queue(stage: Stage) -> JobQueue:
    return stage.queue
