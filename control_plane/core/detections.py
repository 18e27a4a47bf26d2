"""What a caller asks about a photo and what comes back, as plain values.

The words a caller may use are checked here, once for every protocol, so that the
same mistake gets the same answer over REST, gRPC and the queue.
"""

from __future__ import annotations

import re
import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from control_plane.core.deadline import Deadline
from control_plane.errors import ErrorCode, InvalidArgument

MAX_ENGINES = 32
UUID = re.compile(
    r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|[0-9a-f]{32}", re.ASCII | re.IGNORECASE
)
ALIASES = {"material": "materials"}


class Priority(StrEnum):
    """How urgent a request is. Triton counts from 1, the most urgent."""

    HIGH = "high"
    NORMAL = "normal"
    LOW = "low"

    @property
    def triton_level(self) -> int:
        return {Priority.HIGH: 1, Priority.NORMAL: 2, Priority.LOW: 3}[self]


class DetectionStatus(StrEnum):
    QUEUED = "queued"
    PROCESSING = "processing"
    COMPLETED = "completed"
    PARTIAL = "partial"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class DetectionRequest:
    """One photo and the engines that are to look at it.

    photo: the encoded photo (JPEG, PNG or WebP), as it came.
    releases: the release wanted of an engine, where one is: a semantic version,
        ``stable`` or ``canary``.
    routing_key: keeps its caller on one side of a traffic split.
    may_use_cache: whether what was found on the same photo a while ago will do.
    """

    photo: bytes = field(repr=False)
    engines: tuple[str, ...]
    request_id: str
    correlation_id: str
    deadline: Deadline
    photo_id: str | None = None
    priority: Priority = Priority.NORMAL
    releases: Mapping[str, str] = field(default_factory=dict)
    routing_key: str | None = None
    may_use_cache: bool = True


@dataclass(frozen=True, slots=True)
class EngineFailure:
    """Why one engine gave no result, and when asking again makes sense, where that is known."""

    code: ErrorCode
    message: str
    retry_after_s: float | None = None


@dataclass(frozen=True, slots=True)
class EngineResult:
    """One engine's findings and who served them.

    findings: the engine's part of the answer, ready to be written as JSON.
    attempts: none where another request's answer was taken.
    fallback_from: the release that was chosen and could not answer; None when it did.
    is_cached: whether it was found for another request, of the same photo.
    """

    findings: Mapping[str, object]
    release: str
    instance: str
    attempts: int
    fallback_from: str | None = None
    is_cached: bool = False


@dataclass(frozen=True, slots=True)
class DetectionAnswer:
    """Everything known about one detection, whole or in part."""

    request_id: str
    detection_id: str
    correlation_id: str
    status: DetectionStatus
    results: Mapping[str, EngineResult]
    errors: Mapping[str, EngineFailure]
    processing_time_ms: float
    timestamp: datetime
    photo_id: str | None = None


def overall_status(succeeded: int, failed: int) -> DetectionStatus:
    """``completed`` when every engine answered, ``failed`` when none did, else ``partial``."""
    if failed == 0:
        return DetectionStatus.COMPLETED
    return DetectionStatus.PARTIAL if succeeded else DetectionStatus.FAILED


def check_detection_types(wanted: Sequence[str], known: Iterable[str]) -> tuple[str, ...]:
    """The engines asked for, aliases resolved, each once, in the order asked.

    Raises InvalidArgument for an empty or overlong list and for an unknown name.
    """
    if not wanted:
        raise InvalidArgument(
            "detection_types is empty; name at least one engine", field="detection_types"
        )
    if len(wanted) > MAX_ENGINES:
        raise InvalidArgument(
            f"detection_types has {len(wanted)} entries; the limit is {MAX_ENGINES}",
            field="detection_types",
        )
    known_names = sorted(known)
    engines: dict[str, None] = {}
    for position, name in enumerate(wanted):
        engine = ALIASES.get(name, name)
        if engine not in known_names:
            raise InvalidArgument(
                f"unknown detection type {name[:80]!r}; known: {', '.join(known_names) or 'none'}",
                field=f"detection_types[{position}]",
            )
        engines[engine] = None
    return tuple(engines)


def check_releases(wanted: Mapping[str, str], engines: Iterable[str]) -> dict[str, str]:
    """The releases wanted, by engine, aliases resolved.

    Raises InvalidArgument for an engine that is not asked. Whether such a release exists is
    for the routing to say.
    """
    asked = frozenset(engines)
    releases: dict[str, str] = {}
    for name, release in wanted.items():
        engine = ALIASES.get(name, name)
        if engine not in asked:
            raise InvalidArgument(
                f"releases names {name[:80]!r}, which is not asked for", field="releases"
            )
        releases[engine] = release
    return releases


def check_priority(value: str) -> Priority:
    """Raises InvalidArgument unless ``value`` is high, normal or low."""
    try:
        return Priority(value)
    except ValueError:
        raise InvalidArgument(
            f"unknown priority {value[:80]!r}; use high, normal or low", field="priority"
        ) from None


def check_uuid(value: str, name: str) -> str:
    """The canonical form of a UUID: 32 hexadecimal digits, with all its hyphens or none.

    Raises InvalidArgument naming the field otherwise; uuid.UUID alone would take much else and
    make another identifier of some of it.
    """
    if UUID.fullmatch(value) is None:
        raise InvalidArgument(f"{name} is not a UUID: {value[:80]!r}", field=name)
    return str(uuid.UUID(value))
