"""The fleets that faults are tried on, and the levers to break them.

Two real Tritons each, with the settings the product is shipped with. The first fleet has
engines of known service times and golden inputs, so that fifty requests a second leave a
small machine room; the second the shipped engines.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import httpx
import psutil
import tritonclient.grpc as triton

from tests.integration.faults.sights import Sights
from tests.integration.photos import small_photo
from tests.integration.running import ROOT, RunningTidegate, wait_until

FIRST, SECOND = "triton-0", "triton-1"
ECHO_MODELS = ROOT / "benchmarks" / "models"
STAGED_MODEL = Path(__file__).parent / "models" / "staged.py"
STUB = "triton_python_backend_stub"


@dataclass(frozen=True, slots=True)
class StagedEngine:
    """One that answers service_s after it begins; processes: at a time, on each Triton."""

    name: str
    service_s: float
    processes: int

    @property
    def capacity_per_s(self) -> float:
        """Of one Triton."""
        return self.processes / self.service_s


LIMITED = StagedEngine("limited", service_s=0.05, processes=2)
"""Full at 40 requests/s on each Triton, at next to no processor time."""

TRIO = tuple(StagedEngine(name, service_s=0.02, processes=2) for name in ("left", "mid", "right"))
"""Three that one detection asks; one Triton alone bears 100 requests/s of each."""

STAGED_CONFIG = """
backend: "python"
max_batch_size: 1
input [ {{ name: "IMAGE" data_type: TYPE_STRING dims: [ 1 ] }} ]
output [ {{ name: "SERVICE_S" data_type: TYPE_FP32 dims: [ 1 ] }} ]
instance_group [ {{ kind: KIND_CPU count: {processes} }} ]
parameters {{ key: "service_s" value {{ string_value: "{service_s}" }} }}
"""


@contextmanager
def staged_fleet(folder: Path) -> Iterator[RunningTidegate]:
    """``echo``, LIMITED and the TRIO."""
    repository = folder / "models"
    shutil.copytree(ECHO_MODELS, repository)
    for engine in (LIMITED, *TRIO):
        _add_staged(repository, engine)
    with _running(folder, repository) as tidegate:
        yield tidegate


@contextmanager
def photo_fleet(folder: Path) -> Iterator[RunningTidegate]:
    """The shipped engines, from a copy of their repository."""
    repository = folder / "models"
    ignored = shutil.ignore_patterns("__pycache__")
    shutil.copytree(ROOT / "model_repository", repository, ignore=ignored)
    with _running(folder, repository) as tidegate:
        yield tidegate


@contextmanager
def _running(folder: Path, repository: Path) -> Iterator[RunningTidegate]:
    tidegate = RunningTidegate(folder / "run", repository, tritons=2)
    tidegate.start()
    try:
        tidegate.wait_ready()
        calm(tidegate)
        yield tidegate
    finally:
        tidegate.stop()


def _add_staged(repository: Path, engine: StagedEngine) -> None:
    version = repository / engine.name / "1"
    version.mkdir(parents=True)
    shutil.copyfile(STAGED_MODEL, version / "model.py")
    config = STAGED_CONFIG.format(processes=engine.processes, service_s=engine.service_s)
    (version.parent / "config.pbtxt").write_text(config)
    (repository / f"{engine.name}.golden.jpg").write_bytes(small_photo())
    answer = {"name": "SERVICE_S", "datatype": "FP32", "shape": [1, 1], "data": [engine.service_s]}
    stored = repository / f"{engine.name}--1.0.0.golden.json"
    stored.write_text(json.dumps({"outputs": [answer]}))


def calm(tidegate: RunningTidegate) -> None:
    """All well, and nothing remembered of earlier faults: an operator heals what is there."""

    def is_calm() -> bool:
        return all(
            one["state"] == "ready"
            and one["health"] == "healthy"
            and not one["breakers"]
            and all(engine["fitness"] in ("fit", "unprobed") for engine in one["engines"].values())
            for one in tidegate.instances()
        )

    for name in (FIRST, SECOND):
        httpx.post(f"{tidegate.url}/api/v1/fleet/{name}/heal", json={}).raise_for_status()
    wait_until(is_calm, timeout_s=120, what="every engine well on both Tritons")


def server_of(tidegate: RunningTidegate, name: str = FIRST) -> psutil.Process:
    """The Triton of an instance."""
    port = tidegate.triton_urls[name].rpartition(":")[2]
    (found,) = (
        process
        for process in psutil.Process(tidegate.process.pid).children(recursive=True)
        if process.name() == "tritonserver" and f"={port}" in " ".join(process.cmdline())
    )
    return found


def stubs_of(tidegate: RunningTidegate, model: str, name: str = FIRST) -> list[psutil.Process]:
    """The processes of a Python model on an instance, the youngest first.

    When a model is unloaded of whose processes one had died, Triton 2.51 never ends the other
    ones; they come last.
    """
    found = [
        child
        for child in server_of(tidegate, name).children(recursive=True)
        if child.name() == STUB and f"/{model}/" in " ".join(child.cmdline())
    ]
    return sorted(found, key=psutil.Process.create_time, reverse=True)


@contextmanager
def ordered(
    tidegate: RunningTidegate, engine: str, does: str, *names: str, times: float = 1
) -> Iterator[None]:
    """The staged engine does as it is told on these instances until the block ends."""
    servers = [server_of(tidegate, name).pid for name in names]
    orders = tidegate.model_repository / f"{engine}.orders.json"
    draft = orders.with_suffix(".draft")
    draft.write_text(json.dumps({"servers": servers, "does": does, "times": times}))
    os.replace(draft, orders)  # at once: no half of it is ever read
    try:
        yield
    finally:
        orders.unlink()


def when_server_ready(tidegate: RunningTidegate, name: str = FIRST) -> float:
    """Waits until the Triton itself says that it is ready, and answers when that was."""
    with triton.InferenceServerClient(tidegate.triton_urls[name]) as direct:

        def is_ready() -> bool:
            try:
                return bool(direct.is_server_ready(client_timeout=0.5))
            except triton.InferenceServerException:
                return False

        wait_until(is_ready, timeout_s=60, what=f"{name} ready")
    return time.monotonic()


def when_out(sights: Sights, since_s: float, engine: str, name: str = FIRST) -> float:
    """When an instance was first seen not to take requests for an engine."""
    return sights.first(
        lambda sight: not sight.is_in(name, engine), after_s=since_s, what=f"{name} out"
    )


def when_in(sights: Sights, since_s: float, engine: str, name: str = FIRST) -> float:
    """When it was first seen to take them like any other."""
    return sights.first(lambda sight: sight.is_in(name, engine), after_s=since_s, what=f"{name} in")
