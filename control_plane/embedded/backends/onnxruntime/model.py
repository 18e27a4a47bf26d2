"""Serves every model whose configuration says ``backend: "onnxruntime"``, through ONNX Runtime.

Triton runs this file as a Python-based backend where its native ONNX Runtime backend is missing,
as in the wheel. It reads the same ``config.pbtxt`` and ``model.onnx``, so one model repository
serves on both. All requests of one ``execute`` become one run on the concatenated batch; if that
run fails, each request is tried alone, so that only the one at fault is answered with an error.

It runs inside Triton's stub process and imports nothing of Tidegate.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import triton_python_backend_utils as pb_utils

Array = np.ndarray[Any, Any]
DEFAULT_FILENAME = "model.onnx"
ONNX_TYPES = {
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


class TritonPythonModel:
    def initialize(self, args: dict[str, str]) -> None:
        config = json.loads(args["model_config"])
        model = config["name"]
        path = model_file(args, config)
        if not path.is_file():
            raise pb_utils.TritonModelException(
                f"model '{model}' version {args['model_version']}: there is no file {path.name}"
            )
        try:
            self._session = onnxruntime.InferenceSession(
                str(path), sess_options=session_options(config), providers=["CPUExecutionProvider"]
            )
        except Exception as failure:
            raise pb_utils.TritonModelException(
                f"model '{model}' version {args['model_version']}: ONNX Runtime cannot load "
                f"{path.name}: {failure}"
            ) from failure
        mistakes = [
            *disagreements("input", config["input"], self._session.get_inputs()),
            *disagreements("output", config["output"], self._session.get_outputs()),
        ]
        if mistakes:
            raise pb_utils.TritonModelException(
                f"model '{model}' version {args['model_version']}: {'; '.join(mistakes)}"
            )
        self._inputs = [tensor["name"] for tensor in config["input"]]
        self._outputs = [tensor["name"] for tensor in config["output"]]
        self._batches = int(config.get("max_batch_size", 0)) > 0

    def execute(self, requests: list[Any]) -> list[Any]:
        feeds = [self._feed(request) for request in requests]
        wanted = [set(request.requested_output_names()) for request in requests]
        if self._batches and len(requests) > 1:
            try:
                return self._run_together(feeds, wanted)
            except Exception as failure:
                pb_utils.Logger.log_warn(
                    f"a batch of {len(requests)} requests failed and is run one by one: {failure}"
                )
        return [self._run_alone(feed, names) for feed, names in zip(feeds, wanted, strict=True)]

    def _feed(self, request: Any) -> dict[str, Array]:
        return {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self._inputs
        }

    def _run_together(self, feeds: list[dict[str, Array]], wanted: list[set[str]]) -> list[Any]:
        """One run over all requests, whose batch dimensions are joined and cut apart again."""
        names = [name for name in self._outputs if any(name in some for some in wanted)]
        batch = {name: np.concatenate([feed[name] for feed in feeds]) for name in self._inputs}
        results = self._session.run(names, batch)
        sizes = [len(feed[self._inputs[0]]) for feed in feeds]
        for name, result in zip(names, results, strict=True):
            if len(result) != sum(sizes):
                raise ValueError(f"output {name} has {len(result)} rows for {sum(sizes)} asked")
        ends = np.cumsum(sizes)
        return [
            pb_utils.InferenceResponse(
                [
                    pb_utils.Tensor(name, result[end - size : end])
                    for name, result in zip(names, results, strict=True)
                    if name in some
                ]
            )
            for some, size, end in zip(wanted, sizes, ends, strict=True)
        ]

    def _run_alone(self, feed: dict[str, Array], wanted: set[str]) -> Any:
        names = [name for name in self._outputs if name in wanted]
        try:
            results = self._session.run(names, feed)
        except Exception as failure:
            return pb_utils.InferenceResponse(error=pb_utils.TritonError(str(failure)))
        return pb_utils.InferenceResponse(
            [pb_utils.Tensor(name, result) for name, result in zip(names, results, strict=True)]
        )


def model_file(args: dict[str, str], config: dict[str, Any]) -> Path:
    filename = config.get("default_model_filename") or DEFAULT_FILENAME
    return Path(args["model_repository"]) / args["model_version"] / filename


def session_options(config: dict[str, Any]) -> onnxruntime.SessionOptions:
    """The options the native backend reads from the same parameters, as far as they matter here."""
    parameters = config.get("parameters", {})

    def number(name: str, default: int) -> int:
        return int(parameters.get(name, {}).get("string_value", default))

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = number("intra_op_thread_count", 0)
    options.inter_op_num_threads = number("inter_op_thread_count", 0)
    # Threads that spin while they wait would burn the cores that the other models need.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    options.log_severity_level = 3
    return options


def disagreements(kind: str, configured: list[dict[str, Any]], found: list[Any]) -> list[str]:
    """What the configuration and the network say differently about names and types."""
    types = {tensor.name: tensor.type for tensor in found}
    mistakes = []
    for tensor in configured:
        name, data_type = tensor["name"], tensor["data_type"]
        if name not in types:
            mistakes.append(f"the network has no {kind} {name} (it has {', '.join(types)})")
        elif types[name] != ONNX_TYPES.get(data_type):
            mistakes.append(
                f"{kind} {name} is {data_type} in the configuration and {types[name]} in the "
                "network"
            )
    if kind == "input":
        names = {tensor["name"] for tensor in configured}
        mistakes += [f"the configuration lacks the input {name}" for name in types.keys() - names]
    return mistakes
