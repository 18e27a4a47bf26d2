"""Tensors to JSON and back: the same values, types and shapes, or a complaint that names one."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import array_shapes, arrays

from control_plane.core.tensors import DTYPES, datatype_of, tensors_from_json, tensors_to_json


@pytest.mark.parametrize("datatype", DTYPES)
def test_a_tensor_comes_back_as_it_was(datatype: str) -> None:
    array = np.array([[0, 1, 1], [1, 0, 1]], dtype=DTYPES[datatype])
    written = tensors_to_json({"X": array})
    assert written == [
        {"name": "X", "datatype": datatype, "shape": [2, 3], "data": array.ravel().tolist()}
    ]
    [(name, read)] = tensors_from_json(written).items()
    assert (name, read.dtype, read.shape) == ("X", array.dtype, (2, 3))
    assert (read == array).all()


@given(
    st.sampled_from(sorted(DTYPES)).flatmap(
        lambda datatype: arrays(
            DTYPES[datatype], array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
        )
    )
)
def test_any_tensor_comes_back_as_it_was(array: npt.NDArray[Any]) -> None:
    read = tensors_from_json(tensors_to_json({"X": array}))["X"]
    assert (read.dtype, read.shape) == (array.dtype, array.shape)
    assert np.array_equal(read, array, equal_nan=array.dtype.kind == "f")


def test_strings_are_text_in_json_and_bytes_in_arrays() -> None:
    array = np.array([["a", "ü".encode()], [b"", b"b"]], dtype=np.object_)
    array[0, 0] = b"a"
    written = tensors_to_json({"NAMES": array})
    assert written == [
        {"name": "NAMES", "datatype": "BYTES", "shape": [2, 2], "data": ["a", "ü", "", "b"]}
    ]
    read = tensors_from_json(written)["NAMES"]
    assert read.dtype == np.object_
    assert read.tolist() == [[b"a", "ü".encode()], [b"", b"b"]]


def test_strings_that_are_no_text_cannot_be_written() -> None:
    with pytest.raises(ValueError, match="utf-8"):
        tensors_to_json({"X": np.array([b"\xff"], dtype=np.object_)})


def test_several_keep_their_order_and_names() -> None:
    arrays = {"B": np.zeros(1, np.float32), "A": np.ones((1, 1), np.int64)}
    assert list(tensors_from_json(tensors_to_json(arrays))) == ["B", "A"]


def test_kserve_has_no_name_for_every_type() -> None:
    assert datatype_of(np.zeros(1, np.float16)) == "FP16"
    with pytest.raises(ValueError, match="KServe has no datatype for complex128"):
        datatype_of(np.zeros(1, np.complex128))


GOOD: dict[str, Any] = {"name": "X", "datatype": "INT32", "shape": [2], "data": [1, 2]}


@pytest.mark.parametrize(
    ("tensor", "name"),
    [
        ({**GOOD, "datatype": "INT31"}, "X"),
        ({**GOOD, "shape": [3]}, "X"),
        ({**GOOD, "data": ["one", "two"]}, "X"),
        # Not to be cut to what fits.
        ({**GOOD, "data": [1, 2.5]}, "X"),
        ({**GOOD, "data": [1, 2**31]}, "X"),
        ({**GOOD, "data": [1, 2**80]}, "X"),
        ({**GOOD, "data": [1, None]}, "X"),
        ({**GOOD, "data": ["1", "2"]}, "X"),
        ({**GOOD, "datatype": "UINT8", "data": [1, -1]}, "X"),
        ({**GOOD, "datatype": "BOOL", "data": [1, 2]}, "X"),
        ({**GOOD, "datatype": "BYTES"}, "X"),
        ({"name": "X"}, "X"),
        ({"datatype": "INT32", "shape": [1], "data": [1]}, "number 1"),
        (7, "1"),
    ],
)
def test_what_is_not_to_be_understood_is_named(tensor: Any, name: str) -> None:
    with pytest.raises(ValueError, match=f"^tensor {name} is not to be understood: "):
        tensors_from_json([GOOD, tensor])


def test_a_number_that_the_datatype_cannot_hold_is_said_to_be_one() -> None:
    with pytest.raises(ValueError, match="not all of its data is INT32"):
        tensors_from_json([{**GOOD, "data": [1, 2.5]}])
