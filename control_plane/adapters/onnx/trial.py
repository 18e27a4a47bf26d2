"""The child's side: loads an ONNX file in ONNX Runtime, compares it, runs it once, and reports.

    python -m control_plane.adapters.onnx.trial FOLDER

FOLDER holds ``model.onnx``, ``task.json`` (configuration and bounds), ``inputs.npz`` if it is to be
run; it gets ``outputs.npz`` and ``verdict.json``. The file is a stranger's: it may take all memory,
run for ever, or bring the process down. So the process bounds itself before it looks at the file.
"""

from __future__ import annotations

import json
import mmap
import resource
import sys
from pathlib import Path
from typing import Any

import numpy as np

from control_plane.adapters.onnx.external_data import NO_ONNX, has_external_data
from control_plane.core.interface import ANY, Port, interface_complaints

MODEL, TASK, INPUTS, OUTPUTS, VERDICT = (
    "model.onnx",
    "task.json",
    "inputs.npz",
    "outputs.npz",
    "verdict.json",
)
REASON_LENGTH = 600


class Unfit(Exception):
    """The file cannot be served; the words say why."""


class NoRuntime(Exception):
    """ONNX Runtime is not installed."""


def main() -> None:
    folder = Path(sys.argv[1])
    task = json.loads((folder / TASK).read_text())
    bound(task["memory_bytes"], task["cpu_s"], task["file_bytes"])
    try:
        try_file(folder, task["config"])
        verdict = {"is_fit": True, "reason": ""}
    except Unfit as unfit:
        verdict = {"is_fit": False, "reason": str(unfit)[:REASON_LENGTH]}
    except NoRuntime:
        verdict = {"is_fit": False, "reason": "", "lacks_runtime": True}
    except MemoryError:
        verdict = {"is_fit": False, "reason": "it takes more memory than it may"}
    (folder / VERDICT).write_text(json.dumps(verdict))


def bound(memory_bytes: int, cpu_s: int, file_bytes: int) -> None:
    """What this process may take, from now on."""
    for limit, value in (
        (resource.RLIMIT_AS, memory_bytes),
        (resource.RLIMIT_CPU, cpu_s),
        (resource.RLIMIT_FSIZE, file_bytes),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(limit)
        lowest = value if hard == resource.RLIM_INFINITY else min(value, hard)
        resource.setrlimit(limit, (lowest, hard))


def try_file(folder: Path, config: dict[str, Any]) -> None:
    """Raises Unfit and NoRuntime."""
    path = folder / MODEL
    _check_whole(path)
    session = _load(path)
    complaints = interface_complaints(
        config, map(_port, session.get_inputs()), map(_port, session.get_outputs())
    )
    if complaints:
        raise Unfit("; ".join(complaints))
    if (folder / INPUTS).exists():
        with np.load(folder / INPUTS, allow_pickle=False) as stored:
            inputs = {name: stored[name] for name in stored.files}
        outputs = _run(session, config, inputs)
        np.savez(folder / OUTPUTS, **outputs)


def _check_whole(path: Path) -> None:
    if path.stat().st_size == 0:
        raise Unfit("it is empty")
    with path.open("rb") as file:
        # Closed by nobody: what is raised has views of it in its traceback, and so it cannot be.
        mapped = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
    try:
        is_external = has_external_data(memoryview(mapped))
    except ValueError as error:
        raise Unfit(str(error)) from None
    if is_external:
        raise Unfit(
            "some of its weights lie in other files (external data); "
            "save it as one file: onnx.save_model(model, path, save_as_external_data=False)"
        )


def _load(path: Path) -> Any:
    try:
        import onnxruntime
    except ImportError:
        raise NoRuntime from None
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = 1
    options.inter_op_num_threads = 1
    options.log_severity_level = 4
    try:
        return onnxruntime.InferenceSession(
            str(path), sess_options=options, providers=["CPUExecutionProvider"]
        )
    except MemoryError:
        raise
    except Exception as failure:  # ONNX Runtime's have no common class
        if type(failure).__name__ == "InvalidProtobuf":
            raise Unfit(NO_ONNX) from None
        raise Unfit(f"ONNX Runtime cannot load it: {failure}") from None


def _port(found: Any) -> Port:
    dims = tuple(size if isinstance(size, int) else ANY for size in found.shape)
    return Port(found.name, found.type, dims)


def _run(session: Any, config: dict[str, Any], inputs: dict[str, Any]) -> dict[str, Any]:
    """Its answer to the golden input: of the shape promised, and finite."""
    names = [tensor["name"] for tensor in config.get("output", ())]
    try:
        results = session.run(names, inputs)
    except MemoryError:
        raise
    except Exception as failure:
        raise Unfit(f"it fails on the golden input: {failure}") from None
    is_batched = int(config.get("max_batch_size", 0)) > 0
    batch = len(next(iter(inputs.values()))) if is_batched else None
    for tensor, result in zip(config.get("output", ()), results, strict=True):
        _check_output(tensor, result, batch)
    return dict(zip(names, results, strict=True))


def _check_output(tensor: dict[str, Any], result: Any, batch: int | None) -> None:
    name = tensor["name"]
    dims = (tensor.get("reshape") or {}).get("shape", tensor.get("dims", ()))
    expected = [*([batch] if batch is not None else []), *map(int, dims)]
    fits = result.ndim == len(expected) and all(
        wanted in (ANY, size) for wanted, size in zip(expected, result.shape, strict=True)
    )
    if not fits:
        raise Unfit(
            f"on the golden input its output {name} has the shape {list(result.shape)}; "
            f"the configuration promises {expected}"
        )
    if np.issubdtype(result.dtype, np.floating):
        is_odd = ~np.isfinite(result)
        if is_odd.any():
            raise Unfit(
                f"on the golden input its output {name} has {int(is_odd.sum())} of "
                f"{result.size} values that are no finite numbers"
            )


if __name__ == "__main__":
    main()
