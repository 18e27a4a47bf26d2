"""The ids and keys that callers pass along: their name, and what is taken as one."""

from __future__ import annotations

import re
import uuid

from control_plane.core.detections import UUID
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument

CORRELATION_ID = "x-correlation-id"
MAX_KEY_CHARACTERS = 128
MAX_IDEMPOTENCY_KEY_CHARACTERS = 255

_CORRELATION_ID = re.compile(rf"[A-Za-z0-9._:/-]{{1,{MAX_KEY_CHARACTERS}}}")


def is_correlation_id(text: str) -> bool:
    """Whether it fits in a log line and a header as it is."""
    return _CORRELATION_ID.fullmatch(text) is not None


def check_routing_key(key: str, name: str) -> str:
    """The key. Raises InvalidArgument for one that is too long; name: what the caller calls it."""
    if len(key) > MAX_KEY_CHARACTERS:
        raise InvalidArgument(
            f"{name} has {len(key)} characters; the limit is {MAX_KEY_CHARACTERS}", field=name
        )
    return key


def check_idempotency_key(key: str, name: str) -> str:
    """The key, without the quotes that the header's draft puts around it. Raises InvalidArgument.

    name: what the caller calls it.
    """
    if len(key) >= 2 and key[0] == key[-1] == '"':
        key = key[1:-1]
    if not key:
        raise InvalidArgument(f"{name} is empty; leave it out, or send one", field=name)
    if len(key) > MAX_IDEMPOTENCY_KEY_CHARACTERS:
        raise InvalidArgument(
            f"{name} has {len(key)} characters; the limit is {MAX_IDEMPOTENCY_KEY_CHARACTERS}",
            field=name,
        )
    if not (key.isascii() and key.isprintable()):
        raise InvalidArgument(f"{name} must be printable ASCII", field=name)
    return key


def check_job_id(text: str, name: str) -> str:
    """The canonical form of a job's id. Raises ControlPlaneError(NOT_FOUND).

    What is no UUID is the id of no job: no store has to be asked, or to bear the text.
    """
    if UUID.fullmatch(text) is None:
        raise ControlPlaneError(
            ErrorCode.NOT_FOUND, f"no job has the id {text[:80]!r}; an id is a UUID", field=name
        )
    return str(uuid.UUID(text))
