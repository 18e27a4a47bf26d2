"""The JSON Schema of what other services may put on the queue: docs/queue-message.schema.json.

``python -m control_plane.queue_api.schema`` writes it anew; a test holds the file against this.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from control_plane.core.detections import MAX_ENGINES
from control_plane.core.identifiers import MAX_IDEMPOTENCY_KEY_CHARACTERS, MAX_KEY_CHARACTERS
from control_plane.core.jobs.checks import MAX_PHOTO_URL_CHARACTERS
from control_plane.ports import MAX_MESSAGE_BYTES
from control_plane.queue_api.messages import MessageBody

EXAMPLES: tuple[dict[str, Any], ...] = (
    {"photo_url": "s3://claims/2025/roof-17.jpg"},
    {
        "photo_url": "s3://claims/2025/roof-17.jpg",
        "photo_id": "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d",
        "detection_types": ["damage", "materials"],
        "metadata": {
            "project_id": "9d5e2c53-1d0b-4e4b-8b4e-1a6f0f6f7c21",
            "user_id": "2d0c0a52-7f39-4a7b-8a43-9c3b0f0a7d10",
        },
        "releases": {"damage": "stable"},
        "routing_key": "project-9d5e2c53",
        "correlation_id": "batch-2025-01-31/17",
        "deadline": "2025-01-31T18:00:00Z",
        "idempotency_key": "roof-17",
    },
)

_LENGTHS = {
    "photo_url": (1, MAX_PHOTO_URL_CHARACTERS),
    "routing_key": (0, MAX_KEY_CHARACTERS),
    "correlation_id": (1, MAX_KEY_CHARACTERS),
    "idempotency_key": (1, MAX_IDEMPOTENCY_KEY_CHARACTERS),
}
# ECMA-262 expressions without what its dialects differ in.
_NO_CONTROLS = "^[^\\u0000-\\u001f\\u007f-\\u009f]*$"
_PATTERNS = {
    "photo_url": _NO_CONTROLS,
    "routing_key": _NO_CONTROLS,
    "correlation_id": "^[A-Za-z0-9._:/-]+$",
    "idempotency_key": "^[ -~]+$",
}


def message_schema() -> dict[str, Any]:
    """The schema as a JSON object."""
    schema = MessageBody.model_json_schema()
    schema.pop("example", None)
    properties = schema["properties"]
    properties["photo_url"] = {"type": "string", "description": _described(properties["photo_url"])}
    for name, (least, most) in _LENGTHS.items():
        properties[name] |= {"minLength": least, "maxLength": most, "pattern": _PATTERNS[name]}
    properties["priority"] |= {"enum": ["high", "normal", "low", None]}
    types = properties["detection_types"]["anyOf"][0]
    types |= {"minItems": 1, "maxItems": MAX_ENGINES}
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **schema,
        "title": "A detection asked for over the queue",
        "description": "The body of a message on one of the queues of Tidegate's jobs: JSON in "
        f"UTF-8, at most {MAX_MESSAGE_BYTES} bytes. What is not of this shape becomes a dead "
        "letter, `unprocessable`.",
        "required": ["photo_url"],
        "examples": list(EXAMPLES),
    }


def schema_text() -> str:
    """The file."""
    return json.dumps(message_schema(), indent=2, ensure_ascii=False) + "\n"


def _described(of: dict[str, Any]) -> str:
    return str(of["description"])


if __name__ == "__main__":
    sys.stdout.write(schema_text())
