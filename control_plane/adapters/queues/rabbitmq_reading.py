"""Reads messages whose properties are no text, which would end every connection they come over.

RabbitMQ hands on what it was given, and pamqp, which reads for aio-pika, demands UTF-8 and dates
that Python knows. One message of another service would cut off worker after worker, and bring
what else they hold near its delivery limit. Such properties are read as none at all: the message
comes without an id, and is judged by its body.
"""

from __future__ import annotations

import struct

from pamqp import commands
from pamqp.header import ContentHeader

_FIXED = struct.Struct(">HHQ")
_strictly = ContentHeader.unmarshal


def _leniently(header: ContentHeader, data: bytes) -> None:
    """Where its properties cannot be read it has none."""
    try:
        _strictly(header, data)
    except (ValueError, OverflowError, OSError, KeyError, IndexError, struct.error):
        header.class_id, header.weight, header.body_size = _FIXED.unpack(data[: _FIXED.size])
        header.properties = commands.Basic.Properties()


def read_leniently() -> None:
    """From now on, in this process: pamqp makes its headers itself, and offers no other way in."""
    ContentHeader.unmarshal = _leniently  # type: ignore[method-assign, assignment]
