"""The folder in which files are made whole: what stays of it, and what is swept."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from control_plane.adapters.staging import FOLDER, staged, sweep, sync


def age(entry: Path) -> None:
    os.utime(entry, (0, 0))


def test_nothing_is_left_of_it(tmp_path: Path) -> None:
    with staged(tmp_path) as entry:
        assert entry.parent == tmp_path / FOLDER
        (entry / "file").write_text("half")
    assert list(tmp_path.iterdir()) == []


def test_nothing_is_left_after_a_failure(tmp_path: Path) -> None:
    with pytest.raises(ZeroDivisionError), staged(tmp_path):
        raise ZeroDivisionError
    assert list(tmp_path.iterdir()) == []


def test_two_side_by_side(tmp_path: Path) -> None:
    with staged(tmp_path) as one:
        with staged(tmp_path) as other:
            assert one != other
        assert one.is_dir()


def test_others_may_enter_what_is_made_here(tmp_path: Path) -> None:
    """Triton may run as another user."""
    previous = os.umask(0o022)
    try:
        with staged(tmp_path) as entry:
            assert entry.stat().st_mode & 0o777 == 0o755
    finally:
        os.umask(previous)


def test_what_a_crash_left_is_swept(tmp_path: Path) -> None:
    orphan = tmp_path / FOLDER / "orphan"
    orphan.mkdir(parents=True)
    (orphan / "model.onnx").write_text("half")
    age(orphan)
    assert sweep(tmp_path) == 1
    assert list(tmp_path.iterdir()) == []


def test_what_is_held_is_not_swept(tmp_path: Path) -> None:
    with staged(tmp_path) as entry:
        age(entry)
        assert sweep(tmp_path) == 0
        assert entry.is_dir()


def test_what_may_be_about_to_be_held_is_not_swept(tmp_path: Path) -> None:
    young = tmp_path / FOLDER / "young"
    young.mkdir(parents=True)
    assert sweep(tmp_path) == 0
    assert young.is_dir()


def test_there_may_be_nothing_to_sweep(tmp_path: Path) -> None:
    assert sweep(tmp_path) == 0


def test_files_and_folders_are_synced(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("all")
    sync(tmp_path / "file")
    sync(tmp_path)
    with pytest.raises(FileNotFoundError):
        sync(tmp_path / "none")
