from __future__ import annotations

from typing import Any

import pytest
from botocore.exceptions import ClientError, EndpointConnectionError

from control_plane.adapters.queues.sqs_messages import copy_of, order_of, read_delivery, words_of
from control_plane.core.detections import Priority
from control_plane.ports import Delivery, Message


def sent(wire: dict[str, Any], **more: Any) -> dict[str, Any]:
    """As SQS hands out what was sent."""
    return {
        "Body": wire["MessageBody"],
        "MessageAttributes": wire["MessageAttributes"],
        "MessageId": "theirs",
        "ReceiptHandle": "r",
        **more,
    }


def test_an_order_is_read_as_it_was() -> None:
    wire = sent(order_of(Message("a.0", Priority.LOW, "{ä}".encode())))
    delivery = read_delivery(wire, queue="low", priority=Priority.LOW)
    assert delivery == Delivery(Priority.LOW, "{ä}".encode(), message_id="a.0")


@pytest.mark.parametrize(("is_counted", "deliveries"), [(True, 5), (False, 4)])
def test_a_copy_goes_on_counting(is_counted: bool, deliveries: int) -> None:
    first = Delivery(Priority.HIGH, b"{}", message_id="a", deliveries=4, is_cut=True)
    wire = sent(copy_of(first, is_counted=is_counted), Attributes={"ApproximateReceiveCount": "1"})
    again = read_delivery(wire, queue="high", priority=Priority.HIGH)
    assert (again.deliveries, again.is_cut, again.message_id) == (deliveries, True, "a")


@pytest.mark.parametrize(
    ("attributes", "own", "priority"),
    [
        ({"tidegate-priority": {"StringValue": "low"}}, {}, Priority.LOW),
        ({}, {"DeadLetterQueueSourceArn": "arn:aws:sqs:eu:1:a-b-high"}, Priority.HIGH),
        ({"tidegate-priority": {"StringValue": "urgent"}}, {}, Priority.NORMAL),
        ({"tidegate-priority": {}}, {"DeadLetterQueueSourceArn": 7}, Priority.NORMAL),
    ],
)
def test_a_dead_letter_is_of_the_priority_that_it_had(
    attributes: dict[str, Any], own: dict[str, Any], priority: Priority
) -> None:
    wire = {"Body": "", "ReceiptHandle": "r", "MessageAttributes": attributes, "Attributes": own}
    delivery = read_delivery(wire, queue="dead", priority=None)
    assert (delivery.priority, delivery.is_dead, delivery.message_id) == (priority, True, None)


@pytest.mark.parametrize("count", ["", "x", "-1", "9" * 30, "²", None])
def test_a_count_that_is_none_counts_as_one(count: object) -> None:
    wire = {"Body": "x", "ReceiptHandle": "r", "Attributes": {"ApproximateReceiveCount": count}}
    assert read_delivery(wire, queue="low", priority=Priority.LOW).deliveries == 1


PARENT = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
ROOT = "Root=1-5759e988-bd862e3fe1be46a994272793"


@pytest.mark.parametrize(
    ("attributes", "own", "carried"),
    [
        (
            {"traceparent": PARENT, "tracestate": "a=1"},
            {},
            {"traceparent": PARENT, "tracestate": "a=1"},
        ),
        ({}, {"AWSTraceHeader": ROOT}, {"x-amzn-trace-id": ROOT}),
        ({"x-amzn-trace-id": "own"}, {"AWSTraceHeader": ROOT}, {"x-amzn-trace-id": "own"}),
        ({"traceparent": "x" * 1025, "other": "a"}, {}, {}),
    ],
)
def test_the_senders_trace_is_read_and_kept_by_copies(
    attributes: dict[str, str], own: dict[str, str], carried: dict[str, str]
) -> None:
    named = {name: {"StringValue": value} for name, value in attributes.items()}
    wire = {"Body": "", "ReceiptHandle": "r", "MessageAttributes": named, "Attributes": own}
    delivery = read_delivery(wire, queue="low", priority=Priority.LOW)

    assert delivery.carried == carried
    again = sent(copy_of(delivery, is_counted=True))
    assert read_delivery(again, queue="low", priority=Priority.LOW).carried == carried


def test_an_error_is_told_without_who_asked() -> None:
    refused = ClientError(
        {"Error": {"Code": "AccessDenied", "Message": "User AKIAX with hunter2"}}, "SendMessage"
    )
    unreached = EndpointConnectionError(endpoint_url="http://ann:hunter2@sqs")
    for error in (refused, unreached, TimeoutError()):
        words = words_of(error, "send_message")
        assert "SQS" in words
        assert "hunter2" not in words
        assert "AKIAX" not in words
