"""Finds tensors whose data lie outside an ONNX file, by stepping over its protobuf.

Such a file is not whole: it names other files, by paths of its own choosing. The ``onnx`` package
could tell, but what serves the models does not need it, and it would read every weight to answer.
Only fields that lead to a tensor are entered (onnx.proto3, IR version 10); all else is stepped
over by its length. Which also shows a file that is none, or was cut off, before anything loads it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

_MODEL, _FUNCTION, _GRAPH, _NODE, _ATTRIBUTE, _SPARSE, _TENSOR = range(7)
_INSIDE: Mapping[int, Mapping[int, int]] = {
    _MODEL: {7: _GRAPH, 25: _FUNCTION},
    _FUNCTION: {7: _NODE},
    _GRAPH: {1: _NODE, 5: _TENSOR, 15: _SPARSE},
    _NODE: {5: _ATTRIBUTE},
    _ATTRIBUTE: {
        5: _TENSOR,
        6: _GRAPH,
        10: _TENSOR,
        11: _GRAPH,
        22: _SPARSE,
        23: _SPARSE,
    },
    _SPARSE: {1: _TENSOR, 2: _TENSOR},
}
_EXTERNAL_DATA, _DATA_LOCATION, _EXTERNAL = 13, 14, 1
_VARINT, _FIXED64, _LENGTH, _FIXED32 = 0, 1, 2, 5
_IR_VERSION = b"\x08"
"""How every ONNX file begins that a serializer wrote."""
_PARTS: Mapping[int, str] = {7: "its graph", 8: "its operator sets", 25: "a function"}
MAX_DEPTH = 64
NO_ONNX = "it is no ONNX file"


def has_external_data(content: memoryview) -> bool:
    """Raises ValueError for what is no ONNX file, was cut off, or is nested too deeply."""
    try:
        return _has_external(content, _MODEL, 0)
    except _CutOff as cut:
        # The bytes of anything else may look like a field that goes on after its end.
        is_cut = content[:1] == _IR_VERSION
        raise ValueError(
            f"{NO_ONNX}: it ends in the middle of {cut}" if is_cut else NO_ONNX
        ) from None


class _CutOff(Exception):
    """The content ends within a part, which its words name."""


def _has_external(content: memoryview, kind: int, depth: int) -> bool:
    if depth > MAX_DEPTH:
        raise ValueError("it is nested too deeply")
    for number, value in _fields(content, kind):
        if kind == _TENSOR:
            if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value == _EXTERNAL):
                return True
            continue
        inner = _INSIDE[kind].get(number)
        if inner is not None:
            if isinstance(value, int):
                raise ValueError(NO_ONNX)
            if _has_external(value, inner, depth + 1):
                return True
    return False


def _fields(content: memoryview, kind: int) -> Iterator[tuple[int, int | memoryview]]:
    position, end = 0, len(content)
    while position < end:
        tag, position = _varint(content, position)
        number, wire = tag >> 3, tag & 7
        if number == 0:
            raise ValueError(NO_ONNX)
        if wire == _VARINT:
            value, position = _varint(content, position)
            yield number, value
            continue
        if wire == _LENGTH:
            size, start = _varint(content, position)
        elif wire in (_FIXED64, _FIXED32):
            size, start = (8 if wire == _FIXED64 else 4), position
        else:
            raise ValueError(NO_ONNX)
        position = start + size
        if position > end:
            raise _CutOff(_PARTS.get(number, "a field") if kind == _MODEL else "a field")
        yield number, content[start:position]


def _varint(content: memoryview, position: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 70, 7):
        if position >= len(content):
            raise _CutOff("a number")
        byte = content[position]
        position += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, position
    raise ValueError(NO_ONNX)
