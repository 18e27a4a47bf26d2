"""Strangers' ONNX files, each tried in a process of its own."""

from __future__ import annotations

import asyncio
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from control_plane.adapters.onnx.checker import OnnxTrial
from control_plane.core.answers import Tensors
from control_plane.errors import ConfigurationError, InvalidArgument
from tests.unit.networks import config, endless, greedy, infinite, network

INPUTS: Tensors = {"X": np.arange(4, dtype=np.float32)[None]}
MEMORY_BYTES = 8 * 1024**3


async def check(
    path: Path,
    *,
    inputs: Tensors | None = INPUTS,
    timeout_s: float = 60.0,
    memory_bytes: int = MEMORY_BYTES,
) -> Tensors:
    trial = OnnxTrial(timeout_s=timeout_s, memory_bytes=memory_bytes)
    return await trial.check(path, config(), inputs)


async def refusal(path: Path, **options: float) -> str:
    with pytest.raises(InvalidArgument) as refused:
        await check(path, **options)  # type: ignore[arg-type]
    assert refused.value.field == "onnx"
    return refused.value.message


async def test_what_can_be_served_answers(tmp_path: Path) -> None:
    outputs = await check(network(tmp_path / "good.onnx"))
    assert list(outputs) == ["Y"]
    np.testing.assert_array_equal(outputs["Y"], [[0, 2, 4, 6]])


async def test_without_a_golden_input_it_is_loaded_and_compared_only(tmp_path: Path) -> None:
    assert await check(network(tmp_path / "good.onnx"), inputs=None) == {}
    assert "has no output Y" in await refusal(network(tmp_path / "bad.onnx", gives="Z"))


async def test_one_that_promises_something_else(tmp_path: Path) -> None:
    assert await refusal(network(tmp_path / "bad.onnx", ("batch", 5))) == (
        "the ONNX file cannot be served: "
        "input X is [-1, 4] in the configuration, batch first, and [-1, 5] in it; "
        "output Y is [-1, 4] in the configuration, batch first, and [-1, 5] in it"
    )


async def test_one_with_infinite_answers(tmp_path: Path) -> None:
    assert await refusal(infinite(tmp_path / "bad.onnx")) == (
        "the ONNX file cannot be served: on the golden input its output Y has 4 of 4 values that "
        "are no finite numbers"
    )


async def test_one_whose_weights_lie_elsewhere(tmp_path: Path) -> None:
    path = network(tmp_path / "bad.onnx", external=True)
    assert "some of its weights lie in other files (external data)" in await refusal(path)


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "it is empty"),
        (b"GIF89a", "it is no ONNX file"),
        (b"a text\n" * 50, "it is no ONNX file"),
        (bytes(1000), "it is no ONNX file"),
        (b"\x08\x07\x42\x01\x0b", "it is no ONNX file"),  # ONNX Runtime finds this out
        (b"\x08\x07", "ONNX Runtime cannot load it: "),
    ],
)
async def test_what_is_no_onnx_at_all(tmp_path: Path, content: bytes, reason: str) -> None:
    path = tmp_path / "bad.onnx"
    path.write_bytes(content)
    message = await refusal(path)
    assert message.startswith(f"the ONNX file cannot be served: {reason}")
    if not reason.endswith(" "):
        assert message.endswith(reason)


@pytest.mark.parametrize("left", [1, 0.1, 0.5, 0.9, -1])
async def test_one_that_was_cut_off(tmp_path: Path, left: float) -> None:
    content = network(tmp_path / "good.onnx").read_bytes()
    path = tmp_path / "bad.onnx"
    path.write_bytes(content[: left if isinstance(left, int) else int(left * len(content))])
    assert (await refusal(path)).startswith(
        "the ONNX file cannot be served: it is no ONNX file: it ends in the middle of "
    )


async def test_one_that_never_ends_is_ended(tmp_path: Path) -> None:
    path = endless(tmp_path / "bad.onnx")
    started_s = time.monotonic()
    assert await refusal(path, timeout_s=4.0) == ("the ONNX file was not loaded and run within 4 s")
    assert time.monotonic() - started_s < 15


async def test_one_that_wants_all_memory_does_not_get_it(tmp_path: Path) -> None:
    message = await refusal(greedy(tmp_path / "bad.onnx"))
    assert message.startswith("the ONNX file")


async def test_who_is_told_to_stop_leaves_no_process(tmp_path: Path) -> None:
    path = endless(tmp_path / "bad.onnx")
    asked = asyncio.create_task(check(path))
    await asyncio.sleep(0.05)
    asked.cancel()
    with pytest.raises(asyncio.CancelledError):
        await asked


async def test_without_onnx_runtime_it_is_said_how_to_get_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("raise ImportError('no')")
    monkeypatch.syspath_prepend(str(tmp_path))
    assert sys.path[0] == str(tmp_path)
    with pytest.raises(ConfigurationError, match=r"pip install 'tidegate\[embedded\]'"):
        await check(network(tmp_path / "good.onnx"))


async def test_a_process_that_dies_is_told_from_a_verdict(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "onnxruntime.py").write_text("import os\nos.abort()")
    monkeypatch.syspath_prepend(str(tmp_path))
    message = await refusal(network(tmp_path / "good.onnx"))
    assert message.startswith("the ONNX file brought the process down that tried it (SIGABRT)")
