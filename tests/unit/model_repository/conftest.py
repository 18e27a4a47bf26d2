"""Loads ``model.py`` files without Triton, around a small fake of its Python module.

The fake does what has been seen on Triton 2.51: strings come as an object array of ``bytes``,
``requested_output_names`` is a set of only what the client, or the step of an ensemble, maps, an
error stands beside no tensors, and object arrays may hold ``str`` or ``bytes``.
"""

from __future__ import annotations

import importlib.util
import json
import sys
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import pytest
from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

ROOT = Path(__file__).parents[3]
REPOSITORY = ROOT / "model_repository"
ONNX_BACKEND = ROOT / "control_plane/embedded/backends/onnxruntime/model.py"

Array = np.ndarray[Any, Any]


class Tensor:
    def __init__(self, name: str, array: Array) -> None:
        if not isinstance(array, np.ndarray):
            raise TypeError("Tensor: incompatible function arguments")
        self._name, self._array = name, np.ascontiguousarray(array)

    def name(self) -> str:
        return self._name

    def as_numpy(self) -> Array:
        return self._array


class TritonError(Exception):
    UNKNOWN, INTERNAL, NOT_FOUND, INVALID_ARG = range(4)

    def __init__(self, message: str, code: int = INTERNAL) -> None:
        super().__init__(message)
        self._message, self._code = message, code

    def message(self) -> str:
        return self._message

    def code(self) -> int:
        return self._code


class TritonModelException(Exception):
    pass


class InferenceRequest:
    def __init__(self, inputs: dict[str, Array], outputs: list[str]) -> None:
        self._inputs = [Tensor(name, array) for name, array in inputs.items()]
        self._outputs = outputs

    def inputs(self) -> list[Tensor]:
        return self._inputs

    def requested_output_names(self) -> set[str]:
        return set(self._outputs)


class InferenceResponse:
    def __init__(
        self, output_tensors: list[Tensor] | None = None, error: TritonError | None = None
    ) -> None:
        self._tensors, self._error = output_tensors or [], error

    def output_tensors(self) -> list[Tensor]:
        return self._tensors

    def error(self) -> TritonError | None:
        return self._error

    def arrays(self) -> dict[str, Array]:
        """For tests: the outputs by name; an error is raised."""
        if self._error is not None:
            raise self._error
        return {tensor.name(): tensor.as_numpy() for tensor in self._tensors}


class Logger:
    warnings: list[str]

    def __init__(self) -> None:
        self.warnings = []

    def log_warn(self, message: str) -> None:
        self.warnings.append(message)


def fake_utils() -> ModuleType:
    module = ModuleType("triton_python_backend_utils")
    for each in (Tensor, TritonError, TritonModelException, InferenceRequest, InferenceResponse):
        setattr(module, each.__name__, each)

    def get_input_tensor_by_name(request: InferenceRequest, name: str) -> Tensor | None:
        return next((each for each in request.inputs() if each.name() == name), None)

    vars(module)["get_input_tensor_by_name"] = get_input_tensor_by_name
    vars(module)["Logger"] = Logger()
    return module


@pytest.fixture
def utils(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    module = fake_utils()
    monkeypatch.setitem(sys.modules, module.__name__, module)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    return module


@pytest.fixture
def load(utils: ModuleType) -> Callable[[Path], Any]:
    """Imports a model file anew, as a stub does."""

    def load_file(path: Path) -> Any:
        spec = importlib.util.spec_from_file_location(f"model_{path.parent.parent.name}", path)
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        return module

    return load_file


def config_of(model: str) -> model_config_pb2.ModelConfig:
    text = (REPOSITORY / model / "config.pbtxt").read_text()
    return text_format.Parse(text, model_config_pb2.ModelConfig())


def arguments(config: model_config_pb2.ModelConfig, repository: Path, version: str = "1") -> Any:
    """What Triton hands to ``initialize``: the whole configuration as JSON, 64-bit as strings."""
    spelled = json_format.MessageToDict(config, preserving_proto_field_name=True)
    spelled.setdefault("input", [])
    spelled.setdefault("output", [])
    return {
        "model_config": json.dumps(spelled),
        "model_repository": str(repository),
        "model_version": version,
        "model_name": config.name,
    }


@pytest.fixture
def model(load: Callable[[Path], Any]) -> Callable[[str], Any]:
    """A model of the repository, initialised with its own configuration."""

    def make(name: str, **parameters: str) -> Any:
        config = config_of(name)
        for key, value in parameters.items():
            config.parameters[key].string_value = value
        instance = load(REPOSITORY / name / "1" / "model.py").TritonPythonModel()
        instance.initialize(arguments(config, REPOSITORY / name))
        return instance

    return make
