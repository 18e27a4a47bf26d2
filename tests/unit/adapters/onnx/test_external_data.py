"""Weights outside the file are found wherever a tensor may be."""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from onnx import TensorProto, helper, numpy_helper

from control_plane.adapters.onnx.external_data import has_external_data
from tests.unit.networks import network


def tensor(*, is_external: bool) -> Any:
    made = numpy_helper.from_array(np.zeros(3, np.float32), "weights")
    if is_external:
        made.ClearField("raw_data")
        made.data_location = TensorProto.EXTERNAL
    return made


def model(node: Any = None, *, function: Any = None, sparse: Any = None) -> memoryview:
    nodes = [] if node is None else [node]
    graph = helper.make_graph(nodes, "g", [], [], sparse_initializer=sparse or ())
    made = helper.make_model(graph, functions=function or ())
    return memoryview(made.SerializeToString())


def within(attribute: Any) -> Any:
    node = helper.make_node("Constant", [], ["y"])
    node.attribute.append(attribute)
    return node


@pytest.mark.parametrize("is_external", [True, False])
@pytest.mark.parametrize("place", ["t", "tensors", "g", "graphs", "function", "sparse"])
def test_wherever_a_tensor_is(place: str, is_external: bool) -> None:
    there = tensor(is_external=is_external)
    graph = helper.make_graph([], "inner", [], [], [there])
    if place == "sparse":
        sparse = helper.make_sparse_tensor(there, tensor(is_external=False), [3])
        content = model(sparse=[sparse])
    elif place == "function":
        node = within(helper.make_attribute("value", there))
        function = helper.make_function("d", "f", [], ["y"], [node], [helper.make_opsetid("", 17)])
        content = model(function=[function])
    else:
        value = {"t": there, "tensors": [there], "g": graph, "graphs": [graph]}[place]
        content = model(within(helper.make_attribute("value", value)))
    assert has_external_data(content) is is_external


@pytest.mark.parametrize("is_external", [True, False])
def test_a_file_as_it_is_saved(tmp_path: Path, is_external: bool) -> None:
    path = network(tmp_path / "model.onnx", external=is_external, elements=4)
    assert has_external_data(memoryview(path.read_bytes())) is is_external


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\x08", "a number"),
        (b"\x08\x07\x3a\x05ab", "its graph"),
        (b"\x08\x07\x42\x05ab", "its operator sets"),
        (b"\x08\x07\x12\x05ab", "a field"),
        (b"\x08\x07\x3a\x02\x3a\x05", "a field"),
        (b"\x08\x07\x39" + bytes(7), "its graph"),
    ],
)
def test_what_was_cut_off(content: bytes, part: str) -> None:
    assert complaint(content) == f"it is no ONNX file: it ends in the middle of {part}"


@pytest.mark.parametrize(
    "content",
    [
        b"\x0b",  # a wire type that nothing has
        b"\xff" * 11,  # a number of more than 64 bits
        b"\x38\x01",  # a graph that is a number
        bytes(100),
        b"hello",
        b'{"a": 1}',
        b'"a": 1',  # these three could be fields that were cut off
        b"(x)",
        b"rest of it",
    ],
)
def test_what_is_none_at_all(content: bytes) -> None:
    assert complaint(content) == "it is no ONNX file"


def test_every_cut_of_a_file_is_whole_messages_or_a_complaint(tmp_path: Path) -> None:
    content = network(tmp_path / "model.onnx").read_bytes()
    complaints = []
    for length in range(len(content)):
        try:
            has_external_data(memoryview(content[:length]))
        except ValueError as error:
            complaints.append(str(error))
    assert len(complaints) > len(content) * 0.8
    assert all(each.startswith("it is no ONNX file: it ends in the middle") for each in complaints)


def complaint(content: bytes) -> str:
    with pytest.raises(ValueError) as raised:
        has_external_data(memoryview(content))
    return str(raised.value)


def test_fields_of_fixed_size_are_stepped_over() -> None:
    assert not has_external_data(memoryview(b"\x09" + bytes(8) + b"\x0d" + bytes(4)))


def test_nesting_is_bounded() -> None:
    content = b""
    for _ in range(40):
        for tag in (0x32, 0x2A, 0x0A):  # a graph in an attribute in a node of a graph
            content = field(tag, content)
    with pytest.raises(ValueError, match="nested too deeply"):
        has_external_data(memoryview(field(0x3A, content)))


def field(tag: int, content: bytes) -> bytes:
    size = len(content)
    return bytes([tag, size & 0x7F | 0x80, size >> 7]) + content


@given(st.binary(max_size=60))
def test_anything_else_is_an_answer_or_a_complaint(content: bytes) -> None:
    with suppress(ValueError):
        assert has_external_data(memoryview(content)) in (True, False)
