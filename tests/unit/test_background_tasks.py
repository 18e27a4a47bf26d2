"""What runs on after the request that set it going says nothing of that request in the log."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing, suppress
from random import Random
from typing import Any

import pytest
import structlog
from aiobotocore.session import get_session
from structlog.contextvars import bound_contextvars, merge_contextvars
from structlog.testing import LogCapture

from control_plane.adapters.queues.batches import Batches
from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.core.detections import Priority
from control_plane.ports import Message, QueueUnavailable
from control_plane.services.jobs.depths import QueueDepths
from control_plane.services.jobs.watching import Watching
from tests.unit.services.jobs.site import Site, submission

MESSAGE = Message("m-1", Priority.NORMAL, b"{}")
NOWHERE = "127.0.0.1:1"


async def until(is_true: Callable[[], bool]) -> None:
    async with asyncio.timeout(10.0):
        while not is_true():  # noqa: ASYNC110 -- a socket tells nobody
            await asyncio.sleep(0.01)


async def rabbitmq_link() -> None:
    async with RabbitmqQueue(
        RabbitmqOptions(f"amqp://nobody:nothing@{NOWHERE}/", timeout_s=0.3), Random(0)
    ) as queue:
        with suppress(QueueUnavailable):
            await queue.publish(MESSAGE)
        await until(lambda: queue._link.has_failed)


async def sqs_receivers() -> None:
    session = get_session()
    session.set_credentials("key", "secret")
    options = SqsOptions(region="eu-central-1", endpoint_url=f"http://{NOWHERE}", timeout_s=0.5)
    async with SqsQueue(options, Random(0), session) as queue:
        with suppress(QueueUnavailable):
            await queue.take({Priority.NORMAL: 1}, wait_s=0.1)
        await until(lambda: queue._trouble is not None)


async def sql_batches() -> None:
    async def apply(items: Sequence[str]) -> None:
        structlog.get_logger().warning("written together", items=items)

    await Batches[str](apply, most=10).write("an item")


async def job_watching() -> None:
    site = Site()
    job = await site.intake().submit(submission())
    async with aclosing(Watching(store=site.store, upkeep=site.store).changes(job.job_id)) as seen:
        await anext(seen)
        site.store.faults.is_away = True
        with suppress(TimeoutError):
            async with asyncio.timeout(0.5):
                await anext(seen)


async def queue_depths() -> None:
    site = Site()
    site.queue.faults.is_away = True
    with suppress(QueueUnavailable):
        await QueueDepths(site.queue).read()
    await asyncio.sleep(0)


@pytest.mark.parametrize(
    ("work", "event"),
    [
        (rabbitmq_link, "the queue is not reached"),
        (sqs_receivers, "the queue is not reached"),
        (sql_batches, "written together"),
        (job_watching, "jobs that are watched are not seen"),
        (queue_depths, "the queue is away"),
    ],
)
async def test_its_lines_have_no_ids(work: Callable[[], Awaitable[None]], event: str) -> None:
    before, lines = structlog.get_config(), LogCapture()
    structlog.configure(processors=[merge_contextvars, lines])
    try:
        with bound_contextvars(correlation_id="of-a-request"):
            structlog.get_logger().info("in the request")
            await work()
    finally:
        structlog.configure(**before)
    told: list[Any] = [one for one in lines.entries if one["event"] == event]
    assert lines.entries[0]["correlation_id"] == "of-a-request"
    assert told
    assert not [one for one in told if "correlation_id" in one]
