"""A trained network to the ONNX file that Triton serves, and the proof that both say the same."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import onnx
import onnxruntime
import torch
from torch import nn

from engines.contract import OPSET
from engines.tasks import Task

MAX_BYTES = 8 * 1024 * 1024


def export(task: Task, network: nn.Module, path: Path, *, note: str) -> None:
    """Write one network as ONNX with a dynamic batch.

    ``note`` (how it was trained) goes into the file's doc string. Raises ValueError for a file
    over ``MAX_BYTES`` or one that answers otherwise than the network does.
    """
    servable = task.servable(network).eval()
    path.parent.mkdir(parents=True, exist_ok=True)
    example = torch.zeros((2, task.input_size, task.input_size, 3), dtype=torch.uint8)
    names = ("PIXELS", *task.output_names)
    with torch.no_grad():
        shapes = [tuple(example.shape), *(tuple(output.shape) for output in servable(example))]
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings(), torch.no_grad():
        # The TorchScript exporter is deprecated but writes the opset that Triton 2.40 can read,
        # and folds each batch norm into its convolution.
        warnings.simplefilter("ignore")
        torch.onnx.export(
            servable,
            (example,),
            str(path),
            input_names=["PIXELS"],
            output_names=list(task.output_names),
            dynamic_axes={name: {0: "batch"} for name in names},
            opset_version=OPSET,
            dynamo=False,
        )
    _finish(path, dict(zip(names, shapes, strict=True)), note=f"{task.name}: {note}")
    if path.stat().st_size > MAX_BYTES:
        raise ValueError(f"{path} is {path.stat().st_size} bytes, over the limit of {MAX_BYTES}")
    differences = difference(task, network, path)
    if max(differences.values()) > 1e-3:
        raise ValueError(f"{path} differs from the network: {differences}")


def session(path: Path, *, threads: int = 1) -> Any:
    """An ONNX Runtime session on the CPU that uses ``threads`` cores."""
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = threads
    options.inter_op_num_threads = 1
    return onnxruntime.InferenceSession(
        str(path), sess_options=options, providers=["CPUExecutionProvider"]
    )


def difference(task: Task, network: nn.Module, path: Path, *, batch: int = 3) -> dict[str, float]:
    """The largest absolute difference of each output between the file and the network.

    Rows of a detector whose scores nearly tie may rightly change places; they are left out.
    """
    rng = np.random.default_rng(20)
    shape = (batch, task.input_size, task.input_size, 3)
    pixels: npt.NDArray[np.uint8] = rng.integers(0, 256, shape, np.uint8)
    with torch.no_grad():
        wanted = task.servable(network).eval()(torch.from_numpy(pixels))
    expected = dict(zip(task.output_names, (value.numpy() for value in wanted), strict=True))
    values = session(path).run(list(task.output_names), {"PIXELS": pixels})
    answered = dict(zip(task.output_names, values, strict=True))
    settled = _settled(expected["SCORES"]) if "SCORES" in expected else slice(None)
    found: dict[str, float] = {}
    for name, theirs in expected.items():
        rows = slice(None) if name == "SCORES" else settled
        gap = np.abs(answered[name][rows].astype(np.float64) - theirs[rows])
        found[name] = float(gap.max(initial=0.0))
    return found


def _settled(scores: npt.NDArray[np.float32]) -> npt.NDArray[np.bool_]:
    """Which of falling scores ``[b, k]`` stand clear of their neighbours."""
    step = -np.diff(scores, axis=1) > 1e-5
    edge = np.ones((len(scores), 1), bool)
    clear: npt.NDArray[np.bool_] = np.hstack([edge, step]) & np.hstack([step, ~edge])
    return clear


def _finish(path: Path, shapes: dict[str, tuple[int, ...]], *, note: str) -> None:
    """Name the file's origin, and state each tensor's shape with the batch as its one free axis."""
    model = onnx.load(str(path))
    model.doc_string = note
    model.producer_name = "tidegate engines"
    for value in (*model.graph.input, *model.graph.output):
        axes = value.type.tensor_type.shape.dim
        for axis, length in zip(axes[1:], shapes[value.name][1:], strict=True):
            axis.dim_value = length
    onnx.checker.check_model(model)
    onnx.save(model, str(path))
