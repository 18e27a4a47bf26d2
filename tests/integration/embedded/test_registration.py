"""A retrained network is registered and served beside the stable one, on a real Triton."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import onnx
import psutil
import pytest

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.model_folder import ModelFolder
from control_plane.adapters.onnx.checker import OnnxTrial
from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.triton import TritonInstance
from control_plane.core.catalogue import Release
from control_plane.core.detections import Priority
from control_plane.core.golden import Matches, compare_answer
from control_plane.core.loading import LoadVersions, plan_loads, twin_config, with_versions
from control_plane.core.wire import target_suffix
from control_plane.embedded import FleetOptions
from control_plane.errors import InvalidArgument
from control_plane.kserve import read_tensors, write_request
from control_plane.services.catalogue import Catalogue
from control_plane.services.file_proof import FileProver
from control_plane.services.golden_walk import golden_tensors
from control_plane.services.registration import Registration
from tests.integration.repositories import copy_engines
from tests.integration.tritons import RunningTritons, free_base_port, skip_without_triton

pytestmark = pytest.mark.triton

TIMEOUT_S = 60.0


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTritons]:
    """One Triton on a repository of its own: what is registered stays in it."""
    folder = tmp_path_factory.mktemp("registration")
    options = FleetOptions(
        copy_engines(folder / "models", "damage"),
        count=1,
        base_port=free_base_port(1),
        runtime_root=folder,
    )
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    yield running
    running.stop()


@dataclass
class Site:
    folder: Path
    triton: TritonInstance
    catalogue: Catalogue
    registration: Registration

    async def serve(self, release: Release) -> None:
        """Loads a release and nothing else: the versions that are ready stay."""
        seen = await self.triton.observe([release], timeout_s=TIMEOUT_S)
        for action in plan_loads([release], seen):
            if isinstance(action, LoadVersions):
                config = with_versions(self.catalogue.specs[action.model], action.versions)
                await self.triton.load(action.model, config, timeout_s=TIMEOUT_S)
            else:
                config = twin_config(self.catalogue.specs[release.engine], release)
                await self.triton.load(
                    release.model_name, config, is_twin=True, timeout_s=TIMEOUT_S
                )

    async def ask(self, release: Release) -> dict[str, np.ndarray]:
        """What it answers the golden input, without the batch dimension."""
        tensors = golden_tensors(self.catalogue.goldens[release.engine])
        message = write_request(tensors, priority=Priority.HIGH)
        target = target_suffix(release.model_name, release.model_version)
        return read_tensors(await self.triton.infer(message + target, timeout_s=TIMEOUT_S))


@pytest.fixture
async def site(running: RunningTritons) -> AsyncIterator[Site]:
    folder = running.model_repository
    triton = TritonInstance(running.grpc_urls[0], max_message_bytes=1 << 25)
    models, registry = ModelFolder(folder), FileRegistry(folder)
    catalogue = Catalogue(models, registry)
    await catalogue.load()
    prover = FileProver(
        catalogue,
        OnnxTrial(timeout_s=TIMEOUT_S, memory_bytes=8 * 1024**3),
        serving=lambda _: [triton],
        stable=lambda engine: catalogue.engines[engine].stable,
    )
    clock, calendar = MonotonicClock(), SystemCalendar()
    registration = Registration(catalogue, models, registry, prover, clock=clock, calendar=calendar)
    made = Site(folder, triton, catalogue, registration)
    await made.serve(catalogue.engines["damage"].releases["1.0.0"])
    yield made
    await triton.close()


def retrained(source: Path, target: Path) -> Path:
    """The same weights in another file."""
    model = onnx.load(source)
    onnx.helper.set_model_props(model, {"trained": "again"})
    onnx.save(model, target)
    return target


def processes_of(model: str) -> set[int]:
    """The processes that run a model's Python."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        words = process.cmdline()
        if len(words) > 1 and "triton_python_backend_stub" in words[0] and f"/{model}/" in words[1]:
            found.add(process.pid)
    return found


async def test_a_retrained_network_is_registered_and_served(site: Site, tmp_path: Path) -> None:
    shipped = site.folder / "damage_detector" / "2" / "model.onnx"
    file = retrained(shipped, tmp_path / "new.onnx")
    config = (site.folder / "damage_detector" / "config.pbtxt").read_bytes()
    before = processes_of("damage_detector")
    assert before

    registered = await site.registration.register("damage", "1.2.0", onnx=file, who="ann")

    assert (registered.component, registered.version) == ("damage_detector", 3)
    assert registered.is_proved, "it has run what preprocess makes of the golden photo"
    assert (site.folder / "damage_detector" / "3" / "model.onnx").read_bytes() == file.read_bytes()
    assert (site.folder / "damage_detector" / "config.pbtxt").read_bytes() == config

    release = site.catalogue.engines["damage"].releases["1.2.0"]
    await site.serve(release)
    assert before <= processes_of("damage_detector"), "the stable version was not loaded anew"
    goldens = site.catalogue.goldens["damage"]
    for same in ("1.1.0", "1.2.0"):  # recorded by a person, and by the registration
        expected = {name: each[0] for name, each in goldens.answers[same].items()}
        assert compare_answer(await site.ask(release), expected, goldens.tolerance) == Matches()
    stable = site.catalogue.engines["damage"].releases["1.0.0"]
    expected = {name: each[0] for name, each in goldens.answers["1.0.0"].items()}
    assert compare_answer(await site.ask(stable), expected, goldens.tolerance) == Matches()


async def test_the_network_of_another_engine_is_refused(site: Site) -> None:
    there = sorted(path.name for path in (site.folder / "damage_detector").iterdir())
    shipped = Path(__file__).parents[3] / "model_repository"
    other = shipped / "volume_estimator" / "1" / "model.onnx"
    with pytest.raises(InvalidArgument) as refused:
        await site.registration.register("damage", "1.9.0", onnx=other)
    assert "input PIXELS is [-1, 512, 512, 3] in the configuration" in refused.value.message
    assert "it has no output BOXES" in refused.value.message
    assert sorted(path.name for path in (site.folder / "damage_detector").iterdir()) == there
    assert "1.9.0" not in site.catalogue.engines["damage"].releases
    assert not list(site.folder.glob("damage--1.9.0*"))
