"""Every queue that there is, held to the same promises. A new one is another entry in KINDS."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest

from control_plane.adapters.queues import MemoryQueue, SqlQueue
from control_plane.adapters.stores import open_store
from control_plane.ports import JobQueue
from tests.contract.queues.brokers import on_rabbitmq, on_sqs
from tests.contract.queues.stage import Stage

MAX_DELIVERIES = 3
LEASE_S = 2.0

Kind = Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Stage]]


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


def in_database(kind: str) -> Kind:
    @asynccontextmanager
    async def opened(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
        location = (
            folder / "state.db"
            if kind == "sqlite"
            else request.getfixturevalue("postgres").new_database()
        )

        @asynccontextmanager
        async def another() -> AsyncIterator[SqlQueue]:
            async with (
                open_store(location, timeout_s=20.0) as store,
                SqlQueue(store.database, lease_s=LEASE_S, max_deliveries=MAX_DELIVERIES) as queue,
            ):
                yield queue

        async with another() as queue:
            yield Stage(
                queue,
                another,
                die,
                held_s=2.5 * LEASE_S,
                redelivered_s=LEASE_S + 2.0,
                max_deliveries=MAX_DELIVERIES,
            )

    return opened


async def die(queue: JobQueue) -> None:
    """It keeps nothing alive any more, and gives nothing back."""
    assert isinstance(queue, SqlQueue)
    if queue._renewing is not None:
        queue._renewing.cancel()
        await asyncio.wait([queue._renewing])
        queue._renewing = None
    queue._in_hand.clear()


KINDS: dict[str, Kind] = {
    "memory": in_memory,
    "sqlite": in_database("sqlite"),
    "postgres": in_database("postgres"),
    "rabbitmq": on_rabbitmq,
    "sqs": on_sqs,
}


@pytest.fixture(params=list(KINDS))
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    async with KINDS[request.param](request, tmp_path) as stage:
        yield stage


@pytest.fixture
def queue(stage: Stage) -> JobQueue:
    return stage.queue
