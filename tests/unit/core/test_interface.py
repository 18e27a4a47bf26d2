"""A network's inputs and outputs against what its configuration promises."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.interface import Port, interface_complaints

X = Port("X", "tensor(uint8)", (-1, 512, 512, 3))
Y = Port("Y", "tensor(float)", (-1, 100))
CONFIG: dict[str, Any] = {
    "max_batch_size": 8,
    "input": [{"name": "X", "data_type": "TYPE_UINT8", "dims": ["512", "512", "3"]}],
    "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": ["100"]}],
}


def complaints(
    x: Port = X, y: Port = Y, *more: Port, config: dict[str, Any] | None = None
) -> tuple[str, ...]:
    return interface_complaints(CONFIG if config is None else config, [x, *more], [y])


def test_what_is_as_promised() -> None:
    assert complaints() == ()


def test_an_output_that_nobody_asks_for() -> None:
    heights = Port("HEIGHT", "tensor(float)", (7,))
    assert interface_complaints(CONFIG, [X], [Y, heights]) == ()


def test_an_input_may_be_open_where_the_configuration_is_not() -> None:
    assert complaints(Port("X", "tensor(uint8)", (-1, -1, -1, 3))) == ()


@pytest.mark.parametrize("dims", [(-1, -1), (-1, 99), (-1, 100, 1), (100,), (1, 100)])
def test_an_output_is_to_be_just_that(dims: tuple[int, ...]) -> None:
    shown = ", ".join(map(str, dims))
    assert complaints(y=Port("Y", "tensor(float)", dims)) == (
        f"output Y is [-1, 100] in the configuration, batch first, and [{shown}] in it",
    )


@pytest.mark.parametrize("dims", [(1, 512, 512, 3), (512, 512, 3), (-1, 512, 512, 4)])
def test_an_input_that_does_not_fit(dims: tuple[int, ...]) -> None:
    shown = ", ".join(map(str, dims))
    assert complaints(Port("X", "tensor(uint8)", dims)) == (
        f"input X is [-1, 512, 512, 3] in the configuration, batch first, and [{shown}] in it",
    )


def test_without_batches_the_dimensions_are_the_configurations() -> None:
    config = {**CONFIG, "max_batch_size": 0}
    x, y = Port("X", X.onnx_type, X.dims[1:]), Port("Y", Y.onnx_type, Y.dims[1:])
    assert complaints(x, y, config=config) == ()
    del config["max_batch_size"]
    assert complaints(x, Y, config=config) == (
        "output Y is [100] in the configuration and [-1, 100] in it",
    )


def test_a_dimension_that_the_configuration_leaves_open() -> None:
    config = {**CONFIG, "output": [{"name": "Y", "data_type": "TYPE_FP32", "dims": ["-1"]}]}
    assert complaints(config=config) == (
        "output Y is [-1, -1] in the configuration, batch first, and [-1, 100] in it",
    )
    assert complaints(y=Port("Y", "tensor(float)", (-1, -1)), config=config) == ()


def test_what_is_reshaped_is_compared_as_the_network_gets_it() -> None:
    output = {"name": "Y", "data_type": "TYPE_FP32", "dims": ["1"], "reshape": {}}
    config = {**CONFIG, "output": [output]}
    assert complaints(y=Port("Y", "tensor(float)", (-1,)), config=config) == ()
    output["reshape"] = {"shape": ["100"]}
    assert complaints(config=config) == ()


def test_another_type() -> None:
    assert complaints(Port("X", "tensor(float)", X.dims)) == (
        "input X is TYPE_UINT8 in the configuration and tensor(float) in it",
    )
    config = {**CONFIG, "output": [{"name": "Y", "data_type": "TYPE_BF16", "dims": ["100"]}]}
    assert complaints(config=config) == (
        "output Y is TYPE_BF16 in the configuration and tensor(float) in it",
    )


def test_other_names() -> None:
    other = Port("IMAGE", X.onnx_type, X.dims)
    assert interface_complaints(CONFIG, [other], []) == (
        "it has no input X (it has: IMAGE)",
        "it has no output Y (it has: none)",
        "the network has an input IMAGE, which the configuration lacks",
    )


def test_a_configuration_without_tensors_promises_none() -> None:
    assert interface_complaints({}, [], []) == ()
