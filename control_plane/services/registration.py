"""Registering a release: checked first, put into the repository whole, written down last.

    file ─► fits its component? ─► runs the golden input? ─► version folder ─► registry
                                                               golden answer, catalogue ◄──┘

Nothing is routed or loaded here: a registered release is one that a rollout may be started to. A
failure after the version folder leaves a version that no release pins; it is harmless, and said.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path

import structlog

from control_plane.core.catalogue import Engine, Release
from control_plane.core.registered import ReleaseRecord
from control_plane.core.registering import check_pins, check_release, moving_component
from control_plane.core.state import AuditEntry
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.ports import (
    AddedVersion,
    Calendar,
    Clock,
    ModelStore,
    RegistryUnavailable,
    ReleaseRegistry,
)
from control_plane.services.catalogue import Catalogue
from control_plane.services.file_proof import FileProver, Proof

log = structlog.get_logger(__name__)

MAX_WAITING = 4
MAX_WHO, MAX_REASON = 200, 2000


@dataclass(frozen=True, slots=True)
class RegisteredRelease:
    """What was registered.

    component, version: what the file became; "" and None without one.
    is_proved: whether the file has run the golden input; an engine may have none.
    audit: what is to be written down of it.
    """

    release: Release
    record: ReleaseRecord
    component: str
    version: int | None
    is_proved: bool
    audit: AuditEntry


class Registration:
    """Registers releases.

    record: writes down who did it. The registry's own record says it too, so a release is
        registered though this fails.
    """

    def __init__(
        self,
        catalogue: Catalogue,
        models: ModelStore,
        registry: ReleaseRegistry,
        prover: FileProver,
        *,
        clock: Clock,
        calendar: Calendar,
        record: Callable[[AuditEntry], Awaitable[None]] | None = None,
    ) -> None:
        self._catalogue = catalogue
        self._models = models
        self._registry = registry
        self._prover = prover
        self._clock = clock
        self._calendar = calendar
        self._record = record
        self._turn = asyncio.Lock()
        self._waiting = 0

    @property
    def max_onnx_bytes(self) -> int:
        return self._prover.max_bytes

    async def register(
        self,
        engine: str,
        release: str,
        *,
        onnx: Path | None = None,
        pins: Mapping[str, int] | None = None,
        who: str = "",
        reason: str = "",
    ) -> RegisteredRelease:
        """Registers a release with a file for the engine's floating component, or with pins.

        Raises ControlPlaneError: UNKNOWN_ENGINE; INVALID_ARGUMENT for what is wrong with number,
        pins or file; MESSAGE_TOO_LARGE; CONFLICT; RELEASE_NOT_READY while nobody can prepare the
        golden input; OVERLOADED while others register; CONFIGURATION, BACKEND_UNAVAILABLE when
        repository or registry cannot take it.
        """
        self.check(engine, release, has_onnx=onnx is not None, pins=pins, who=who, reason=reason)
        async with self._one_at_a_time():
            await self._catalogue.refresh()
            self._check_registry()
            found = self._engine(engine)
            check_release(found, release)
            record = ReleaseRecord(
                engine,
                release,
                dict(pins or {}),
                who=who,
                reason=reason,
                registered_at=self._calendar.utc(self._clock.now_s()).isoformat(),
            )
            if onnx is None:
                check_pins(found, self._catalogue.specs, record.pins)
                return await self._write_down(record, None, "", None, Proof())
            moving = moving_component(
                found,
                self._catalogue.specs,
                self._catalogue.declared,
                self._catalogue.pins(),
            )
            proof = await self._prover.prove(found, moving, onnx)
            added = await self._models.add_version(
                moving.model.name, onnx, filename=moving.filename, above=moving.above
            )
            record = replace(
                record, pins={moving.model.name: added.number}, onnx_sha256=added.sha256
            )
            return await self._write_down(record, onnx, moving.model.name, added, proof)

    def check(
        self,
        engine: str,
        release: str,
        *,
        has_onnx: bool,
        pins: Mapping[str, int] | None,
        who: str = "",
        reason: str = "",
    ) -> None:
        """What can be said before a file has arrived. Raises ControlPlaneError as ``register``."""
        if has_onnx and pins:
            raise InvalidArgument(
                "both an ONNX file and pins are given; a release is registered with one of them",
                field="pins",
            )
        if not has_onnx and not pins:
            raise InvalidArgument(
                "neither an ONNX file nor pins are given; a release is registered with one of them",
                field="onnx",
            )
        for name, text, most in (("who", who, MAX_WHO), ("reason", reason, MAX_REASON)):
            if len(text) > most:
                raise InvalidArgument(
                    f"{name} has {len(text)} characters; the limit is {most}", field=name
                )
        check_release(self._engine(engine), release)

    def _check_registry(self) -> None:
        """A registry that cannot be read now cannot be written to after the file is put in."""
        trouble = self._catalogue.registry_trouble
        if trouble:
            raise ControlPlaneError(
                ErrorCode.BACKEND_UNAVAILABLE,
                f"the release cannot be written down: {trouble}; nothing was changed",
            )

    def _engine(self, name: str) -> Engine:
        engine = self._catalogue.engines.get(name)
        if engine is None:
            known = ", ".join(self._catalogue.engines) or "none"
            raise ControlPlaneError(
                ErrorCode.UNKNOWN_ENGINE,
                f"unknown engine {name[:80]!r}; engines: {known}",
                field="engine",
            )
        return engine

    async def _write_down(
        self,
        record: ReleaseRecord,
        onnx: Path | None,
        component: str,
        added: AddedVersion | None,
        proof: Proof,
    ) -> RegisteredRelease:
        left = (
            f"; version {added.number} of {component} lies in the repository, and no release "
            f"pins it"
            if added is not None
            else ""
        )
        try:
            await self._registry.add(record, onnx)
        except RegistryUnavailable as error:
            raise ControlPlaneError(
                ErrorCode.BACKEND_UNAVAILABLE, f"the release cannot be written down: {error}{left}"
            ) from error
        except ControlPlaneError as error:
            error.message += left
            error.args = (error.message,)
            raise
        await self._keep(proof, record)
        await self._catalogue.refresh()
        release = self._engine(record.engine).releases.get(record.release)
        if release is None:
            said = "; ".join(self._catalogue.complaints) or "nobody knows why"
            raise ControlPlaneError(
                ErrorCode.INTERNAL,
                f"release {record.release} of {record.engine!r} is written down, but the "
                f"catalogue does not have it: {said}",
            )
        log.info(
            "release registered",
            engine=record.engine,
            release=record.release,
            pins=dict(release.pins),
            who=record.who,
            reason=record.reason,
        )
        entry = _audit(release, record)
        await self._audit(entry)
        number = added.number if added is not None else None
        return RegisteredRelease(release, record, component, number, proof.is_given, entry)

    async def _keep(self, proof: Proof, record: ReleaseRecord) -> None:
        """What the file answered is what every instance must answer from now on."""
        if not proof.answer:
            return
        try:
            await self._models.add_golden(record.engine, record.release, proof.answer)
        except ControlPlaneError as error:
            log.warning(
                "a registered release has no golden answer",
                engine=record.engine,
                release=record.release,
                reason=error.message,
            )

    async def _audit(self, entry: AuditEntry) -> None:
        if self._record is None:
            return
        try:
            await self._record(entry)
        except ControlPlaneError as error:
            log.warning(
                "a registration is not in the audit log", engine=entry.engine, reason=error.message
            )

    @asynccontextmanager
    async def _one_at_a_time(self) -> AsyncIterator[None]:
        """One after the other: each may take gigabytes and a core for a while."""
        if self._waiting >= MAX_WAITING:
            raise ControlPlaneError(
                ErrorCode.OVERLOADED,
                f"{self._waiting} releases are being registered already",
                retry_after_s=10.0,
            )
        self._waiting += 1
        try:
            async with self._turn:
                yield
        finally:
            self._waiting -= 1


def _audit(release: Release, record: ReleaseRecord) -> AuditEntry:
    after: dict[str, object] = {"release": release.version, "pins": dict(release.pins)}
    if record.onnx_sha256:
        after["onnx_sha256"] = record.onnx_sha256
    return AuditEntry(
        who=record.who,
        action="register",
        reason=record.reason,
        engine=record.engine,
        after=after,
    )
