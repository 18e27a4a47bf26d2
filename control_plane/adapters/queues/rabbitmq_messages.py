"""Messages as they are on the wire to and from RabbitMQ.

A retry is a copy with the message's id, how often it has been handed out, and whether the broker
has given it up, in headers of ours. So the broker's own count, which its delivery limit is about,
begins anew with each copy: it counts workers that died with the message, not attempts of a job.
"""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

import aio_pika
from aiormq.abc import AbstractChannel, DeliveredMessage

from control_plane.core.detections import Priority
from control_plane.core.tracing import CARRIERS
from control_plane.ports import MAX_MESSAGE_BYTES, Delivery, Message

ID = "tidegate-message-id"
DELIVERIES = "tidegate-deliveries"
DEAD = "tidegate-dead"
CUT = "tidegate-cut"
# More than any message ever was: what somebody writes there must fit on the wire again, with one.
MOST_DELIVERIES = 1_000_000_000
MOST_CARRIED = 1024
"""Characters of a header of the sender's trace."""
# The broker's: how often it has delivered this message in vain.
BROKER_COUNT = "x-delivery-count"


class Source(Protocol):
    """Where a message came from, and what its end is told to."""

    async def acknowledge(self, held: Held, *, is_requeued: bool = False) -> None: ...


@dataclass(eq=False)
class Held:
    """A message that the broker waits to hear of. It is void once its channel is closed.

    The channel is that of the delivery itself: a tag must never be used on another one.
    """

    channel: AbstractChannel
    tag: int
    source: Source
    is_settled: bool = False

    @property
    def is_void(self) -> bool:
        return self.channel.is_closed


def order_of(message: Message, *, wire_id: str | None = None) -> aio_pika.Message:
    """wire_id: instead of the message's id, which then is in a header."""
    headers = {} if wire_id is None else {ID: message.message_id}
    return _persistent(message.body, wire_id or message.message_id, headers)


def copy_of(delivery: Delivery, *, is_counted: bool) -> aio_pika.Message:
    """The message, to be delivered again.

    is_counted: whether the delivery was one; it was not if nobody took it.
    """
    headers: dict[str, str | int | bool] = {
        **delivery.carried,
        DELIVERIES: delivery.deliveries - (0 if is_counted else 1),
    }
    if delivery.message_id is not None:
        headers[ID] = delivery.message_id
    if delivery.is_dead:
        headers[DEAD] = True
    if delivery.is_cut:
        headers[CUT] = True
    return _persistent(delivery.body, uuid.uuid4().hex, headers)


def _persistent(
    body: bytes, wire_id: str, headers: Mapping[str, str | int | bool]
) -> aio_pika.Message:
    return aio_pika.Message(
        body,
        message_id=wire_id,
        headers=dict(headers),
        content_type="application/json",
        delivery_mode=aio_pika.DeliveryMode.PERSISTENT,
    )


def read_delivery(
    message: DeliveredMessage, *, priority: Priority, is_dead: bool, source: Source
) -> Delivery:
    """Whoever sent it: nothing in a message can make this fail.

    One without an id is given one, which its copies keep: each retry would be another job else.
    """
    properties = message.header.properties
    headers = properties.headers or {}
    named = headers.get(ID)
    message_id = named if isinstance(named, str) else properties.message_id
    earlier = _count(headers.get(DELIVERIES)) + _count(headers.get(BROKER_COUNT))
    return Delivery(
        priority,
        message.body[:MAX_MESSAGE_BYTES],
        message_id=message_id or uuid.uuid4().hex,
        deliveries=earlier + 1,
        is_dead=is_dead or headers.get(DEAD) is True,
        is_cut=len(message.body) > MAX_MESSAGE_BYTES or headers.get(CUT) is True,
        carried=_carried(headers),
        # Only what was fetched without acknowledgement has no tag.
        receipt=Held(message.channel, message.delivery_tag or 0, source),
    )


def priority_of_dead(message: DeliveredMessage) -> Priority:
    """Dead letters keep the routing key that they came with."""
    try:
        return Priority(message.routing_key or "")
    except ValueError:
        return Priority.NORMAL


def _carried(headers: Mapping[str, object]) -> dict[str, str]:
    """What there is of the sender's trace."""
    return {
        lower: value
        for name, value in headers.items()
        if (lower := name.lower()) in CARRIERS
        and isinstance(value, str)
        and len(value) <= MOST_CARRIED
    }


def _count(value: object) -> int:
    if isinstance(value, bool) or not isinstance(value, int):
        return 0
    return min(max(0, value), MOST_DELIVERIES)
