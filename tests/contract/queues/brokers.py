"""The brokers that the suite is held against, each a real server."""

from __future__ import annotations

import random
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest
from aiobotocore.session import get_session

from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.ports import JobQueue
from tests.contract.queues.stage import Stage
from tests.servers.aws import AwsServer
from tests.servers.rabbitmq import RabbitmqServer

MAX_DELIVERIES = 3
# For what a busy machine answers late. No test here waits for it to run out.
TIMEOUT_S = 20.0


@asynccontextmanager
async def on_rabbitmq(request: pytest.FixtureRequest, folder: Path) -> AsyncIterator[Stage]:
    del folder
    server: RabbitmqServer = request.getfixturevalue("rabbitmq")
    options = RabbitmqOptions(
        server.url(),
        prefix=server.new_prefix(),
        delivery_limit=MAX_DELIVERIES,
        longest_retry_s=60.0,
        timeout_s=TIMEOUT_S,
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
        poll_s=1,
        timeout_s=TIMEOUT_S,
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
            is_once=False,
        )
