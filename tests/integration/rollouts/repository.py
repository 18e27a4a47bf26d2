"""An engine with releases of known behaviour, good and bad: ``steady``.

An ensemble like the shipped ones, its scorer floating and its last step pinned, whose releases
are told apart by what they answer. Each has a golden answer, and the bad ones give it too (all
but LYING): what is wrong with them shows under traffic only.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

import yaml

from tests.integration.photos import small_photo

ENGINE, SCORER, FINISH = "steady", "steady_scorer", "steady_finish"
MODELS = Path(__file__).parent / "models"
SERVICE_S = 0.02

STABLE, GOOD = "1.0.0", "1.1.0"
FAILING, SLOW, UNSURE = "1.2.0", "1.3.0", "1.4.0"
UNLOADABLE, LYING = "1.5.0", "1.6.0"

VERSIONS = {
    release: number
    for number, release in enumerate(
        (STABLE, GOOD, FAILING, SLOW, UNSURE, UNLOADABLE, LYING), start=1
    )
}
"""The scorer's version that each release pins. It is also what the release answers."""

SCORER_CONFIG = """
name: "steady_scorer"
backend: "python"
max_batch_size: 1
input [ {{ name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [
  {{ name: "RAW_VERSION" data_type: TYPE_INT32 dims: [ 1 ] }},
  {{ name: "RAW_CONFIDENCE" data_type: TYPE_FP32 dims: [ 1 ] }}
]
instance_group [ {{ kind: KIND_CPU count: 2 }} ]
parameters {{ key: "service_s" value {{ string_value: "{service_s}" }} }}
version_policy: {{ specific: {{ versions: [ 1 ] }} }}
"""

FINISH_CONFIG = """
name: "steady_finish"
backend: "python"
max_batch_size: 1
input [
  { name: "RAW_VERSION" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "RAW_CONFIDENCE" data_type: TYPE_FP32 dims: [ 1 ] }
]
output [
  { name: "VERSION" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "CONFIDENCE" data_type: TYPE_FP32 dims: [ 1 ] }
]
instance_group [ { kind: KIND_CPU count: 1 } ]
"""

ENSEMBLE_CONFIG = """
name: "steady"
platform: "ensemble"
max_batch_size: 1
input [ { name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] } ]
output [
  { name: "VERSION" data_type: TYPE_INT32 dims: [ 1 ] },
  { name: "CONFIDENCE" data_type: TYPE_FP32 dims: [ 1 ] }
]
ensemble_scheduling {
  step [
    {
      model_name: "steady_scorer"
      model_version: -1
      input_map { key: "IMAGE" value: "IMAGE" }
      output_map { key: "RAW_VERSION" value: "raw_version" }
      output_map { key: "RAW_CONFIDENCE" value: "raw_confidence" }
    },
    {
      model_name: "steady_finish"
      model_version: 1
      input_map { key: "RAW_VERSION" value: "raw_version" }
      input_map { key: "RAW_CONFIDENCE" value: "raw_confidence" }
      output_map { key: "VERSION" value: "VERSION" }
      output_map { key: "CONFIDENCE" value: "CONFIDENCE" }
    }
  ]
}
"""


@dataclass(frozen=True, slots=True)
class Execution:
    """One input in one scorer, as the scorer wrote it down.

    at_s: since the epoch, before its work. server, process: process ids. photo: the input as a
    load has made it, or ``golden`` for what was not made by one.
    """

    at_s: float
    release: str
    server: int
    process: int
    photo: str

    @property
    def is_of_load(self) -> bool:
        return self.photo != "golden"


def write_repository(folder: Path, *, service_s: float = SERVICE_S) -> Path:
    """``steady`` with all its releases and nothing else."""
    _add_model(folder, SCORER, SCORER_CONFIG.format(service_s=service_s), VERSIONS.values())
    _add_model(folder, FINISH, FINISH_CONFIG, [1])
    ensemble = folder / ENGINE
    (ensemble / "1").mkdir(parents=True)
    (ensemble / "1" / ".keep").touch()
    (ensemble / "config.pbtxt").write_text(ENSEMBLE_CONFIG)
    releases = {release: {SCORER: version} for release, version in VERSIONS.items()}
    document = {"engines": {ENGINE: {"stable": STABLE, "releases": releases}}}
    (folder / "releases.yaml").write_text(yaml.safe_dump(document))
    (folder / f"{ENGINE}.golden.jpg").write_bytes(small_photo())
    for release, version in VERSIONS.items():
        stored = folder / f"{ENGINE}--{release}.golden.json"
        stored.write_text(json.dumps({"outputs": _golden(release, version)}))
    return folder


def executions(repository: Path) -> list[Execution]:
    """What the scorers have written down so far, the oldest first."""
    journal = repository / f"{ENGINE}.journal"
    names = {version: release for release, version in VERSIONS.items()}
    found = []
    for line in journal.read_text().splitlines():
        at_s, version, server, process, photo = line.split()
        found.append(Execution(float(at_s), names[int(version)], int(server), int(process), photo))
    return sorted(found, key=lambda one: one.at_s)


def _add_model(folder: Path, name: str, config: str, versions: Iterable[int]) -> None:
    for version in versions:
        code = folder / name / str(version) / "model.py"
        code.parent.mkdir(parents=True)
        shutil.copyfile(MODELS / f"{name.removeprefix('steady_')}.py", code)
    (folder / name / "config.pbtxt").write_text(config)


def _golden(release: str, version: int) -> list[dict[str, object]]:
    confidence = 0.55 if release == UNSURE else 0.75
    return [
        {"name": "VERSION", "datatype": "INT32", "shape": [1, 1], "data": [version]},
        {"name": "CONFIDENCE", "datatype": "FP32", "shape": [1, 1], "data": [confidence]},
    ]
