"""What an engine said, read for being held against truth."""

from __future__ import annotations

from datetime import UTC, datetime

from control_plane.core.accuracy import Box, Found, FoundBox, keep, kept_of, read_found
from control_plane.core.accuracy.found import MOST_BOXES
from control_plane.core.detections import DetectionAnswer, DetectionStatus, EngineResult

BOX = {"x_min": 1.0, "y_min": 2.0, "x_max": 3.0, "y_max": 4.0}
HAIL = {"class": "hail", "confidence": 0.75, "box": BOX}
PLYWOOD = {"class": "plywood", "confidence": 0.5, "box": BOX, "brand": None}


def test_detections_and_items_are_boxes() -> None:
    found = Found(boxes=(FoundBox("hail", 0.75, Box(1, 2, 3, 4)),))
    assert read_found({"detections": [HAIL], "counts": {"hail": 1}}) == found
    assert read_found({"items": [HAIL]}) == found
    assert read_found({"detections": []}) == Found(boxes=())


def test_a_volume_is_a_volume() -> None:
    assert read_found({"volume_m3": 2.5, "confidence": 0.9}) == Found(volume_m3=2.5)


def test_the_answer_of_another_engine_holds_nothing_to_compare() -> None:
    for findings in (
        {},
        {"EMBEDDING": [[0.1, 0.2]]},
        {"detections": [[1, 2]]},
        {"detections": [{"class": "hail"}]},
        {"items": 3},
        {"volume_m3": ["no number"]},
    ):
        assert read_found(findings) == Found()
        assert read_found(kept_of(findings)) == Found()


def test_what_is_kept_reads_the_same_and_holds_nothing_else() -> None:
    findings = {"items": [PLYWOOD], "counts": {"plywood": 1}}
    assert kept_of(findings) == {"items": [PLYWOOD]}
    assert kept_of({"detections": [], "counts": {}}) == {"detections": []}
    assert read_found(kept_of(findings)) == read_found(findings)
    assert kept_of({"volume_m3": 2.5, "confidence": 0.9}) == {"volume_m3": 2.5}
    assert kept_of({"EMBEDDING": [0.0] * 1000}) == {}
    assert kept_of({"volume_m3": [0.0] * 1000}) == {}


def test_of_very_many_boxes_so_many_are_kept() -> None:
    assert len(kept_of({"detections": [HAIL] * (MOST_BOXES + 1)})["detections"]) == MOST_BOXES


def test_an_answer_is_kept_by_its_ids_with_each_engines_release() -> None:
    answer = DetectionAnswer(
        request_id="r",
        detection_id="d",
        correlation_id="c",
        status=DetectionStatus.COMPLETED,
        results={
            "damage": EngineResult({"detections": [HAIL]}, "1.1.0", "triton-0", 1),
            "volume": EngineResult({"volume_m3": 1.5, "confidence": 1.0}, "1.0.0", "triton-1", 1),
        },
        errors={},
        processing_time_ms=1.0,
        timestamp=datetime(2025, 1, 31, tzinfo=UTC),
    )
    kept = keep(answer)
    assert (kept.request_id, kept.detection_id) == ("r", "d")
    assert {name: one.release for name, one in kept.results.items()} == {
        "damage": "1.1.0",
        "volume": "1.0.0",
    }
    assert kept.results["volume"].findings == {"volume_m3": 1.5}
