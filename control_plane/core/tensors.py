"""Tensors as KServe v2 names them, and as its JSON writes them.

``{"name": "SCORES", "datatype": "FP32", "shape": [1, 100], "data": [...]}``, with the data
flat and in row order, is how a tensor is written where a person should be able to read it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]

BYTES = "BYTES"
"""The datatype of strings: arrays of bytes objects."""

DTYPES: Mapping[str, type[np.generic]] = {
    "BOOL": np.bool_,
    "UINT8": np.uint8,
    "UINT16": np.uint16,
    "UINT32": np.uint32,
    "UINT64": np.uint64,
    "INT8": np.int8,
    "INT16": np.int16,
    "INT32": np.int32,
    "INT64": np.int64,
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def tensors_from_json(written: Sequence[Mapping[str, Any]]) -> dict[str, Array]:
    """KServe v2's list of tensors, by name. Raises ValueError that names the tensor at fault."""
    tensors: dict[str, Array] = {}
    for number, tensor in enumerate(written):
        name = tensor.get("name", f"number {number}") if isinstance(tensor, Mapping) else number
        try:
            tensors[str(tensor["name"])] = _from_json(tensor)
        except (KeyError, TypeError, ValueError, OverflowError, AttributeError) as error:
            raise ValueError(f"tensor {name} is not to be understood: {error!r}") from error
    return tensors


def tensors_to_json(tensors: Mapping[str, Array]) -> list[dict[str, Any]]:
    """The tensors as KServe v2's JSON writes them. Strings must be UTF-8, or ValueError."""
    return [
        {
            "name": name,
            "datatype": datatype_of(array),
            "shape": list(array.shape),
            "data": [each.decode() for each in array.flat]
            if array.dtype == np.object_
            else array.ravel().tolist(),
        }
        for name, array in tensors.items()
    ]


def datatype_of(array: Array) -> str:
    """KServe's name for what an array holds. Raises ValueError for what it has no name for."""
    if array.dtype == np.object_:
        return BYTES
    for datatype, dtype in DTYPES.items():
        if array.dtype == dtype:
            return datatype
    raise ValueError(f"KServe has no datatype for {array.dtype}")


def _from_json(tensor: Mapping[str, Any]) -> Array:
    datatype, shape, data = tensor["datatype"], tensor["shape"], tensor["data"]
    if datatype == BYTES:
        array: Array = np.empty(len(data), dtype=np.object_)
        array[:] = [text.encode() for text in data]
        return array.reshape(shape)
    dtype = DTYPES[datatype]
    if issubclass(dtype, np.floating):
        return np.array(data, dtype=dtype).reshape(shape)
    # As Python's own numbers: numpy would make floats of integers beyond an int64, and wrap others.
    written = np.array(data, dtype=np.object_)
    if not all(_fits(value, dtype) for value in written.flat):
        raise ValueError(f"not all of its data is {datatype}")
    return written.astype(dtype).reshape(shape)


def _fits(value: object, dtype: type[np.generic]) -> bool:
    if not issubclass(dtype, np.integer):
        return isinstance(value, bool)
    if not isinstance(value, int) or isinstance(value, bool):
        return False
    bounds = np.iinfo(dtype)
    return int(bounds.min) <= value <= int(bounds.max)
