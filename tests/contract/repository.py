"""A tiny model repository: ``echo`` twice, three odd ones, and an ensemble of echo.

``pause`` answers late, ``slow`` loads slowly, ``broken`` cannot be loaded.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from google.protobuf import json_format, text_format
from tritonclient.grpc import model_config_pb2

from control_plane.core.catalogue import ModelSpec

ROOT = Path(__file__).parents[2]
ECHO = ROOT / "benchmarks" / "models" / "echo" / "1" / "model.py"
PAUSE_S = 2.0
LOADING_S = 1.5

_TENSORS = """
input [ { name: "INPUT" data_type: TYPE_FP32 dims: [ -1 ] } ]
output [ { name: "OUTPUT" data_type: TYPE_FP32 dims: [ -1 ] } ]
"""
_PYTHON = f'backend: "python" instance_group [ {{ kind: KIND_CPU count: 1 }} ] {_TENSORS}'
_PAIR = f"""
platform: "ensemble" {_TENSORS}
ensemble_scheduling {{
  step [ {{ model_name: "echo" model_version: -1
           input_map {{ key: "INPUT" value: "INPUT" }}
           output_map {{ key: "OUTPUT" value: "OUTPUT" }} }} ]
}}
"""
_BROKEN = """
class TritonPythonModel:
    def initialize(self, args):
        raise RuntimeError("this model cannot be loaded on purpose")
"""
_SLOW = f"""
import time

class TritonPythonModel:
    def initialize(self, args):
        time.sleep({LOADING_S})
"""

CONFIGS = dict.fromkeys(("echo", "pause", "slow", "broken", "nobody"), _PYTHON) | {"pair": _PAIR}
FOLDERS = {"echo": {1, 2}, "pause": {1}, "slow": {1}, "broken": {1}, "pair": {1}}
# nobody has none


def spec(name: str) -> ModelSpec:
    message = text_format.Parse(CONFIGS[name], model_config_pb2.ModelConfig(name=name))
    config = json_format.MessageToDict(message, preserving_proto_field_name=True)
    return ModelSpec(name, config, tuple(sorted(FOLDERS.get(name, ()))))


def write(folder: Path) -> Path:
    """The repository, for a real Triton."""
    for name, versions in FOLDERS.items():
        for version in versions:
            (folder / name / str(version)).mkdir(parents=True)
            if name != "pair":
                shutil.copy(ECHO, folder / name / str(version) / "model.py")
        (folder / name / "config.pbtxt").write_text(CONFIGS[name])
    slow = folder / "pause" / "1" / "model.py"
    text = slow.read_text().replace(
        "        return", f"        time.sleep({PAUSE_S})\n        return"
    )
    slow.write_text("import time\n" + text)
    (folder / "slow" / "1" / "model.py").write_text(_SLOW)
    (folder / "broken" / "1" / "model.py").write_text(_BROKEN)
    return folder
