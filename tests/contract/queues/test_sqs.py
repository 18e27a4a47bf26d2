"""What only SQS does: long polls, visibility, redrive. As far as moto does what SQS would."""

from __future__ import annotations

import asyncio
import json
import random
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from typing import Any

import pytest
from aiobotocore.session import get_session

from control_plane.adapters.queues.sqs import SqsOptions, SqsQueue
from control_plane.ports import MAX_MESSAGE_BYTES, QueueUnavailable
from tests.contract.queues.stage import ANY, HIGH, LOW, NORMAL, WAIT_S, ids, message, publish
from tests.servers.aws import AwsServer
from tests.servers.proxy import Proxy


@pytest.fixture
def options(aws: AwsServer) -> SqsOptions:
    return SqsOptions(
        prefix=aws.new_name("jobs"),
        region=aws.region,
        endpoint_url=aws.endpoint_url,
        create=True,
        delivery_limit=3,
        visibility_s=2,
        poll_s=1,
        timeout_s=20.0,
    )


def open_queue(aws: AwsServer, options: SqsOptions) -> SqsQueue:
    session = get_session()
    session.set_credentials(aws.access_key_id, aws.secret_access_key)
    return SqsQueue(options, random.Random(0), session)


@pytest.fixture
async def queue(aws: AwsServer, options: SqsOptions) -> AsyncIterator[SqsQueue]:
    async with open_queue(aws, options) as queue:
        yield queue


@pytest.fixture
async def broker(aws: AwsServer) -> AsyncIterator[Any]:
    """For what other services do there."""
    async with get_session().create_client(
        "sqs",
        region_name=aws.region,
        endpoint_url=aws.endpoint_url,
        aws_access_key_id=aws.access_key_id,
        aws_secret_access_key=aws.secret_access_key,
    ) as client:
        yield client


async def url_of(broker: Any, options: SqsOptions, name: str) -> str:
    answer = await broker.get_queue_url(QueueName=f"{options.prefix}-{name}")
    return str(answer["QueueUrl"])


async def test_queues_that_are_missing_are_made_with_a_redrive(
    queue: SqsQueue, broker: Any, options: SqsOptions
) -> None:
    await publish(queue, "a")
    dead = await url_of(broker, options, "dead")
    for name in ("high", "normal", "low"):
        url = await url_of(broker, options, name)
        found = await broker.get_queue_attributes(QueueUrl=url, AttributeNames=["All"])
        redrive = json.loads(found["Attributes"]["RedrivePolicy"])
        assert int(redrive["maxReceiveCount"]) == options.delivery_limit
        assert redrive["deadLetterTargetArn"].endswith(dead.rpartition("/")[2])


async def test_queues_that_are_there_stay_as_they_are(
    aws: AwsServer, queue: SqsQueue, options: SqsOptions
) -> None:
    await publish(queue, "a")
    async with open_queue(aws, replace(options, delivery_limit=7)) as other:
        assert ids(await other.take(ANY, wait_s=WAIT_S)) == ["a"]


async def test_queues_are_not_made_unless_that_is_wanted(
    aws: AwsServer, options: SqsOptions
) -> None:
    async with open_queue(aws, replace(options, create=False)) as queue:
        with pytest.raises(QueueUnavailable, match=r"get_queue_url with .*NonExistentQueue"):
            await queue.publish(message("a"))
        with pytest.raises(QueueUnavailable, match="NonExistentQueue"):
            await queue.take(ANY, wait_s=0.5)


