"""What rollouts build on, on a real Triton: twins come and go, and the stable one never notices."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import psutil
import pytest

from control_plane.adapters.model_repository import ModelRepository
from control_plane.adapters.triton import TritonInstance
from control_plane.core.catalogue import Engine, Release
from control_plane.core.loading import twin_config, with_versions
from control_plane.embedded import FleetOptions
from control_plane.ports import CallFailed
from tests.integration.faults.stage import STUB
from tests.integration.rollouts.repository import (
    ENGINE,
    GOOD,
    SCORER,
    STABLE,
    UNLOADABLE,
    write_repository,
)
from tests.integration.tritons import RunningTritons, free_base_port, skip_without_triton

pytestmark = pytest.mark.triton

TIMEOUT_S = 30.0


@pytest.fixture(scope="module")
def tritons(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningTritons]:
    folder = tmp_path_factory.mktemp("twins")
    options = FleetOptions(
        write_repository(folder / "models"),
        count=1,
        base_port=free_base_port(1),
        runtime_root=folder,
    )
    skip_without_triton(options)
    running = RunningTritons(options)
    running.start()
    yield running
    running.stop()


@pytest.fixture(scope="module")
def repository(tritons: RunningTritons) -> ModelRepository:
    return ModelRepository.read(tritons.model_repository)


@pytest.fixture
async def instance(tritons: RunningTritons) -> AsyncIterator[TritonInstance]:
    opened = TritonInstance(tritons.grpc_urls[0], max_message_bytes=1 << 20)
    yield opened
    await opened.close()


@pytest.fixture
def engine(repository: ModelRepository) -> Engine:
    return repository.engines[ENGINE]


class Loader:
    """The loads of a rollout, as the control plane makes them."""

    def __init__(self, instance: TritonInstance, repository: ModelRepository) -> None:
        self.instance = instance
        self._specs = repository.specs

    async def versions(self, model: str, *versions: int) -> None:
        await self.instance.load(
            model, with_versions(self._specs[model], versions), timeout_s=TIMEOUT_S
        )

    async def twin(self, release: Release) -> None:
        config = twin_config(self._specs[ENGINE], release)
        await self.instance.load(release.model_name, config, is_twin=True, timeout_s=TIMEOUT_S)


@pytest.fixture
async def loader(
    instance: TritonInstance, repository: ModelRepository, engine: Engine
) -> AsyncIterator[Loader]:
    made = Loader(instance, repository)
    for component, version in engine.releases[STABLE].pins.items():
        await made.versions(component, version)
    await made.twin(engine.releases[STABLE])
    yield made
    for name in (*(one.model_name for one in engine.releases.values()), SCORER):
        await instance.unload(name, timeout_s=TIMEOUT_S)


def processes(tritons: RunningTritons, model: str, version: int) -> set[int]:
    """Of a version of a Python model."""
    found = set()
    for process in psutil.Process().children(recursive=True):
        try:
            arguments = " ".join(process.cmdline())
        except psutil.Error:
            continue
        if process.name() == STUB and f"{tritons.model_repository}/{model}/{version}/" in arguments:
            found.add(process.pid)
    return found


async def test_a_second_release_comes_and_goes_beside_the_first(
    tritons: RunningTritons, loader: Loader, engine: Engine
) -> None:
    stable, target = engine.releases[STABLE], engine.releases[GOOD]
    before = processes(tritons, SCORER, 1)
    assert len(before) == 2
    await loader.versions(SCORER, 1, 2)
    await loader.twin(target)
    observed = await loader.instance.observe(engine.releases.values(), timeout_s=TIMEOUT_S)
    assert observed.is_serving(stable)
    assert observed.is_serving(target)
    assert len(processes(tritons, SCORER, 2)) == 2

    await loader.instance.unload(target.model_name, timeout_s=TIMEOUT_S)
    await loader.versions(SCORER, 1)
    observed = await loader.instance.observe(engine.releases.values(), timeout_s=TIMEOUT_S)
    assert observed.is_serving(stable)
    assert not observed.is_serving(target)
    assert observed.ready_versions[SCORER] == {1}
    assert processes(tritons, SCORER, 1) == before


async def test_a_version_that_cannot_be_loaded_costs_the_stable_one_nothing(
    tritons: RunningTritons, loader: Loader, engine: Engine
) -> None:
    before = processes(tritons, SCORER, 1)
    with pytest.raises(CallFailed, match="cannot be loaded on purpose"):
        await loader.versions(SCORER, 1, engine.releases[UNLOADABLE].pins[SCORER])
    observed = await loader.instance.observe(engine.releases.values(), timeout_s=TIMEOUT_S)
    assert observed.is_serving(engine.releases[STABLE])
    assert processes(tritons, SCORER, 1) == before
