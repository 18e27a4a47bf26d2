"""The published schema: current, and true of what is read."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from control_plane.core.jobs.orders import ForeignOrder
from control_plane.errors import InvalidArgument
from control_plane.queue_api.messages import MessageBody, read_message
from control_plane.queue_api.schema import EXAMPLES, message_schema, schema_text

FILE = Path(__file__).parents[3] / "docs" / "queue-message.schema.json"
KNOWN = ("damage", "materials", "volume")
URL = "s3://a/b"
VALIDATOR = jsonschema.Draft202012Validator(message_schema())


def test_the_file_is_current() -> None:
    assert FILE.read_text() == schema_text(), (
        "write it anew: python -m control_plane.queue_api.schema > docs/queue-message.schema.json"
    )


def test_it_is_a_schema_and_names_every_field() -> None:
    VALIDATOR.check_schema(message_schema())
    assert set(message_schema()["properties"]) == set(MessageBody.model_fields)


@pytest.mark.parametrize("body", EXAMPLES)
def test_the_examples_are_good(body: dict[str, Any]) -> None:
    VALIDATOR.validate(body)
    order = read_message(json.dumps(body).encode(), known=KNOWN)
    assert isinstance(order, ForeignOrder)
    assert order.request.photo_url == body["photo_url"]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"photo_url": None},
        {"photo_url": URL, "photo": "x"},
        {"photo_url": URL, "priority": "urgent"},
        {"photo_url": URL, "detection_types": []},
        {"photo_url": URL, "routing_key": "k" * 129},
        {"photo_url": URL, "routing_key": "\x1b[31m"},
        {"photo_url": "s3://a/b\x00"},
        {"photo_url": URL, "correlation_id": "a b"},
        {"photo_url": URL, "idempotency_key": "ключ"},
        {"photo_url": URL, "idempotency_key": ""},
        {"photo_url": URL, "metadata": {"x": "y"}},
        {"photo_url": URL, "releases": {"damage": 1}},
    ],
)
def test_what_it_refuses_is_refused(body: dict[str, Any]) -> None:
    assert not VALIDATOR.is_valid(body)
    with pytest.raises(InvalidArgument):
        read_message(json.dumps(body).encode(), known=KNOWN)
