"""Copies of the model repository with faults built in."""

from __future__ import annotations

import shutil
from pathlib import Path

import yaml

from tests.integration.running import ROOT

SHIPPED = ROOT / "model_repository"
ECHO = ROOT / "benchmarks" / "models" / "echo"

# A plain model that takes a photo and its time.
SLOW_S = 1.5
SLOW_CONFIG = """
name: "slow"
backend: "python"
max_batch_size: 1
input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
output [ { name: "SLEPT_S" data_type: TYPE_FP32 dims: [ 1 ] } ]
instance_group [ { kind: KIND_CPU count: 3 } ]
"""
SLOW_MODEL = f"""
import time
import numpy as np
import triton_python_backend_utils as pb_utils

class TritonPythonModel:
    def execute(self, requests):
        time.sleep({SLOW_S})
        slept = pb_utils.Tensor("SLEPT_S", np.array([[{SLOW_S}]], np.float32))
        return [pb_utils.InferenceResponse([slept]) for _ in requests]
"""
BROKEN_MODEL = """
class TritonPythonModel:
    def execute(self, requests):
        raise RuntimeError("this component is broken on purpose")
"""
UNLOADABLE_MODEL = """
class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("this component cannot be loaded on purpose")
"""


def copy_engines(folder: Path, *engines: str) -> Path:
    """A repository in ``folder`` with these engines, their components and releases only."""
    shutil.copytree(SHIPPED, folder, ignore=shutil.ignore_patterns("__pycache__"))
    document = yaml.safe_load((folder / "releases.yaml").read_text())
    for engine in set(document["engines"]) - set(engines):
        del document["engines"][engine]
        for path in folder.glob(f"{engine}*"):
            if path.is_dir():
                shutil.rmtree(path)
            else:  # its golden input and answers
                path.unlink()
    (folder / "releases.yaml").write_text(yaml.safe_dump(document))
    return folder


def add_echo(repository: Path) -> None:
    shutil.copytree(ECHO, repository / "echo")


def add_slow(repository: Path) -> None:
    version = repository / "slow" / "1"
    version.mkdir(parents=True)
    (version / "model.py").write_text(SLOW_MODEL)
    (version.parent / "config.pbtxt").write_text(SLOW_CONFIG)


def forget_golden(repository: Path, engine: str) -> None:
    """Without a golden input an engine is believed to be ready, however broken it is."""
    for path in repository.glob(f"{engine}*.golden.*"):
        path.unlink()


def break_component(repository: Path, name: str, model: str = BROKEN_MODEL) -> None:
    """Replaces the code of a Python component."""
    (repository / name / "1" / "model.py").write_text(model)