@pytest.mark.parametrize(
    ("sent", "expected"),
    [
        ({}, ("{}", False)),
        ({"MessageBody": "ä" * MAX_MESSAGE_BYTES}, ("ä" * (MAX_MESSAGE_BYTES // 2), True)),
        (
            {
                "MessageAttributes": {
                    "tidegate-deliveries": {"DataType": "String", "StringValue": "many"},
                    "tidegate-priority": {"DataType": "Binary", "BinaryValue": b"\xff"},
                }
            },
            ("{}", False),
        ),
    ],
)
async def test_messages_of_others_are_taken_whatever_they_are(
    queue: SqsQueue,
    broker: Any,
    options: SqsOptions,
    sent: dict[str, Any],
    expected: tuple[str, bool],
) -> None:
    await queue.depths()
    low = await url_of(broker, options, "low")
    answer = await broker.send_message(QueueUrl=low, **{"MessageBody": "{}", **sent})

    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    # The broker's own id, where its sender gave none.
    assert (taken.priority, taken.message_id) == (LOW, answer["MessageId"])
    assert (taken.body.decode(), taken.is_cut) == expected
    # A retry is the same message, and not a new one.
    await queue.settle(taken, retry_in_s=0.0)
    (again,) = await queue.take(ANY, wait_s=WAIT_S)
    assert again == replace(taken, deliveries=2)


async def test_a_wait_that_is_longer_than_a_delay_can_be_is_cut(
    queue: SqsQueue, broker: Any, options: SqsOptions
) -> None:
    await publish(queue, "a", priority=HIGH)
    (taken,) = await queue.take(ANY, wait_s=WAIT_S)
    await queue.settle(taken, retry_in_s=100_000.0)
    assert await queue.take(ANY, wait_s=options.visibility_s + 0.5) == ()
    assert (await queue.depths())[HIGH] == 1
    url = await url_of(broker, options, "high")
    name = "ApproximateNumberOfMessagesDelayed"
    found = await broker.get_queue_attributes(QueueUrl=url, AttributeNames=[name])
    assert found["Attributes"][name] == "1"


async def test_a_dead_letter_of_others_has_the_priority_of_its_queue(
    queue: SqsQueue, broker: Any, options: SqsOptions
) -> None:
    await publish(queue, "first")
    dead = await url_of(broker, options, "dead")
    attributes = {"tidegate-priority": {"DataType": "String", "StringValue": "low"}}
    await broker.send_message(QueueUrl=dead, MessageBody="1", MessageAttributes=attributes)
    await broker.send_message(QueueUrl=dead, MessageBody="2")
    found = {}
    while len(found) < 3:
        for one in await queue.take({NORMAL: 3}, wait_s=WAIT_S):
            found[one.body] = (one.priority, one.is_dead)
    assert found == {b"{}": (NORMAL, False), b"1": (LOW, True), b"2": (NORMAL, True)}


@pytest.fixture
def proxy(aws: AwsServer) -> Iterator[Proxy]:
    with Proxy(aws.port) as proxy:
        yield proxy


async def test_what_is_away_for_a_while_comes_back(
    aws: AwsServer, proxy: Proxy, options: SqsOptions
) -> None:
    """In words of ours: SQS's own tell who asked."""
    away = replace(options, endpoint_url=f"http://127.0.0.1:{proxy.port}", timeout_s=3.0)
    async with open_queue(aws, away) as queue:
        await publish(queue, "a")
        proxy.refuse()
        proxy.cut()
        with pytest.raises(QueueUnavailable) as publishing:
            await queue.publish(message("b"))
        with pytest.raises(QueueUnavailable) as taking:
            await queue.take(ANY, wait_s=7.0)
        for caught in (publishing, taking):
            text = f"{caught.value} {queue!r}"
            assert aws.secret_access_key not in text
            assert aws.access_key_id not in text
        proxy.accept()
        async with asyncio.timeout(30.0):
            while True:
                try:
                    if found := await queue.take(ANY, wait_s=1.0):
                        break
                except QueueUnavailable:
                    await asyncio.sleep(0.1)
        assert ids(found) == ["a"]


async def test_what_is_closed_is_closed(aws: AwsServer, options: SqsOptions) -> None:
    queue = open_queue(aws, options)
    await publish(queue, "a", "b")
    held = await queue.take({NORMAL: 1}, wait_s=WAIT_S)
    await queue.aclose()
    for attempt in (queue.take(ANY, wait_s=0.1), queue.publish(message("c"))):
        with pytest.raises(QueueUnavailable, match="closed"):
            await attempt
    # What was in hand, and what was fetched ahead, somebody else has at once.
    async with open_queue(aws, options) as other:
        found: list[str | None] = []
        while len(found) < 2:
            found += ids(await other.take(ANY, wait_s=WAIT_S))
    assert sorted(map(str, found)) == ["a", "b"]
    assert held
