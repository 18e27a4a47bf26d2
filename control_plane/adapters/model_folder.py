"""The model repository while Tidegate runs: read again, and a version put in.

    read                       configurations, version folders, releases.yaml
    goldens                    golden inputs and answers, read again when a file has changed
    add_version                staged file ─► detector/3, by one rename
    add_golden                 staged answer ─► damage--1.2.0.golden.json, by one link

Everything blocks on the disk, so everything runs in threads. A rename onto a folder that holds
something fails on every POSIX file system, and every version that is put in holds its file: of two
that want the same number one is first, and the other one takes the next.
"""

from __future__ import annotations

import asyncio
import errno
import hashlib
import os
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from control_plane.adapters.golden_files import MAX_BYTES, SUFFIX, answer_file, read_goldens
from control_plane.adapters.model_repository import read_content
from control_plane.adapters.staging import staged, sweep, sync
from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Engine, ModelSpec, Release
from control_plane.core.golden import Golden
from control_plane.core.registering import MODEL_FILE
from control_plane.core.tensors import tensors_to_json
from control_plane.errors import ConfigurationError
from control_plane.ports import AddedVersion, RepositoryContent

CHUNK_BYTES = 1024 * 1024
MOST_TRIES = 1000

_Signature = tuple[object, ...]


class ModelFolder:
    """A ModelStore in a folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._goldens: tuple[_Signature, Mapping[str, Golden]] | None = None

    def sweep(self) -> int:
        """Removes what a crash has left half done; call it at the start. How many there were."""
        return sweep(self._folder)

    async def read(self) -> RepositoryContent:
        return await asyncio.to_thread(read_content, self._folder)

    async def goldens(
        self, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Golden]:
        return await asyncio.to_thread(self._read_goldens, engines, declared)

    async def add_version(
        self, model: str, onnx: Path, *, filename: str, above: int
    ) -> AddedVersion:
        return await asyncio.to_thread(self._add_version, model, onnx, filename, above)

    async def add_golden(self, engine: str, release: str, answer: Tensors) -> None:
        await asyncio.to_thread(self._add_golden, engine, release, answer)

    def _read_goldens(
        self, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Golden]:
        tolerances = {name: engine.get("golden") or {} for name, engine in declared.items()}
        names = {name: tuple(engine.releases) for name, engine in engines.items()}
        signature = (names, tolerances, _stamps(self._folder))
        if self._goldens is None or self._goldens[0] != signature:
            self._goldens = signature, read_goldens(self._folder, engines, tolerances)
        return self._goldens[1]

    def _add_version(self, model: str, onnx: Path, filename: str, above: int) -> AddedVersion:
        place = self._folder / model
        try:
            with staged(self._folder) as entry:
                # The folder that is renamed lies in the entry, so that the lock stays behind.
                version = entry / "version"
                version.mkdir()
                digest = _copy(onnx, version / filename)
                sync(version)
                number = _put_in(version, place, above)
                sync(place)
                return AddedVersion(number, digest)
        except OSError as error:
            raise ConfigurationError(
                f"no version can be added to {place}: {error.strerror}", field="model_repository"
            ) from error

    def _add_golden(self, engine: str, release: str, answer: Tensors) -> None:
        path = answer_file(self._folder, engine, release)
        content = _write_answer(answer)
        try:
            with staged(self._folder) as entry, suppress(FileExistsError):
                written = entry / path.name
                written.write_bytes(content)
                sync(written)
                os.link(written, path)
                sync(self._folder)
        except OSError as error:
            raise ConfigurationError(
                f"{path} cannot be written: {error.strerror}", field="model_repository"
            ) from error


def _write_answer(answer: Tensors) -> bytes:
    """As a file that can be read again: one that cannot would stop every reading after it."""
    complaint, written = "", b""
    try:
        written = orjson.dumps({"outputs": tensors_to_json(answer)})
    except (ValueError, TypeError) as error:
        complaint = str(error)
    for name, array in answer.items():
        if np.issubdtype(array.dtype, np.floating) and not np.isfinite(array).all():
            complaint = f"{name} has values that are no finite numbers"
    if len(written) > MAX_BYTES:
        complaint = f"it has {len(written)} bytes; the limit is {MAX_BYTES}"
    if complaint:
        raise ConfigurationError(f"a golden answer cannot be written: {complaint}", field="golden")
    return written


def onnx_file(folder: Path, specs: Mapping[str, ModelSpec], release: Release) -> Path | None:
    """The file of the component that a release's engine leaves floating, if it is there."""
    spec = specs.get(release.engine)
    name = spec.floating if spec is not None and spec.is_ensemble else release.engine
    model = specs.get(name or "")
    if model is None:
        return None
    filename = model.config.get("default_model_filename") or MODEL_FILE
    path = folder / model.name / str(release.pins.get(model.name, 0)) / str(filename)
    return path if path.suffix == ".onnx" and path.is_file() else None


def _put_in(version: Path, place: Path, above: int) -> int:
    """The number under which the folder lies in its place."""
    for _ in range(MOST_TRIES):
        taken = [int(path.name) for path in place.iterdir() if _is_number(path.name)]
        number = max([above, *taken]) + 1
        try:
            os.rename(version, place / str(number))
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST, errno.ENOTDIR):
                raise
        else:
            return number
    raise OSError(errno.EBUSY, "others take every number first")


def _is_number(name: str) -> bool:
    return name.isascii() and name.isdigit()


def _copy(source: Path, target: Path) -> str:
    """Copies a file to the disk itself; its SHA-256 in hexadecimal."""
    digest = hashlib.sha256()
    with source.open("rb") as read, target.open("xb") as written:
        while chunk := read.read(CHUNK_BYTES):
            digest.update(chunk)
            written.write(chunk)
        written.flush()
        os.fsync(written.fileno())
    return digest.hexdigest()


def _stamps(folder: Path) -> tuple[tuple[str, int, int], ...]:
    """What tells whether a golden file has been changed."""
    stamps = []
    for path in sorted(folder.glob(f"*{SUFFIX}.*")):
        found = path.stat()
        stamps.append((path.name, found.st_mtime_ns, found.st_size))
    return tuple(stamps)
