"""A place in the model repository where files are made whole before they are put in.

A hidden folder at its root, because a rename is atomic only within one file system. It has no
``config.pbtxt``, so no Triton in explicit mode takes it for a model that can be loaded (measured:
the index names it, without a version or a state); it is removed as soon as it is empty all the
same, for the Triton that somebody starts on this repository in another mode.

Each entry is a folder that its owner holds a lock on. What a crash left behind is held by nobody
any more and is swept at the next start, also beside another process that is staging.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

FOLDER = ".tidegate-staging"
YOUNG_S = 10.0
"""An entry this young may be one that its owner is about to lock."""


@contextmanager
def staged(repository: Path) -> Iterator[Path]:
    """A new, empty folder. What is still in it at the end is removed with it."""
    with _made(repository / FOLDER) as entry:
        handle = os.open(entry, os.O_RDONLY | os.O_DIRECTORY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX)
            yield entry
        finally:
            os.close(handle)


@contextmanager
def _made(folder: Path) -> Iterator[Path]:
    entry = folder / secrets.token_hex(8)
    try:
        _make(entry)
        yield entry
    finally:
        shutil.rmtree(entry, ignore_errors=True)
        _remove_if_empty(folder)


def _make(entry: Path) -> None:
    """Another one's last entry may go, and the folder with it, between our two steps."""
    for _ in range(10):
        entry.parent.mkdir(exist_ok=True)
        with suppress(FileNotFoundError):
            entry.mkdir()
            return
    entry.mkdir()


def sweep(repository: Path, *, young_s: float = YOUNG_S) -> int:
    """Removes what nobody holds any more; the number of entries removed."""
    folder, swept = repository / FOLDER, 0
    try:
        entries = list(folder.iterdir())
    except OSError:
        return 0
    for entry in entries:
        with suppress(OSError):
            if time.time() - entry.stat().st_mtime >= young_s and _is_held_by_nobody(entry):
                shutil.rmtree(entry)
                swept += 1
    _remove_if_empty(folder)
    return swept


def _is_held_by_nobody(entry: Path) -> bool:
    handle = os.open(entry, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    finally:
        os.close(handle)
    return True


def _remove_if_empty(folder: Path) -> None:
    with suppress(OSError):
        folder.rmdir()


def sync(path: Path) -> None:
    """Has the system write a file, or the names in a folder, to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
