"""Registered releases as files at the root of the model repository, beside the golden ones.

    damage--1.2.0.release.json    one release: pins, SHA-256 of its ONNX file, who, when, why

One file each, because a file can be put in place at once or not at all, and never over another
(``link``): of two that register one release at the same time one is refused, with no lock that a
crash could leave behind. The name leaves build metadata out, so that holds for a whole precedence.
``releases.yaml`` is people's, and is never written.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Mapping
from pathlib import Path

import orjson

from control_plane.adapters.registry.records import (
    check_fields,
    conflict,
    fields_of,
    release_key,
)
from control_plane.adapters.staging import staged, sync
from control_plane.core.catalogue import TWIN_SEPARATOR, Release
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.ports import RegistryUnavailable

SUFFIX = ".release.json"
MAX_BYTES = 64 * 1024


class FileRegistry:
    """A ReleaseRegistry in the model repository's own folder. It has no candidates."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    async def close(self) -> None:
        """Nothing is open."""

    async def read(self) -> Registered:
        return await asyncio.to_thread(self._read)

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        del onnx  # it lies in the repository already
        await asyncio.to_thread(self._add, record)

    async def candidates(self) -> Mapping[str, str]:
        return {}

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        """Files show nothing."""

    def _read(self) -> Registered:
        records, complaints = [], []
        try:
            paths = sorted(self._folder.glob(f"*{TWIN_SEPARATOR}*{SUFFIX}"))
        except OSError as error:
            raise RegistryUnavailable(f"{self._folder} cannot be read: {error.strerror}") from error
        for path in paths:
            try:
                records.append(_read_record(path))
            except ValueError as error:
                complaints.append(f"{path}: {error}; it is left out")
            except OSError as error:
                complaints.append(f"{path} cannot be read: {error.strerror}; it is left out")
        return Registered(tuple(records), tuple(complaints))

    def _add(self, record: ReleaseRecord) -> None:
        path = record_file(self._folder, record.engine, record.release)
        content = orjson.dumps(fields_of(record), option=orjson.OPT_INDENT_2) + b"\n"
        try:
            with staged(self._folder) as entry:
                written = entry / path.name
                written.write_bytes(content)
                sync(written)
                os.link(written, path)
                sync(self._folder)
        except FileExistsError:
            raise conflict(record, f"{path} is there") from None
        except OSError as error:
            raise RegistryUnavailable(f"{path} cannot be written: {error.strerror}") from error


def record_file(folder: Path, engine: str, release: str) -> Path:
    """Where a release is written down."""
    return folder / f"{engine}{TWIN_SEPARATOR}{release_key(release)}{SUFFIX}"


def _read_record(path: Path) -> ReleaseRecord:
    """Raises ValueError saying what is wrong in it."""
    with path.open("rb") as file:
        content = file.read(MAX_BYTES + 1)
    if len(content) > MAX_BYTES:
        raise ValueError(f"it has more than {MAX_BYTES} bytes")
    try:
        fields = orjson.loads(content)
    except orjson.JSONDecodeError as error:
        raise ValueError(f"it is not JSON: {error}") from None
    if not isinstance(fields, dict):
        raise ValueError("it is no JSON object")  # noqa: TRY004 -- it is the value of a file
    record = check_fields(fields, source=str(path))
    if record_file(path.parent, record.engine, record.release) != path:
        raise ValueError(f"it is of release {record.release} of {record.engine!r}")
    return record
