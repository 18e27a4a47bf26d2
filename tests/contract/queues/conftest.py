"""Every queue that there is, held to the same promises. A new one is another entry in KINDS."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path

import pytest
from aiobotocore.session import get_session

from control_plane.adapters.queues import MemoryQueue
from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.ports import JobQueue
from tests.contract.queues.stage import Stage
from tests.servers.aws import AwsServer
from tests.servers.rabbitmq import RabbitmqServer

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


@asynccontextmanager
async def on_rabbitmq(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
    del folder
    server: RabbitmqServer = request.getfixturevalue("rabbitmq")
    options = RabbitmqOptions(
        server.url(),
        prefix=server.new_prefix(),
        delivery_limit=MAX_DELIVERIES,
        longest_retry_s=60.0,
        idle_s=1.0,
    )

    def another() -> RabbitmqQueue:
        return RabbitmqQueue(options, random.Random(0))

    async def crash(lost: JobQueue) -> None:
        assert isinstance(lost, RabbitmqQueue)
        await lost.abandon()

    async with another() as queue:
        yield Stage(
            queue,
            another,
            crash,
            held_s=1.0,
            redelivered_s=3.0,
            max_deliveries=MAX_DELIVERIES,
            is_exact=False,
        )


@asynccontextmanager
async def on_sqs(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
    del folder
    server: AwsServer = request.getfixturevalue("aws")
    options = SqsOptions(
        prefix=server.new_name("jobs"),
        region=server.region,
        endpoint_url=server.endpoint_url,
        create=True,
        delivery_limit=MAX_DELIVERIES,
        visibility_s=2,
        prefetch=8,
        poll_s=1,
        idle_s=1.0,
    )

    def another() -> SqsQueue:
        session = get_session()
        session.set_credentials(server.access_key_id, server.secret_access_key)
        return SqsQueue(options, random.Random(0), session)

    async def crash(lost: JobQueue) -> None:
        assert isinstance(lost, SqsQueue)
        await lost.abandon()

    async with another() as queue:
        yield Stage(
            queue,
            another,
            crash,
            held_s=2.6,
            redelivered_s=6.0,
            max_deliveries=MAX_DELIVERIES,
            is_exact=False,
        )


KINDS: dict[str, Callable[[pytest.FixtureRequest, Path], AbstractAsyncContextManager[Stage]]] = {
    "memory": in_memory,
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
