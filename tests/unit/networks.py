"""Small ONNX files, made here: what can be served, and what is wrong in one way each."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from onnx import TensorProto, helper, numpy_helper, save_model

IR_VERSION = 9
OPSET = 17

Dims = Sequence[int | str]


def config(
    dims: Sequence[int] = (4,), *, name: str = "detector", max_batch_size: int = 8, **more: Any
) -> dict[str, Any]:
    """Of a model that takes floats X and gives floats Y, as protobuf's JSON has it."""
    return {
        "name": name,
        "backend": "onnxruntime",
        "max_batch_size": max_batch_size,
        "input": [{"name": "X", "data_type": "TYPE_FP32", "dims": list(map(str, dims))}],
        "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": list(map(str, dims))}],
        **more,
    }


def network(
    path: Path,
    dims: Dims = ("batch", 4),
    *,
    factor: float = 2.0,
    takes: str = "X",
    gives: str = "Y",
    out_dims: Dims | None = None,
    nodes: Sequence[Any] | None = None,
    more_inputs: Sequence[str] = (),
    more_outputs: Sequence[str] = (),
    metadata: str = "",
    external: bool = False,
    elements: int = 1,
) -> Path:
    """Y = factor * X, unless nodes say something else."""
    weight = numpy_helper.from_array(np.full(elements, factor, np.float32), "factor")
    made = nodes or [helper.make_node("Mul", [takes, "factor"], [gives])]
    made = [*made, *(helper.make_node("Identity", [takes], [name]) for name in more_outputs)]
    graph = helper.make_graph(
        made,
        "network",
        [_value(name, dims) for name in (takes, *more_inputs)],
        [_value(gives, dims if out_dims is None else out_dims)]
        + [_value(name, dims) for name in more_outputs],
        [weight],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)])
    model.ir_version = IR_VERSION
    if metadata:
        helper.set_model_props(model, {"note": metadata})
    save_model(
        model, str(path), save_as_external_data=external, location="weights.bin", size_threshold=0
    )
    return path


def infinite(path: Path) -> Path:
    """Log(0 * X): nothing but minus infinity."""
    nodes = [
        helper.make_node("Sub", ["X", "X"], ["zero"]),
        helper.make_node("Log", ["zero"], ["Y"]),
    ]
    return network(path, nodes=nodes)


def endless(path: Path) -> Path:
    """A loop of 2^62 turns."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["on"], ["go_on"]),
            helper.make_node("Mul", ["carried", "carried"], ["next"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("turn", TensorProto.INT64, []),
            helper.make_tensor_value_info("on", TensorProto.BOOL, []),
            _value("carried", ("batch", 4)),
        ],
        [helper.make_tensor_value_info("go_on", TensorProto.BOOL, []), _value("next", ("b", 4))],
    )
    nodes = [
        helper.make_node("Constant", [], ["turns"], value_int=2**62),
        helper.make_node("Constant", [], ["yes"], value=helper.make_tensor(
            "true", TensorProto.BOOL, [], [True])),
        helper.make_node("Loop", ["turns", "yes", "X"], ["Y"], body=body),
    ]  # fmt: skip
    return network(path, nodes=nodes)


def greedy(path: Path, gibibytes: int = 64) -> Path:
    """Asks for a tensor of so much."""
    nodes = [
        helper.make_node("Constant", [], ["size"], value_ints=[gibibytes * 2**28]),
        helper.make_node("ConstantOfShape", ["size"], ["huge"]),
        helper.make_node("ReduceSum", ["huge"], ["sum"], keepdims=0),
        helper.make_node("Add", ["X", "sum"], ["Y"]),
    ]
    return network(path, nodes=nodes)


def _value(name: str, dims: Dims) -> Any:
    return helper.make_tensor_value_info(name, TensorProto.FLOAT, list(dims))
