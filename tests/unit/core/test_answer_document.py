"""What is written of an answer is read again as it was, through JSON and back."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.answer_document import Document, read_answer, write_answer
from control_plane.core.detections import (
    DetectionAnswer,
    EngineFailure,
    EngineResult,
    overall_status,
)
from control_plane.errors import ErrorCode

NAMES = st.text(max_size=8)
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=6,
)
RESULTS = st.builds(
    EngineResult,
    findings=st.dictionaries(st.text(), JSON_VALUES, max_size=3),
    release=st.text(),
    instance=st.text(),
    attempts=st.integers(1, 9),
    fallback_from=st.none() | st.text(),
    is_cached=st.booleans(),
)
FAILURES = st.builds(
    EngineFailure,
    code=st.sampled_from(ErrorCode),
    message=st.text(),
    retry_after_s=st.none() | st.floats(0, 1e9),
)


def an_answer(**changes: Any) -> DetectionAnswer:
    return DetectionAnswer(
        **{
            "request_id": "r-1",
            "detection_id": "d-1",
            "correlation_id": "c-1",
            "status": overall_status(1, 1),
            "results": {
                "damage": EngineResult(
                    {"counts": {"hail": 2}}, "1.1.0", "triton-1", attempts=2, fallback_from="1.2.0"
                )
            },
            "errors": {"volume": EngineFailure(ErrorCode.OVERLOADED, "full", 2.5)},
            "processing_time_ms": 12.5,
            "timestamp": datetime(2026, 1, 2, 3, 4, 5, 678, tzinfo=UTC),
            "photo_id": "p-1",
            **changes,
        }
    )


DOCUMENT: Document = {
    "request_id": "r-1",
    "detection_id": "d-1",
    "correlation_id": "c-1",
    "photo_id": "p-1",
    "status": "partial",
    "results": {"damage": {"counts": {"hail": 2}}},
    "errors": {"volume": {"code": "overloaded", "message": "full", "retry_after_s": 2.5}},
    "processing_time_ms": 12.5,
    "model_versions": {"damage": "v1.1.0"},
    "served_by": {
        "damage": {
            "release": "1.1.0",
            "instance": "triton-1",
            "attempts": 2,
            "fallback_from": "1.2.0",
            "cached": False,
        }
    },
    "timestamp": "2026-01-02T03:04:05.000678+00:00",
}


def test_the_document_of_an_answer() -> None:
    assert write_answer(an_answer()) == DOCUMENT


@given(
    results=st.dictionaries(NAMES, RESULTS, max_size=3),
    errors=st.dictionaries(NAMES, FAILURES, max_size=3),
    photo_id=st.none() | st.text(),
    timestamp=st.datetimes(timezones=st.just(UTC)),
)
def test_an_answer_is_read_as_it_was_written(
    results: dict[str, EngineResult],
    errors: dict[str, EngineFailure],
    photo_id: str | None,
    timestamp: datetime,
) -> None:
    answer = an_answer(
        status=overall_status(len(results), len(errors)),
        results=results,
        errors=errors,
        photo_id=photo_id,
        timestamp=timestamp,
    )
    assert read_answer(json.loads(json.dumps(write_answer(answer)))) == answer


@pytest.mark.parametrize("name", sorted(set(DOCUMENT) - {"model_versions"}))
def test_a_document_without_one_of_its_parts_is_refused(name: str) -> None:
    with pytest.raises(KeyError):
        read_answer({key: value for key, value in DOCUMENT.items() if key != name})


@pytest.mark.parametrize("name", ["results", "errors", "served_by", "status", "timestamp"])
@pytest.mark.parametrize("value", [5, None, [1], "text"])
def test_a_part_of_another_kind_is_refused(name: str, value: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        read_answer({**DOCUMENT, name: value})


def test_an_unknown_code_is_refused() -> None:
    errors = {"volume": {"code": "bad luck", "message": "", "retry_after_s": None}}
    with pytest.raises(ValueError, match="bad luck"):
        read_answer({**DOCUMENT, "errors": errors})


def test_a_document_from_before_there_was_a_cache_is_read() -> None:
    served = {name: dict(one) for name, one in DOCUMENT["served_by"].items()}
    for one in served.values():
        del one["cached"]
    assert read_answer({**DOCUMENT, "served_by": served}) == an_answer()
