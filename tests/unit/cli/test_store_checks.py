"""What ``doctor`` says of the state store and of the registry, without a control plane."""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from cli import store_checks
from cli.checks import Check, Level
from control_plane.adapters.stores import open_store
from control_plane.settings import Settings
from tests.unit.cli.plane import Plane, Reply

IS_ROOT = os.geteuid() == 0


def settings_with(**values: Any) -> Settings:
    return Settings.model_validate(values)


def only(found: Iterator[Check]) -> Check:
    (check,) = found
    return check


@pytest.fixture(autouse=True)
def on_a_local_disk(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """What is mounted where; the tests write it anew."""
    mounts = tmp_path / "mounts"
    mounts.write_text("/dev/sda1 / ext4 rw 0 0\n")
    monkeypatch.setattr(store_checks, "file_system_of", lambda path: seen(path, mounts))
    return mounts


def seen(path: Path, mounts: Path) -> str:
    return REAL(path, mounts)


REAL = store_checks.file_system_of


def test_a_store_that_is_not_there_yet_is_not_made(tmp_path: Path) -> None:
    folder = tmp_path / "not" / "yet"
    found = only(store_checks.check_store(settings_with(state_dir=folder)))
    assert found.level is Level.OK
    assert "will be made" in found.detail
    assert not (tmp_path / "not").exists()


async def make_store(folder: Path) -> None:
    async with open_store(folder / "tidegate.db"):
        pass


async def test_a_store_is_told_with_its_tables_and_left_as_it_is(tmp_path: Path) -> None:
    await make_store(tmp_path)
    before = (tmp_path / "tidegate.db").read_bytes()
    found = only(await in_a_thread(settings_with(state_dir=tmp_path)))
    assert found.level is Level.OK
    assert found.detail == f"sqlite {tmp_path}/tidegate.db, tables of version 0005"
    assert (tmp_path / "tidegate.db").read_bytes() == before


async def in_a_thread(settings: Settings) -> Iterator[Check]:
    """As from the command line, where no loop runs."""
    import asyncio

    return iter(await asyncio.to_thread(lambda: list(store_checks.check_store(settings))))


async def test_tables_of_a_newer_tidegate_fail(tmp_path: Path) -> None:
    await make_store(tmp_path)
    with closing(sqlite3.connect(tmp_path / "tidegate.db")) as connection:
        connection.execute("UPDATE schema_version SET version_num = '9999'")
        connection.commit()
    found = only(await in_a_thread(settings_with(state_dir=tmp_path)))
    assert found.level is Level.FAIL
    assert "newer Tidegate" in found.detail
    assert found.remedy


def test_a_file_that_is_no_database_fails(tmp_path: Path) -> None:
    (tmp_path / "tidegate.db").write_bytes(b"not a database, but a file of some length" * 40)
    found = only(store_checks.check_store(settings_with(state_dir=tmp_path)))
    assert found.level is Level.FAIL
    assert "not a database" in found.detail


def test_a_place_where_nothing_can_be_written_fails(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    found = only(store_checks.check_store(settings_with(state_dir=tmp_path / "file" / "state")))
    assert found.level is Level.FAIL
    assert f"{tmp_path}/file is not ours to write" in found.detail
    assert "--state-dir" in found.remedy


def test_a_folder_in_the_files_place_fails(tmp_path: Path) -> None:
    (tmp_path / "tidegate.db").mkdir()
    found = only(store_checks.check_store(settings_with(state_dir=tmp_path)))
    assert found.level is Level.FAIL
    assert "cannot be written" in found.detail


@pytest.mark.skipif(IS_ROOT, reason="root may write everywhere")
def test_a_folder_of_somebody_else_fails(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    found = only(store_checks.check_store(settings_with(state_dir=tmp_path / "state")))
    tmp_path.chmod(0o700)
    assert found.level is Level.FAIL


def test_sqlite_on_a_shared_file_system_is_warned_of(on_a_local_disk: Path, tmp_path: Path) -> None:
    on_a_local_disk.write_text(f"/dev/sda1 / ext4 rw 0 0\nnas:/x {tmp_path} nfs4 rw 0 0\n")
    warned, told = store_checks.check_store(settings_with(state_dir=tmp_path / "state"))
    assert warned.level is Level.WARN
    assert "nfs4" in warned.detail
    assert told.level is Level.OK


def test_where_mounts_cannot_be_read_nothing_is_said_of_them(tmp_path: Path) -> None:
    assert REAL(tmp_path, tmp_path / "absent") == ""


def test_a_postgres_that_is_away_fails_and_shows_no_password(free_port: int) -> None:
    url = f"postgresql://gate:geheim@127.0.0.1:{free_port}/gate"
    found = only(store_checks.check_store(settings_with(store={"url": url})))
    assert found.level is Level.FAIL
    assert f"postgresql 127.0.0.1:{free_port}/gate" in found.detail
    assert "geheim" not in found.detail
    assert "Postgres" in found.remedy


def test_a_url_that_names_no_file_fails() -> None:
    found = only(store_checks.check_store(settings_with(store={"url": "sqlite:///:memory:"})))
    assert found == Check(Level.FAIL, "state store", found.detail, "mend store.url")


def test_releases_in_files(tmp_path: Path) -> None:
    found = only(store_checks.check_registry(settings_with(model_repository=tmp_path)))
    assert found.level is Level.OK
    missing = only(store_checks.check_registry(settings_with(model_repository=tmp_path / "no")))
    assert missing.level is Level.WARN
    assert "read only" in missing.detail


def test_mlflow_without_a_server(tmp_path: Path) -> None:
    settings = settings_with(state_dir=tmp_path, registry={"kind": "mlflow"})
    found = only(store_checks.check_registry(settings))
    assert (found.level, found.detail) == (Level.OK, f"MLflow in {tmp_path}, without a server")


@pytest.mark.parametrize(
    ("reply", "level", "said"),
    [
        (Reply(b"OK", content_type="text/plain"), Level.OK, "answers"),
        (Reply(b"no", 502, content_type="text/plain"), Level.WARN, "it answered 502"),
    ],
)
def test_mlflows_server_is_asked(plane: Plane, reply: Reply, level: Level, said: str) -> None:
    plane.replies["/health"] = reply
    settings = settings_with(registry={"kind": "mlflow", "tracking_uri": f"{plane.url}/"})
    found = only(store_checks.check_registry(settings))
    assert found.level is level
    assert said in found.detail


def test_an_mlflow_that_is_away_is_a_warning(free_port: int) -> None:
    uri = f"http://127.0.0.1:{free_port}"
    settings = settings_with(registry={"kind": "mlflow", "tracking_uri": uri})
    found = only(store_checks.check_registry(settings))
    assert found.level is Level.WARN
    assert "refused" in found.detail
    assert "registry.tracking_uri" in found.remedy
