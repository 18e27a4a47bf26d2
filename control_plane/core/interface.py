"""Whether a network's inputs and outputs are those that its model's configuration promises.

Triton's native ONNX Runtime backend refuses a model whose names, types or dimensions differ, at
the moment it is loaded; and the Python-based one notices names and types only. So the stricter of
the two is held here, before a file is taken into the repository.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.core.catalogue import Config

ANY = -1
"""A dimension that a network, or a configuration, leaves open."""

ONNX_TYPES: Mapping[str, str] = {
    "TYPE_BOOL": "tensor(bool)",
    "TYPE_UINT8": "tensor(uint8)",
    "TYPE_UINT16": "tensor(uint16)",
    "TYPE_UINT32": "tensor(uint32)",
    "TYPE_UINT64": "tensor(uint64)",
    "TYPE_INT8": "tensor(int8)",
    "TYPE_INT16": "tensor(int16)",
    "TYPE_INT32": "tensor(int32)",
    "TYPE_INT64": "tensor(int64)",
    "TYPE_FP16": "tensor(float16)",
    "TYPE_FP32": "tensor(float)",
    "TYPE_FP64": "tensor(double)",
    "TYPE_STRING": "tensor(string)",
}
"""Triton's data types as ONNX Runtime calls them."""


@dataclass(frozen=True, slots=True)
class Port:
    """An input or output of a network. onnx_type: ``tensor(float)``; dims: ANY where open."""

    name: str
    onnx_type: str
    dims: tuple[int, ...]


def interface_complaints(
    config: Config, inputs: Iterable[Port], outputs: Iterable[Port]
) -> tuple[str, ...]:
    """Everything in which the network differs from the configuration; none if it can be served.

    Outputs that the configuration does not name are allowed: nobody asks for them.
    """
    is_batched = int(config.get("max_batch_size", 0)) > 0
    given_inputs, given_outputs = list(inputs), list(outputs)
    wanted_inputs = list(config.get("input", ()))
    complaints = [
        *_complaints("input", wanted_inputs, given_inputs, is_batched),
        *_complaints("output", config.get("output", ()), given_outputs, is_batched),
    ]
    known = {wanted["name"] for wanted in wanted_inputs}
    complaints += [
        f"the network has an input {port.name}, which the configuration lacks"
        for port in given_inputs
        if port.name not in known
    ]
    return tuple(complaints)


def _complaints(
    kind: str, wanted: Iterable[Mapping[str, Any]], given: list[Port], is_batched: bool
) -> list[str]:
    ports = {port.name: port for port in given}
    complaints = []
    for tensor in wanted:
        name = tensor["name"]
        port = ports.get(name)
        if port is None:
            complaints.append(f"it has no {kind} {name} (it has: {', '.join(ports) or 'none'})")
            continue
        data_type = tensor["data_type"]
        if port.onnx_type != ONNX_TYPES.get(data_type):
            complaints.append(
                f"{kind} {name} is {data_type} in the configuration and {port.onnx_type} in it"
            )
        expected = _expected_dims(tensor, is_batched)
        if not _fit(port.dims, expected, is_exact=kind == "output"):
            complaints.append(
                f"{kind} {name} is {_shown(expected)} in the configuration"
                f"{', batch first,' if is_batched else ''} and {_shown(port.dims)} in it"
            )
    return complaints


def _expected_dims(tensor: Mapping[str, Any], is_batched: bool) -> tuple[int, ...]:
    """What the network has to have: ``reshape`` is what Triton makes of the dims for it."""
    reshape = tensor.get("reshape")
    dims = tensor.get("dims", ()) if reshape is None else reshape.get("shape", ())
    sizes = tuple(int(size) for size in dims)
    return (ANY, *sizes) if is_batched else sizes


def _fit(given: tuple[int, ...], expected: tuple[int, ...], *, is_exact: bool) -> bool:
    """An input may be open where the configuration is not; an output is to be just that."""
    return len(given) == len(expected) and all(
        one == other or (one == ANY and not is_exact)
        for one, other in zip(given, expected, strict=True)
    )


def _shown(dims: tuple[int, ...]) -> str:
    return f"[{', '.join(map(str, dims))}]"
