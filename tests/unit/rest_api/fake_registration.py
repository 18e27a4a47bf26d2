"""A registration that registers everything but release 9.9.9."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from control_plane.core.catalogue import Release
from control_plane.core.registered import ReleaseRecord
from control_plane.core.state import AuditEntry
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.services.registration import RegisteredRelease

LIMIT = 200_000


@dataclass
class FakeRegistration:
    """Registers everything but release 9.9.9, and remembers it.

    done: engine, release, what was given, who and why. paths: where each file lay.
    """

    done: list[tuple[Any, ...]] = field(default_factory=list)
    paths: list[Path] = field(default_factory=list)
    max_onnx_bytes: int = LIMIT

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
        if release == "9.9.9":
            raise ControlPlaneError(ErrorCode.CONFLICT, "it is there already", field="release")

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
        self.check(engine, release, has_onnx=onnx is not None, pins=pins)
        if onnx is None and not pins:
            raise InvalidArgument("neither is given", field="onnx")
        self.done.append((engine, release, read(onnx) if onnx else pins, who, reason))
        if onnx:
            self.paths.append(onnx)
        pins = pins or {"damage_detector": 3}
        return RegisteredRelease(
            Release(engine, release, {"preprocess": 1, **pins}, True),
            ReleaseRecord(engine, release, pins, onnx_sha256="0f" * 32 if onnx else ""),
            "damage_detector" if onnx else "",
            3 if onnx else None,
            is_proved=onnx is not None,
            audit=AuditEntry(who, "register"),
        )


def read(path: Path) -> bytes:
    return path.read_bytes()
