"""``tidegate golden`` against a gRPC server that answers as the control plane does."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import grpc
import pytest
from tritonclient.grpc import service_pb2_grpc
from typer.testing import Result

from control_plane.adapters.golden_files import read_goldens
from control_plane.core.catalogue import ModelSpec, build_engines
from tests.unit.fakes import echo

Tidegate = Callable[..., Result]

INPUTS = [{"name": "X", "datatype": "FP32", "shape": [2], "data": [1.0, 2.5]}]


class ControlPlane(service_pb2_grpc.GRPCInferenceServiceServicer):
    """Serves release 1.0.0 of every engine but ``nobody``, as an echo."""

    def ModelInfer(self, request: Any, context: Any) -> Any:  # noqa: N802
        if request.model_name == "nobody":
            context.abort(grpc.StatusCode.NOT_FOUND, "unknown model 'nobody'; engines: damage")
        assert request.model_version in ("stable", "1.0.0")
        context.set_trailing_metadata((("x-tidegate-release", "1.0.0"),))
        answer = echo(request)
        if request.model_name == "mangled":
            answer.outputs[0].datatype = "BYTES"
            answer.raw_output_contents[0] = b"\x01\x00\x00\x00\xff"
        return answer


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    server = grpc.server(ThreadPoolExecutor(2))
    service_pb2_grpc.add_GRPCInferenceServiceServicer_to_server(ControlPlane(), server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    yield f"127.0.0.1:{port}"
    server.stop(None)


@pytest.fixture
def tensors(tmp_path: Path) -> Path:
    path = tmp_path / "tensors.json"
    path.write_text(json.dumps({"inputs": INPUTS}))
    return path


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    folder = tmp_path / "model_repository"
    folder.mkdir()
    return folder


def test_what_is_written_is_what_is_read_at_start(
    tidegate: Tidegate, address: str, tensors: Path, repository: Path
) -> None:
    result = tidegate("golden", "echo", tensors, "--grpc", address)
    assert result.exit_code == 0, result.output
    assert "echo 1.0.0: X" in result.output
    assert sorted(path.name for path in repository.iterdir()) == [
        "echo--1.0.0.golden.json",
        "echo.golden.json",
    ]
    engines = build_engines({"echo": ModelSpec("echo", {"name": "echo"}, (1,))}, {})
    golden = read_goldens(repository, engines, {})["echo"]
    assert golden.inputs["X"].tolist() == [1.0, 2.5]
    assert golden.answers["1.0.0"]["X"].tolist() == [1.0, 2.5]


def test_a_photo_is_sent_as_one_and_kept_as_it_is(
    tidegate: Tidegate, address: str, photo: Path, repository: Path
) -> None:
    result = tidegate("golden", "mangled", photo, "--grpc", address)
    assert result.exit_code == 1  # the photo comes back as it was: bytes that are no text
    assert "cannot be written down" in result.output
    assert list(repository.iterdir()) == []


def test_as_json(tidegate: Tidegate, address: str, tensors: Path, repository: Path) -> None:
    result = tidegate("golden", "echo", tensors, "--release", "1.0.0", "--grpc", address, "--json")
    assert json.loads(result.stdout) == {
        "engine": "echo",
        "release": "1.0.0",
        "files": ["model_repository/echo.golden.json", "model_repository/echo--1.0.0.golden.json"],
    }


def test_a_refusal_is_told_and_nothing_written(
    tidegate: Tidegate, address: str, tensors: Path, repository: Path
) -> None:
    result = tidegate("golden", "nobody", tensors, "--grpc", address)
    assert result.exit_code == 1
    assert "unknown model 'nobody'" in result.output
    assert list(repository.iterdir()) == []


def test_nobody_there(tidegate: Tidegate, free_port: int, tensors: Path, repository: Path) -> None:
    result = tidegate("golden", "echo", tensors, "--grpc", f"127.0.0.1:{free_port}")
    assert result.exit_code == 1
    assert "no control plane answers" in result.output


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("notes.txt", "hello", "neither a photo"),
        ("empty.json", "{}", "has no KServe v2 inputs"),
        ("broken.json", "{", "has no KServe v2 inputs"),
    ],
)
def test_an_input_that_is_none(
    tidegate: Tidegate, tmp_path: Path, repository: Path, name: str, content: str, said: str
) -> None:
    path = tmp_path / name
    path.write_text(content)
    result = tidegate("golden", "echo", path)
    assert result.exit_code == 1
    assert said in result.output
