"""The parent's side: a process tries the file, within a time and a memory, and reports by files."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import signal
import sys
import tempfile
from contextlib import suppress
from math import ceil
from pathlib import Path
from typing import Any

import numpy as np

from control_plane.adapters.onnx.trial import INPUTS, MODEL, OUTPUTS, TASK, VERDICT
from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Config
from control_plane.core.printable import printable
from control_plane.errors import ConfigurationError, InvalidArgument

PROGRAM = "control_plane.adapters.onnx.trial"
MAX_REPORT_BYTES = 64 * 1024
MAX_OUTPUT_BYTES = 256 * 1024 * 1024
# Of the environment, what Python and its libraries are found by; nothing that could be a secret.
PASSED_ON = ("PATH", "LD_LIBRARY_PATH", "LANG", "VIRTUAL_ENV", "TMPDIR")


class OnnxTrial:
    """An OnnxChecker that trusts the file with nothing of this process."""

    def __init__(self, *, timeout_s: float, memory_bytes: int) -> None:
        self._timeout_s = timeout_s
        self._memory_bytes = memory_bytes

    async def check(self, onnx: Path, config: Config, inputs: Tensors | None) -> Tensors:
        with tempfile.TemporaryDirectory(prefix="tidegate-onnx-") as name:
            folder = Path(name)
            await asyncio.to_thread(self._prepare, folder, onnx, config, inputs)
            status = await self._run(folder)
            return await asyncio.to_thread(_read, folder, status)

    def _prepare(self, folder: Path, onnx: Path, config: Config, inputs: Tensors | None) -> None:
        try:
            (folder / MODEL).hardlink_to(onnx)
        except OSError:  # on another file system
            shutil.copyfile(onnx, folder / MODEL)
        task = {
            "config": config,
            "memory_bytes": self._memory_bytes,
            "cpu_s": ceil(self._timeout_s) + 1,
            "file_bytes": MAX_OUTPUT_BYTES,
        }
        (folder / TASK).write_text(json.dumps(task))
        if inputs is not None:
            np.savez(folder / INPUTS, **inputs)

    async def _run(self, folder: Path) -> int:
        """The exit status; below zero the signal that ended it. Raises InvalidArgument."""
        with (folder / "log").open("wb") as log:
            process = await asyncio.create_subprocess_exec(
                sys.executable, "-m", PROGRAM, str(folder), cwd=folder,
                env=_environment(),
                stdin=asyncio.subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True,
            )  # fmt: skip
            try:
                async with asyncio.timeout(self._timeout_s):
                    return await process.wait()
            except TimeoutError:
                raise InvalidArgument(
                    f"the ONNX file was not loaded and run within {self._timeout_s:g} s",
                    field="onnx",
                ) from None
            finally:
                with suppress(ProcessLookupError):
                    process.kill()
                await process.wait()


def _environment() -> dict[str, str]:
    passed_on = {name: os.environ[name] for name in PASSED_ON if name in os.environ}
    # It runs in another folder, where a relative path would lead elsewhere.
    found_by = os.pathsep.join(os.path.abspath(path) for path in sys.path if path)
    one_thread = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    return {**passed_on, **one_thread, "PYTHONPATH": found_by}


def _read(folder: Path, status: int) -> Tensors:
    """What the process reports. Raises InvalidArgument, ConfigurationError."""
    verdict = _read_verdict(folder / VERDICT)
    if verdict is None:
        how = f"exit status {status}"
        if status < 0:
            with suppress(ValueError):
                how = signal.Signals(-status).name
        said = printable((folder / "log").read_text(errors="replace")[-300:]).strip()
        raise InvalidArgument(
            f"the ONNX file brought the process down that tried it ({how}): {said or 'no word'}",
            field="onnx",
        )
    if verdict.get("lacks_runtime"):
        raise ConfigurationError(
            "ONNX Runtime is not installed here, so no ONNX file can be checked: "
            "pip install 'tidegate[embedded]'",
            field="onnx",
        )
    if not verdict["is_fit"]:
        reason = printable(" ".join(str(verdict["reason"]).split()))
        raise InvalidArgument(f"the ONNX file cannot be served: {reason}", field="onnx")
    if not (folder / OUTPUTS).exists():
        return {}
    with np.load(folder / OUTPUTS, allow_pickle=False) as stored:
        return {name: stored[name] for name in stored.files}


def _read_verdict(path: Path) -> dict[str, Any] | None:
    try:
        if path.stat().st_size > MAX_REPORT_BYTES:
            return None
        verdict = json.loads(path.read_text())
    except (OSError, ValueError):
        return None
    return verdict if isinstance(verdict, dict) and "is_fit" in verdict else None
