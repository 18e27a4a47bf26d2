"""Uploads as files of a folder, for control planes and workers that share it.

A photo is written under a temporary name, brought to the disk, and renamed: under its own name
there is a whole photo or none, through a crash and a full disk. What a crash leaves under a
temporary name is removed when somebody else has written for an hour.

The folder is bounded. Its size is counted by looking, and between two looks by what is written
and removed here; several processes together may pass the bound by what they write in between.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
import os
import secrets
from pathlib import Path

import structlog

from control_plane.adapters.private_files import make_private_folder
from control_plane.adapters.uploads.names import missing, name_of, unkept, unreadable
from control_plane.ports import Clock

log = structlog.get_logger(__name__)

COUNT_EVERY_S = 30.0
ABANDONED_AFTER_S = 3600.0
_TEMPORARY = ".part"
_FULL = frozenset({errno.ENOSPC, errno.EDQUOT})
_CREATE = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC


class FileUploads:
    """Uploads in ``folder``, which is made for its owner alone when the first one comes."""

    def __init__(self, folder: Path, *, max_bytes: int, clock: Clock) -> None:
        self._folder = folder
        self._max_bytes = max_bytes
        self._clock = clock
        self._bytes = 0
        self._count_again_s = clock.now_s()

    async def put(self, job_id: str, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_UNAVAILABLE; then nothing is left of it."""
        name = name_of(job_id)
        try:
            await self._make_room(len(photo))
            await asyncio.to_thread(self._write, name, photo)
        except OSError as error:
            self._bytes -= len(photo)
            log.warning("an upload cannot be kept", error=error.strerror)
            why = "the disk is full" if error.errno in _FULL else "its folder does not take it"
            raise unkept(why) from None

    async def get(self, job_id: str) -> bytes:
        """Raises ControlPlaneError PHOTO_NOT_FOUND, PHOTO_UNAVAILABLE."""
        path = self._folder / name_of(job_id)
        try:
            return await asyncio.to_thread(path.read_bytes)
        except FileNotFoundError:
            raise missing() from None
        except OSError as error:
            log.warning("an upload cannot be read", error=error.strerror)
            raise unreadable("its folder does not give it out") from None

    async def remove(self, job_id: str) -> None:
        """Raises ControlPlaneError PHOTO_UNAVAILABLE."""
        try:
            self._bytes -= await asyncio.to_thread(_remove, self._folder / name_of(job_id))
        except OSError as error:
            log.warning("an upload cannot be removed", error=error.strerror)
            raise unreadable("its folder does not let it go") from None

    async def _make_room(self, size: int) -> None:
        """Counts it before it is written, so that others who come meanwhile see it."""
        self._bytes += size
        now_s = self._clock.now_s()
        if now_s >= self._count_again_s:
            self._count_again_s = now_s + COUNT_EVERY_S
            self._bytes = size + await asyncio.to_thread(self._count)
        if self._bytes > self._max_bytes:
            self._bytes -= size
            raise unkept(f"as much as uploads.max_bytes allows, {self._max_bytes}, waits already")

    def _count(self) -> int:
        """The size of all of them; those that were given up in the middle are removed."""
        total = 0
        newest_s, parts = 0.0, []
        with contextlib.suppress(FileNotFoundError), os.scandir(self._folder) as entries:
            for entry in entries:
                with contextlib.suppress(FileNotFoundError):
                    status = entry.stat(follow_symlinks=False)
                    newest_s = max(newest_s, status.st_mtime)
                    total += status.st_size
                    if entry.name.endswith(_TEMPORARY):
                        parts.append((Path(entry.path), status.st_mtime))
        for path, written_s in parts:
            # By the folder's own times: the clock of another machine may have written them.
            if newest_s - written_s > ABANDONED_AFTER_S:
                total -= _remove(path)
        return total

    def _write(self, name: str, photo: bytes) -> None:
        make_private_folder(self._folder)
        temporary = self._folder / f".{name}.{secrets.token_hex(8)}{_TEMPORARY}"
        descriptor = os.open(temporary, _CREATE, 0o600)
        try:
            with os.fdopen(descriptor, "wb", buffering=0) as file:
                _write_all(file.fileno(), photo)
                os.fsync(file.fileno())
            temporary.rename(self._folder / name)
        except BaseException:
            temporary.unlink(missing_ok=True)
            raise
        _sync_folder(self._folder)


def _write_all(descriptor: int, photo: bytes) -> None:
    left = memoryview(photo)
    while left:
        left = left[os.write(descriptor, left) :]


def _sync_folder(folder: Path) -> None:
    """The rename itself has to reach the disk too."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _remove(path: Path) -> int:
    """How many bytes are gone with it; none where it was not there."""
    try:
        size = path.stat().st_size
        path.unlink()
    except FileNotFoundError:
        return 0
    return size
