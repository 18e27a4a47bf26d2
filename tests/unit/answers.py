"""Answers of the detection service, for those who are told of them."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Any

from control_plane.core.detections import DetectionAnswer, DetectionStatus, EngineResult

BOX = {"x_min": 0.0, "y_min": 0.0, "x_max": 10.0, "y_max": 10.0}
HAIL = {"class": "hail", "confidence": 0.9, "box": BOX}
FINDINGS: Mapping[str, Mapping[str, Any]] = {
    "damage": {"detections": [HAIL], "counts": {"hail": 1}},
    "volume": {"volume_m3": 4.0, "confidence": 0.9},
}


def answer(
    name: str, *engines: str, request: str = "", release: str = "1.0.0", correlation: str = "c"
) -> DetectionAnswer:
    """With the findings of these engines, by default of all in FINDINGS."""
    return DetectionAnswer(
        request_id=request or f"r-{name}",
        detection_id=f"d-{name}",
        correlation_id=correlation,
        status=DetectionStatus.COMPLETED,
        results={
            engine: EngineResult(FINDINGS[engine], release, "triton-0", 1)
            for engine in engines or FINDINGS
        },
        errors={},
        processing_time_ms=1.0,
        timestamp=datetime(2025, 1, 31, tzinfo=UTC),
    )
