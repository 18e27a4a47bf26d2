"""What is kept of detections and of what was said about them. Never a photo."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from control_plane.core.accuracy.found import kept_of
from control_plane.core.accuracy.judging import Judged
from control_plane.core.detections import DetectionAnswer


@dataclass(frozen=True, slots=True)
class KeptResult:
    """One engine's part. findings: what of them can be held against truth."""

    release: str
    findings: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class KeptDetection:
    """One answer, by the ids that its caller knows it by.

    correlation_id: others may have the same; empty where it is not known any more.
    """

    request_id: str
    detection_id: str
    results: Mapping[str, KeptResult]
    correlation_id: str = ""


@dataclass(frozen=True, slots=True)
class Feedback:
    """What was said about one engine's part of one detection, and how it was judged."""

    request_id: str
    detection_id: str
    engine: str
    release: str
    judged: Judged
    who: str = ""
    note: str = ""


def keep(answer: DetectionAnswer) -> KeptDetection:
    """What is kept of an answer."""
    return KeptDetection(
        answer.request_id,
        answer.detection_id,
        {
            engine: KeptResult(result.release, kept_of(result.findings))
            for engine, result in answer.results.items()
        },
        answer.correlation_id,
    )
