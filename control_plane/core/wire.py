"""KServe v2 messages as bytes: read the head, change the target, touch no tensor.

A serialized protobuf message is a run of fields, each a tag and a value, and a parser
keeps the *last* value of a scalar field. Two facts follow, and the gateway is built on
them:

- the head of a ``ModelInferRequest`` (name, version, id, parameters) is found by
  stepping over fields by their lengths, so a megabyte of tensor costs one step;
- appending ``model_name`` and ``model_version`` to a serialized message re-targets it.
  For a message inside a message (``ModelStreamInferResponse.infer_response``) a second
  occurrence is *merged* into the first, so the same works there.

Reference: https://protobuf.dev/programming-guides/encoding/ ("Last One Wins").
Nothing here trusts its input: a length that points past the end, an over-long varint, a
group, or more fields than :data:`MAX_FIELDS` raise :class:`MalformedMessage`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from control_plane.core.detections import Priority
from control_plane.errors import InvalidArgument

MAX_FIELDS = 8192
"""Fields of one message that are stepped over, those inside ``parameters`` included; a bound
on the time one message can take."""

MAX_NAME_BYTES = 1024
"""Longest model name, version or request id that is read."""

_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5

# ModelInferRequest and ModelInferResponse agree on these three.
_MODEL_NAME, _MODEL_VERSION, _ID = 1, 2, 3
# ModelInferRequest only.
_PARAMETERS = 4
# map<string, InferParameter> entries, and InferParameter's members.
_KEY, _VALUE = 1, 2
_BOOL_PARAM, _INT64_PARAM, _STRING_PARAM, _DOUBLE_PARAM, _UINT64_PARAM = 1, 2, 3, 4, 5
_SEQUENCE_ID, _PRIORITY = b"sequence_id", b"priority"
_PRIORITY_OF_LEVEL = {b"%d" % priority.triton_level: priority for priority in Priority}
# ModelStreamInferResponse.
_INFER_RESPONSE = 2


class MalformedMessage(InvalidArgument):
    """The bytes are not a protobuf message of the kind expected."""

    def __init__(self, problem: str) -> None:
        super().__init__(f"malformed protobuf: {problem}", field="message")


@dataclass(frozen=True, slots=True)
class RequestHead:
    """What routing needs of a ``ModelInferRequest``.

    sequence: the id of the stateful sequence the request belongs to, None when it
        belongs to none.
    priority: by the levels that Triton's ``priority`` parameter has here, 1 to 3; normal
        when it is another or none.
    """

    model_name: str
    model_version: str
    request_id: str
    sequence: str | None
    priority: Priority = Priority.NORMAL


def read_request_head(message: bytes) -> RequestHead:
    """The head of a serialized ``ModelInferRequest``. O(fields), not O(bytes)."""
    name = version = request_id = sequence = level = b""
    position, end, steps = 0, len(message), iter(range(MAX_FIELDS))
    while position < end:
        _count(steps)
        tag, position = _read_varint(message, position, end)
        if tag & 7 != _LENGTH:
            position = _skip(message, tag, position, end)
            continue
        size, start = _read_varint(message, position, end)
        position = start + size
        if position > end:
            raise MalformedMessage(f"field {tag >> 3} ends after the message")
        number = tag >> 3
        if number > _PARAMETERS:
            continue
        if number == _MODEL_NAME:
            name = message[start:position]
        elif number == _MODEL_VERSION:
            version = message[start:position]
        elif number == _ID:
            request_id = message[start:position]
        elif number == _PARAMETERS:
            key, value = _read_parameter(message, start, position, steps)
            if key == _SEQUENCE_ID:
                sequence = value
            elif key == _PRIORITY:
                level = value
        else:
            raise MalformedMessage("field number 0")
    return RequestHead(
        model_name=_text(name, "model_name"),
        model_version=_text(version, "model_version"),
        request_id=_text(request_id, "id"),
        sequence=None if sequence in (b"", b"0") else _text(sequence, "parameters.sequence_id"),
        priority=_PRIORITY_OF_LEVEL.get(level, Priority.NORMAL),
    )


@lru_cache(maxsize=1024)
def target_suffix(model_name: str, model_version: str) -> bytes:
    """Bytes to append to a ModelInferRequest or ModelInferResponse to re-target it."""
    return _string_field(_MODEL_NAME, model_name) + _string_field(_MODEL_VERSION, model_version)


@lru_cache(maxsize=8)
def priority_suffix(level: int) -> bytes:
    """Bytes to append to a ModelInferRequest to set its ``priority``, over any it has.

    A later entry of a map field replaces an earlier one with the same key.
    """
    value = _varint(_UINT64_PARAM << 3 | _VARINT) + _varint(level)
    entry = _length_field(_KEY, b"priority") + _length_field(_VALUE, value)
    return _length_field(_PARAMETERS, entry)


@lru_cache(maxsize=1024)
def stream_target_suffix(model_name: str, model_version: str) -> bytes:
    """Bytes to append to a ModelStreamInferResponse that holds a response to rename it."""
    return _length_field(_INFER_RESPONSE, target_suffix(model_name, model_version))


def has_stream_response(message: bytes) -> bool:
    """Whether a ModelStreamInferResponse holds a response (an error alone does not)."""
    position, end, steps = 0, len(message), iter(range(MAX_FIELDS))
    while position < end:
        _count(steps)
        tag, position = _read_varint(message, position, end)
        if tag == (_INFER_RESPONSE << 3 | _LENGTH):
            return True
        position = _skip(message, tag, position, end)
    return False


def _read_parameter(
    message: bytes, position: int, end: int, steps: Iterator[int]
) -> tuple[bytes, bytes]:
    """Key and value of one entry of ``parameters``; the value only of those that are known."""
    key, values = b"", []
    while position < end:
        _count(steps)
        tag, position = _read_varint(message, position, end)
        start = position
        position = _skip(message, tag, position, end)
        if tag == (_KEY << 3 | _LENGTH):
            _, start = _read_varint(message, start, end)
            key = message[start:position]
        elif tag == (_VALUE << 3 | _LENGTH):
            _, start = _read_varint(message, start, end)
            values.append((start, position))
    value = b""
    if key not in (_SEQUENCE_ID, _PRIORITY):
        return key, value
    for start, stop in values:  # several values of one entry are merged: the last member wins
        value = _read_parameter_value(message, start, stop, value, steps)
    return key, value


def _read_parameter_value(
    message: bytes, position: int, end: int, value: bytes, steps: Iterator[int]
) -> bytes:
    """The last member set, as text; ``value`` when none is, "" for kinds that are no id."""
    while position < end:
        _count(steps)
        tag, position = _read_varint(message, position, end)
        start = position
        position = _skip(message, tag, position, end)
        if tag in (_INT64_PARAM << 3 | _VARINT, _UINT64_PARAM << 3 | _VARINT):
            value = b"%d" % _read_varint(message, start, end)[0]
        elif tag == (_STRING_PARAM << 3 | _LENGTH):
            _, start = _read_varint(message, start, end)
            value = message[start:position]
        elif tag in (_BOOL_PARAM << 3 | _VARINT, _DOUBLE_PARAM << 3 | _FIXED64):
            value = b""
    return value


def _count(steps: Iterator[int]) -> None:
    """One more field of a message that may have as many as ``steps`` holds."""
    if next(steps, None) is None:
        raise MalformedMessage(f"more than {MAX_FIELDS} fields")


def _skip(message: bytes, tag: int, position: int, end: int) -> int:
    """The position after the value that ``tag`` announces at ``position``."""
    kind = tag & 7
    if tag >> 3 == 0:
        raise MalformedMessage("field number 0")
    if kind == _LENGTH:
        size, position = _read_varint(message, position, end)
        position += size
    elif kind == _VARINT:
        _, position = _read_varint(message, position, end)
    elif kind == _FIXED64:
        position += 8
    elif kind == _FIXED32:
        position += 4
    else:
        raise MalformedMessage(f"wire type {kind}")
    if position > end:
        raise MalformedMessage(f"field {tag >> 3} ends after the message")
    return position


def _read_varint(message: bytes, position: int, end: int) -> tuple[int, int]:
    if position < end and (byte := message[position]) < 0x80:
        return byte, position + 1
    value = shift = 0
    while True:
        if position >= end:
            raise MalformedMessage("ends inside a number")
        byte = message[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
        shift += 7
        if shift >= 70:
            raise MalformedMessage("a number of more than ten bytes")


def _text(raw: bytes, field: str) -> str:
    if len(raw) > MAX_NAME_BYTES:
        raise InvalidArgument(
            f"{field} has {len(raw)} bytes; the limit is {MAX_NAME_BYTES}", field=field
        )
    try:
        return raw.decode()
    except UnicodeDecodeError:
        raise InvalidArgument(f"{field} is not UTF-8", field=field) from None


def _string_field(number: int, text: str) -> bytes:
    return _length_field(number, text.encode())


def _length_field(number: int, payload: bytes) -> bytes:
    return _varint(number << 3 | _LENGTH) + _varint(len(payload)) + payload


def _varint(value: int) -> bytes:
    encoded = bytearray()
    while value >= 0x80:
        encoded.append(value & 0x7F | 0x80)
        value >>= 7
    encoded.append(value)
    return bytes(encoded)
