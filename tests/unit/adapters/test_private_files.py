from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from control_plane.adapters.private_files import make_private_file, make_private_folder


@pytest.fixture(autouse=True)
def generous_umask() -> Iterator[None]:
    before = os.umask(0)
    yield
    os.umask(before)


def mode(path: Path) -> str:
    return oct(path.stat().st_mode & 0o777)


def test_what_is_made_is_its_owners_alone(tmp_path: Path) -> None:
    path = tmp_path / "state" / "tables.db"
    make_private_file(path)
    assert (mode(path.parent), mode(path)) == ("0o700", "0o600")
    assert path.read_bytes() == b""


def test_what_is_there_stays_as_it_is(tmp_path: Path) -> None:
    folder = tmp_path / "state"
    folder.mkdir(0o755)
    path = folder / "tables.db"
    path.write_bytes(b"rows")
    path.chmod(0o644)
    make_private_file(path)
    make_private_folder(folder)
    assert (mode(folder), mode(path), path.read_bytes()) == ("0o755", "0o644", b"rows")


def test_what_cannot_be_made_is_said_by_the_system(tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file")
    with pytest.raises(FileExistsError):
        make_private_file(tmp_path / "state" / "tables.db")
