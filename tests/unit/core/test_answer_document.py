"""An answer is written as REST shows it, and read back as it was."""

from __future__ import annotations

import json
from datetime import UTC, datetime

from control_plane.core.answer_document import read_answer, write_answer
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineFailure,
    EngineResult,
)
from control_plane.errors import ErrorCode

ANSWER = DetectionAnswer(
    request_id="r-1",
    detection_id="d-1",
    correlation_id="c-1",
    status=DetectionStatus.PARTIAL,
    results={
        "damage": EngineResult({"counts": {"hail": 1}}, "1.0.0", "triton-0", 2, "1.1.0"),
        "materials": EngineResult({"items": []}, "1.0.0", "triton-1", 0, is_cached=True),
    },
    errors={"volume": EngineFailure(ErrorCode.OVERLOADED, "it is full", 0.5)},
    processing_time_ms=12.5,
    timestamp=datetime(2025, 1, 31, 12, tzinfo=UTC),
    photo_id="p-1",
)


def test_what_is_written_is_read_back() -> None:
    assert read_answer(json.loads(json.dumps(write_answer(ANSWER)))) == ANSWER


def test_it_says_whether_a_result_was_found_for_another_request() -> None:
    served = write_answer(ANSWER)["served_by"]
    assert {engine: one["cached"] for engine, one in served.items()} == {
        "damage": False,
        "materials": True,
    }


def test_a_document_from_before_there_was_a_cache_is_read() -> None:
    document = write_answer(ANSWER)
    for one in document["served_by"].values():
        del one["cached"]
    assert not any(result.is_cached for result in read_answer(document).results.values())
