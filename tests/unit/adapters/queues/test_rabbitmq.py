"""What in RabbitMQ's queue needs no broker to be tried."""

from __future__ import annotations

import asyncio
from random import Random
from types import SimpleNamespace
from typing import Any, cast

import pytest
from pamqp import decode, encode

from control_plane.adapters.queues.rabbitmq import RabbitmqQueue
from control_plane.adapters.queues.rabbitmq_link import RabbitmqOptions
from control_plane.adapters.queues.rabbitmq_messages import copy_of, read_delivery
from control_plane.core.detections import Priority
from tests.unit.virtual_time import run_virtually


@pytest.mark.parametrize("count", [2**63 - 1, -(2**63)])
def test_a_count_that_somebody_made_up_can_be_sent_on(count: int) -> None:
    headers = {"tidegate-deliveries": count, "x-delivery-count": count}
    message: Any = SimpleNamespace(
        header=SimpleNamespace(properties=SimpleNamespace(headers=headers, message_id="a")),
        body=b"{}",
        channel=SimpleNamespace(is_closed=False),
        delivery_tag=1,
    )
    taken = read_delivery(message, priority=Priority.LOW, is_dead=False, source=cast(Any, None))
    wire = encode.field_table(copy_of(taken, is_counted=True).headers)
    assert decode.field_table(wire)[1]["tidegate-deliveries"] == taken.deliveries > 0


def test_the_senders_trace_is_read_and_kept_by_copies() -> None:
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    headers = {"Traceparent": parent, "tracestate": "x" * 1025, "x-amzn-trace-id": 7, "other": "a"}
    message: Any = SimpleNamespace(
        header=SimpleNamespace(properties=SimpleNamespace(headers=headers, message_id="a")),
        body=b"{}",
        channel=SimpleNamespace(is_closed=False),
        delivery_tag=1,
    )
    taken = read_delivery(message, priority=Priority.LOW, is_dead=False, source=cast(Any, None))

    assert taken.carried == {"traceparent": parent}
    assert copy_of(taken, is_counted=True).headers["traceparent"] == parent


def test_an_oddity_in_giving_back_does_not_end_the_queue() -> None:
    async def main() -> None:
        queue = RabbitmqQueue(RabbitmqOptions("amqp://nowhere/", idle_s=1.0), Random(0))
        tries = 0

        async def broken() -> None:
            nonlocal tries
            tries += 1
            raise RuntimeError("a bug")

        queue._give_back = broken  # type: ignore[method-assign]
        watching = asyncio.create_task(queue._watch_idleness())
        await asyncio.sleep(5.0)
        assert not watching.done()
        assert tries > 5
        watching.cancel()
        await asyncio.gather(watching, return_exceptions=True)

    run_virtually(main())
