"""Which registry the settings make, and where it keeps what it keeps."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.adapters.registry.files import FileRegistry
from control_plane.adapters.registry.mlflow import MlflowRegistry
from control_plane.bootstrap.registration import make_registry
from control_plane.ports import RegistryUnavailable
from control_plane.settings import RegistrySettings, Settings


def settings(tmp_path: Path, **registry: object) -> Settings:
    return Settings(
        model_repository=tmp_path,
        state_dir=tmp_path / "state",
        registry=RegistrySettings.model_validate(registry),
    )


def test_files_by_default(tmp_path: Path) -> None:
    assert isinstance(make_registry(settings(tmp_path), dict), FileRegistry)


async def test_mlflow_in_the_state_dir_where_no_server_is_named(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file, so that nothing is made here")
    registry = make_registry(settings(tmp_path, kind="mlflow"), dict)
    assert isinstance(registry, MlflowRegistry)
    with pytest.raises(RegistryUnavailable, match=f"sqlite:///{tmp_path}/state/mlflow.db"):
        await registry.read()
    await registry.close()


async def test_a_server_where_one_is_named(tmp_path: Path) -> None:
    uri = "http://127.0.0.1:9"
    registry = make_registry(
        settings(tmp_path, kind="mlflow", tracking_uri=uri, timeout_s=0.1), dict
    )
    with pytest.raises(RegistryUnavailable, match=uri):
        await registry.read()
    assert isinstance(registry, MlflowRegistry)
    await registry.close()
