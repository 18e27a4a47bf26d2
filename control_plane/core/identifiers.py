"""The ids and keys that callers pass along: their name, and what is taken as one."""

from __future__ import annotations

import re

from control_plane.errors import InvalidArgument

CORRELATION_ID = "x-correlation-id"
MAX_KEY_CHARACTERS = 128

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
