"""Stand-ins for the model repository and the registry of releases."""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from control_plane.adapters.registry.records import conflict, release_key
from control_plane.core.answers import Tensors
from control_plane.core.catalogue import Config, Engine, ModelSpec, Release
from control_plane.core.golden import Golden
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.errors import ConfigurationError, InvalidArgument
from control_plane.ports import AddedVersion, RegistryUnavailable, RepositoryContent
from tests.unit.samples import DECLARED, SPECS


@dataclass
class FakeModels:
    """A ModelStore in memory.

    complaint: what is wrong in it now; reading it raises then.
    files: the files that were put in, by model and version. answers: golden ones, likewise.
    """

    specs: dict[str, ModelSpec] = field(default_factory=lambda: dict(SPECS))
    declared: dict[str, Any] = field(default_factory=lambda: dict(DECLARED))
    stored: dict[str, Golden] = field(default_factory=dict)
    complaint: str = ""
    files: dict[tuple[str, int], bytes] = field(default_factory=dict)
    answers: dict[tuple[str, str], Tensors] = field(default_factory=dict)

    async def read(self) -> RepositoryContent:
        if self.complaint:
            raise ConfigurationError(self.complaint)
        return RepositoryContent(dict(self.specs), dict(self.declared))

    async def goldens(
        self, engines: Mapping[str, Engine], declared: Mapping[str, Mapping[str, Any]]
    ) -> Mapping[str, Golden]:
        return self.stored

    async def add_version(
        self, model: str, onnx: Path, *, filename: str, above: int
    ) -> AddedVersion:
        if self.complaint:
            raise ConfigurationError(self.complaint)
        content = await asyncio.to_thread(onnx.read_bytes)
        spec = self.specs[model]
        number = max(above, *spec.versions) + 1
        self.specs[model] = replace(spec, versions=(*spec.versions, number))
        self.files[model, number] = content
        return AddedVersion(number, hashlib.sha256(content).hexdigest())

    async def add_golden(self, engine: str, release: str, answer: Tensors) -> None:
        if self.complaint:
            raise ConfigurationError(self.complaint)
        self.answers.setdefault((engine, release), answer)


@dataclass
class FakeRegistry:
    """A ReleaseRegistry in memory.

    is_away: nothing is answered. refuses: reading works, writing does not.
    files: what was registered as files before it was.
    marked: the stable release and the canary of each engine, as they were last marked.
    """

    records: list[ReleaseRecord] = field(default_factory=list)
    complaints: tuple[str, ...] = ()
    files: tuple[ReleaseRecord, ...] = ()
    wanted: dict[str, str] = field(default_factory=dict)
    marked: dict[str, tuple[str, str | None]] = field(default_factory=dict)
    is_away: bool = False
    refuses: bool = False
    uploaded: list[bytes] = field(default_factory=list)

    async def read(self) -> Registered:
        self._check()
        return Registered(tuple(self.records), self.complaints, self.files)

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        self._check()
        if self.refuses:
            raise RegistryUnavailable("the disk is full")
        key = record.engine, release_key(record.release)
        if any((each.engine, release_key(each.release)) == key for each in self.records):
            raise conflict(record, "it is among the records")
        if onnx is not None:
            self.uploaded.append(await asyncio.to_thread(onnx.read_bytes))
        self.records.append(record)

    async def candidates(self) -> Mapping[str, str]:
        self._check()
        return dict(self.wanted)

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        self._check()
        self.marked[engine] = (stable.version, canary.version if canary else None)
        if taken is not None and self.wanted.get(engine) == taken:
            del self.wanted[engine]

    def _check(self) -> None:
        if self.is_away:
            raise RegistryUnavailable("the registry is away")


@dataclass
class FakeChecker:
    """An OnnxChecker that finds fit what begins with ``onnx``.

    given: the inputs that each file was run on, None for one that was not run.
    outputs: what each answers if it is run.
    """

    outputs: Tensors = field(default_factory=dict)
    given: list[Tensors | None] = field(default_factory=list)
    hold: asyncio.Event = field(default_factory=asyncio.Event)
    entered: asyncio.Queue[str] = field(default_factory=asyncio.Queue)

    def __post_init__(self) -> None:
        self.hold.set()

    async def check(self, onnx: Path, config: Config, inputs: Tensors | None) -> Tensors:
        self.entered.put_nowait(str(config["name"]))
        await self.hold.wait()
        if not (await asyncio.to_thread(onnx.read_bytes)).startswith(b"onnx"):
            raise InvalidArgument("the ONNX file cannot be served: it is none", field="onnx")
        self.given.append(inputs)
        return {} if inputs is None else self.outputs
