"""Messages as they are on the wire to and from SQS, and its errors in our words.

A retry is a copy with the message's id and how often it has been handed out in attributes of
ours. So SQS's own count, which its redrive is about, begins anew with each copy: it counts
workers that died with the message, not attempts of a job.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
)

from control_plane.core.detections import Priority
from control_plane.core.printable import printable
from control_plane.core.tracing import CARRIERS
from control_plane.core.tracing.xray import HEADER as XRAY
from control_plane.ports import MAX_MESSAGE_BYTES, Delivery, Message

ID = "tidegate-message-id"
PRIORITY = "tidegate-priority"
DELIVERIES = "tidegate-deliveries"
CUT = "tidegate-cut"
TRACE = "AWSTraceHeader"
"""Where SQS itself carries the header of X-Ray."""
SYSTEM_ATTRIBUTES = ["ApproximateReceiveCount", "DeadLetterQueueSourceArn", TRACE]
ATTRIBUTES = [ID, PRIORITY, DELIVERIES, CUT, *sorted(CARRIERS)]
MOST_CARRIED = 1024
"""Characters of a header of the sender's trace."""

Wire = dict[str, Any]


@dataclass(eq=False)
class Held:
    """A message that is invisible to others for as long as it is held."""

    queue: str
    receipt: str
    is_settled: bool = False


def order_of(message: Message) -> Wire:
    return {
        "MessageBody": _text(message.body),
        "MessageAttributes": _attributes(
            {ID: message.message_id, PRIORITY: message.priority.value}
        ),
    }


def copy_of(delivery: Delivery, *, is_counted: bool) -> Wire:
    """The message, to be delivered again. is_counted: whether the delivery was one."""
    attributes = {
        **delivery.carried,
        PRIORITY: delivery.priority.value,
        DELIVERIES: str(delivery.deliveries - (0 if is_counted else 1)),
    }
    if delivery.message_id is not None:
        attributes[ID] = delivery.message_id
    if delivery.is_cut:
        attributes[CUT] = "true"
    return {
        "MessageBody": _text(delivery.body),
        "MessageAttributes": _attributes(attributes),
    }


def read_delivery(wire: Wire, *, queue: str, priority: Priority | None) -> Delivery:
    """Whoever sent it: nothing in a message can make this fail.

    priority: of the queue; None for the queue of dead letters.
    """
    named: Wire = wire.get("MessageAttributes", {})
    own: Wire = wire.get("Attributes", {})
    body = wire.get("Body", "").encode(errors="replace")
    return Delivery(
        priority or _priority_of_dead(named, own),
        body[:MAX_MESSAGE_BYTES],
        message_id=_value(named, ID) or wire.get("MessageId"),
        deliveries=_count(_value(named, DELIVERIES))
        + max(1, _count(own.get("ApproximateReceiveCount"))),
        is_dead=priority is None,
        is_cut=len(body) > MAX_MESSAGE_BYTES or _value(named, CUT) is not None,
        carried=_carried(named, own),
        receipt=Held(queue, wire["ReceiptHandle"]),
    )


def _carried(named: Wire, own: Wire) -> dict[str, str]:
    """What there is of the sender's trace."""
    found = {name: _value(named, name) for name in CARRIERS}
    found[XRAY] = found[XRAY] or own.get(TRACE)
    return {name: text for name, text in found.items() if text and len(text) <= MOST_CARRIED}


def _priority_of_dead(named: Wire, own: Wire) -> Priority:
    came_from = str(own.get("DeadLetterQueueSourceArn", "")).rpartition("-")[2]
    for value in (_value(named, PRIORITY), came_from):
        if value in set(Priority):
            return Priority(value)
    return Priority.NORMAL


def _text(body: bytes) -> str:
    # SQS takes text. What was cut may end in half a character.
    return body.decode(errors="replace")


def _attributes(values: Mapping[str, str]) -> Wire:
    return {
        name: {"DataType": "String", "StringValue": value}
        for name, value in values.items()
        if value
    }


def _value(attributes: Wire, name: str) -> str | None:
    value = attributes.get(name, {}).get("StringValue")
    return value if isinstance(value, str) else None


def _count(value: object) -> int:
    text = str(value)
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else 0


def words_of(error: BaseException, asked: str) -> str:
    """Never what SQS says in full: it quotes the request, with who asked."""
    if isinstance(error, ClientError):
        code = printable(str(error.response.get("Error", {}).get("Code", "an error")))
        return f"SQS answered {asked} with {code}"
    if isinstance(error, BotoCoreError):
        return f"SQS could not be asked to {asked}: {type(error).__name__}"
    return f"SQS did not answer {asked} in time"
