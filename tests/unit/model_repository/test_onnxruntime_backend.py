"""The Python-based ``onnxruntime`` backend on networks of two nodes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import onnx
import pytest
from google.protobuf import text_format
from onnx import TensorProto, helper
from tritonclient.grpc import model_config_pb2

from tests.unit.model_repository.conftest import (
    ONNX_BACKEND,
    InferenceRequest,
    TritonModelException,
    arguments,
)

CONFIG = """
name: "doubler" backend: "onnxruntime" max_batch_size: 8
input [ { name: "X" data_type: TYPE_FP32 dims: [ 2 ] } ]
output [ { name: "DOUBLE" data_type: TYPE_FP32 dims: [ 2 ] },
         { name: "SQUARE" data_type: TYPE_FP32 dims: [ 2 ] } ]
parameters { key: "intra_op_thread_count" value { string_value: "1" } }
"""
Backend = Callable[..., Any]


def network(path: Path, *, batch: int | str = "batch") -> None:
    def tensor(name: str) -> Any:
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [batch, 2])

    graph = helper.make_graph(
        [
            helper.make_node("Add", ["X", "X"], ["DOUBLE"]),
            helper.make_node("Mul", ["X", "X"], ["SQUARE"]),
        ],
        "doubler",
        [tensor("X")],
        [tensor("DOUBLE"), tensor("SQUARE")],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=9)
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, str(path))


@pytest.fixture
def backend(load: Callable[[Path], Any], tmp_path: Path) -> Backend:
    def make(config: str = CONFIG, filename: str = "model.onnx", **how: Any) -> Any:
        network(tmp_path / "1" / filename, **how)
        instance = load(ONNX_BACKEND).TritonPythonModel()
        parsed = text_format.Parse(config, model_config_pb2.ModelConfig())
        instance.initialize(arguments(parsed, tmp_path))
        return instance

    return make


def request(*rows: list[float], outputs: tuple[str, ...] = ("DOUBLE", "SQUARE")) -> Any:
    return InferenceRequest({"X": np.array(rows, np.float32)}, list(outputs))


def count_runs(instance: Any) -> list[int]:
    """Wraps the session; the list grows by the rows of every run."""
    rows: list[int] = []
    session = instance._session

    class Counting:
        def run(self, names: list[str], feed: dict[str, Any]) -> Any:
            rows.append(len(feed["X"]))
            return session.run(names, feed)

    instance._session = Counting()
    return rows


def test_requests_that_come_together_are_one_run(backend: Backend) -> None:
    instance = backend()
    runs = count_runs(instance)
    answers = [
        response.arrays()
        for response in instance.execute(
            [
                request([1, 2]),
                request([3, 4], [5, 6], outputs=("SQUARE",)),
                request([7, 8], outputs=("DOUBLE",)),
            ]
        )
    ]
    assert runs == [4]
    assert [list(answer) for answer in answers] == [["DOUBLE", "SQUARE"], ["SQUARE"], ["DOUBLE"]]
    assert answers[0]["SQUARE"].tolist() == [[1, 4]]
    assert answers[1]["SQUARE"].tolist() == [[9, 16], [25, 36]]
    assert answers[2]["DOUBLE"].tolist() == [[14, 16]]


def test_one_request_alone_is_run_as_it_is(backend: Backend) -> None:
    (response,) = backend().execute([request([1, 2], outputs=("DOUBLE",))])
    assert {name: array.tolist() for name, array in response.arrays().items()} == {
        "DOUBLE": [[2, 4]]
    }


def test_a_batch_that_fails_is_run_one_by_one_so_only_the_culprit_is_answered_so(
    backend: Backend, utils: ModuleType
) -> None:
    instance = backend()
    good, bad, also_good = instance.execute([request([1, 2]), request([1, 2, 3]), request([3, 4])])
    assert good.arrays()["DOUBLE"].tolist() == [[2, 4]]
    assert "invalid dimensions" in bad.error().message()
    assert also_good.arrays()["DOUBLE"].tolist() == [[6, 8]]
    assert "a batch of 3 requests failed" in utils.Logger.warnings[0]


def test_a_network_of_a_fixed_batch_is_found_out_and_run_one_by_one(backend: Backend) -> None:
    answers = backend(batch=1).execute([request([1, 2]), request([3, 4])])
    assert [answer.arrays()["DOUBLE"].tolist() for answer in answers] == [[[2, 4]], [[6, 8]]]


def test_a_model_that_does_not_batch_is_never_joined(backend: Backend) -> None:
    config = CONFIG.replace("max_batch_size: 8", "max_batch_size: 0").replace(
        "dims: [ 2 ]", "dims: [ 1, 2 ]"
    )
    instance = backend(config)
    runs = count_runs(instance)
    instance.execute([request([1, 2]), request([3, 4])])
    assert runs == [1, 1]


def test_the_default_filename_is_the_configurations(backend: Backend) -> None:
    config = CONFIG + 'default_model_filename: "other.onnx"'
    assert backend(config, filename="other.onnx").execute([request([1, 2])])


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ('default_model_filename: "no.onnx"', "version 1: there is no file no.onnx"),
        (
            'output [ { name: "HALF" data_type: TYPE_FP32 dims: [ 2 ] } ]',
            r"the network has no output HALF \(it has DOUBLE, SQUARE\)",
        ),
        (
            'input [ { name: "Y" data_type: TYPE_FP32 dims: [ 2 ] } ]',
            "the network has no input Y",
        ),
    ],
)
def test_a_configuration_that_does_not_fit_is_refused_by_name(
    backend: Backend, wrong: str, message: str
) -> None:
    with pytest.raises(TritonModelException, match=f"model 'doubler' .*{message}"):
        backend(CONFIG + wrong)


def test_a_wrong_type_is_refused(backend: Backend) -> None:
    config = CONFIG.replace('"SQUARE" data_type: TYPE_FP32', '"SQUARE" data_type: TYPE_INT64')
    with pytest.raises(
        TritonModelException,
        match=r"output SQUARE is TYPE_INT64 in the configuration and tensor\(float\)",
    ):
        backend(config)


def test_an_input_the_configuration_forgets_is_named(backend: Backend) -> None:
    config = CONFIG.replace('input [ { name: "X" data_type: TYPE_FP32 dims: [ 2 ] } ]', "")
    with pytest.raises(TritonModelException, match="the configuration lacks the input X"):
        backend(config)


def test_a_file_that_is_no_network(backend: Backend, tmp_path: Path) -> None:
    (tmp_path / "1").mkdir()
    (tmp_path / "1" / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(TritonModelException, match=r"ONNX Runtime cannot load broken\.onnx"):
        backend(CONFIG + 'default_model_filename: "broken.onnx"')
