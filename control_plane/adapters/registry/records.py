"""A release record as fields, and fields as a record: every complaint names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from control_plane.core.registered import ReleaseRecord
from control_plane.core.versions import parse_version
from control_plane.errors import ControlPlaneError, ErrorCode

TEXTS = ("engine", "release", "onnx_sha256", "who", "reason", "registered_at")
MAX_TEXT = 4096
MAX_PINS = 256
_SHA256 = re.compile(r"([0-9a-f]{64})?")


def fields_of(record: ReleaseRecord) -> dict[str, Any]:
    return {**{name: getattr(record, name) for name in TEXTS}, "pins": dict(record.pins)}


def check_fields(fields: Mapping[str, Any], *, source: str) -> ReleaseRecord:
    """Raises ValueError naming the field. What is unknown is let be: a later release wrote it."""
    texts = {}
    for name in TEXTS:
        value = fields.get(name, "")
        if not isinstance(value, str) or len(value) > MAX_TEXT:
            raise ValueError(f"{name} is no text of at most {MAX_TEXT} characters")
        texts[name] = value
    if not texts["engine"]:
        raise ValueError("engine is missing")
    if not texts["release"]:
        raise ValueError("release is missing")
    try:
        parse_version(texts["release"])
    except ValueError as error:
        raise ValueError(f"release: {error}") from None
    if not _SHA256.fullmatch(texts["onnx_sha256"]):
        raise ValueError("onnx_sha256 is no SHA-256 in 64 hexadecimal digits")
    if "pins" not in fields:
        raise ValueError("pins is missing")
    return ReleaseRecord(pins=check_pins(fields["pins"]), source=source, **texts)


def check_pins(pins: object) -> dict[str, int]:
    """Raises ValueError for what is no mapping of components to versions."""
    if not isinstance(pins, dict) or len(pins) > MAX_PINS:
        raise ValueError("pins is no mapping of components to versions")
    for model, version in pins.items():
        if not isinstance(model, str) or type(version) is not int or version < 1:
            raise ValueError(f"pins.{model} is {version!r:.80}, which is no version such as 3")
    return pins


def release_key(release: str) -> str:
    """The same for all releases of one precedence, of which an engine has one."""
    return parse_version(release).without_build


def conflict(record: ReleaseRecord, why: str) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.CONFLICT,
        f"release {record.release} of engine {record.engine!r} is registered already: {why}; "
        f"what is registered is never overwritten, take another number",
        field="release",
    )
