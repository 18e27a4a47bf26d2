"""Each registry of the contract: the fake, files, MLflow's tables, and a real MLflow server."""

from __future__ import annotations

import secrets
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry, local_uri
from control_plane.core.catalogue import Release
from control_plane.core.registered import ReleaseRecord
from control_plane.ports import ReleaseRegistry
from tests.contract.registry.servers import mlflow_server
from tests.unit.fake_catalogue import FakeRegistry

TIMEOUT_S = 30.0


@dataclass
class Contracted:
    """A registry, another one of the same records, and an engine that no other test uses."""

    registry: ReleaseRegistry
    other: ReleaseRegistry
    engine: str
    is_mlflow: bool

    def record(self, release: str, version: int = 3, **more: str) -> ReleaseRecord:
        return ReleaseRecord(self.engine, release, {"damage_detector": version}, **more)

    def release(self, version: str, pin: int = 1) -> Release:
        return Release(self.engine, version, {"preprocess": 1, "damage_detector": pin}, True)

    async def records(self) -> dict[str, ReleaseRecord]:
        """What is registered of the engine, by release."""
        found = (await self.other.read()).records
        return {each.release: each for each in found if each.engine == self.engine}

    async def candidate(self) -> str | None:
        return (await self.registry.candidates()).get(self.engine)


@pytest.fixture(scope="session")
def mlflow_url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with mlflow_server(tmp_path_factory.mktemp("mlflow")) as url:
        yield url


@pytest.fixture(scope="session")
def mlflow_tables(tmp_path_factory: pytest.TempPathFactory) -> str:
    return local_uri(tmp_path_factory.mktemp("tables"))


@pytest.fixture
async def open_mlflow() -> AsyncIterator[Callable[..., MlflowRegistry]]:
    opened = []

    def open_registry(uri: str, **options: object) -> MlflowRegistry:
        times = {"timeout_s": TIMEOUT_S, "upload_timeout_s": TIMEOUT_S}
        registry = MlflowRegistry(uri, **{**times, **options})  # type: ignore[arg-type]
        opened.append(registry)
        return registry

    yield open_registry
    for registry in opened:
        await registry.close()


@pytest.fixture(params=["fake", "files", "mlflow-tables", "mlflow-server"])
def contracted(
    request: pytest.FixtureRequest,
    tmp_path: Path,
    open_mlflow: Callable[..., MlflowRegistry],
) -> Contracted:
    registry: ReleaseRegistry
    other: ReleaseRegistry
    engine = f"damage-{secrets.token_hex(4)}"
    is_mlflow = request.param.startswith("mlflow")
    if request.param == "fake":
        registry = other = FakeRegistry()
    elif request.param == "files":
        registry, other = FileRegistry(tmp_path), FileRegistry(tmp_path)
    else:
        fixture = "mlflow_url" if request.param == "mlflow-server" else "mlflow_tables"
        uri = request.getfixturevalue(fixture)
        registry, other = open_mlflow(uri), open_mlflow(uri)
    return Contracted(registry, other, engine, is_mlflow)
