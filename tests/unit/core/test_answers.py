"""From tensors to what a caller reads; a misshapen answer is the backend's fault, always."""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import pytest

from control_plane.core.answers import MAX_ELEMENTS, read_findings
from control_plane.errors import ControlPlaneError, ErrorCode
from tests.unit.samples import DETECTED, MEASURED

WIND = {
    "class": "wind",
    "confidence": 0.9123,
    "box": {"x_min": 1.0, "y_min": 2.0, "x_max": 3.0, "y_max": 4.0},
}
HAIL = {
    "class": "hail",
    "confidence": 0.5,
    "box": {"x_min": 5.0, "y_min": 6.1, "x_max": 7.0, "y_max": 8.0},
}


def text(*values: bytes) -> npt.NDArray[Any]:
    return np.array(values, np.object_)


def test_damage_is_its_real_rows_and_counts_by_class_in_order() -> None:
    findings = read_findings("damage", DETECTED)
    assert findings == {"detections": [WIND, HAIL], "counts": {"hail": 1, "wind": 1}}
    assert list(findings["counts"]) == ["hail", "wind"]


def test_materials_have_a_brand_or_none() -> None:
    assert read_findings("materials", DETECTED) == {
        "items": [{**WIND, "brand": "Owens"}, {**HAIL, "brand": None}],
        "counts": {"hail": 1, "wind": 1},
    }


def test_nothing_found_is_an_answer() -> None:
    nothing = {**DETECTED, "COUNT": np.array([0], np.int32)}
    assert read_findings("damage", nothing) == {"detections": [], "counts": {}}


def test_all_rows_may_be_real() -> None:
    full = {**DETECTED, "COUNT": np.array([3]), "CLASSES": text(b"wind", b"hail", b"wind")}
    assert read_findings("damage", full)["counts"] == {"hail": 1, "wind": 2}


def test_volume_is_rounded() -> None:
    assert read_findings("volume", MEASURED) == {"volume_m3": 12.346, "confidence": 0.8765}


def test_another_engine_gets_its_tensors_as_lists() -> None:
    tensors = {
        "logits": np.array([[1.5, 2.5]], np.float32),
        "labels": text(b"a", b"\xff"),
        "flag": np.array([True]),
    }
    assert read_findings("roofness", tensors) == {
        "logits": [[1.5, 2.5]],
        "labels": ["a", "�"],
        "flag": [True],
    }


def refusal_of(values: npt.NDArray[Any]) -> str:
    with pytest.raises(ControlPlaneError) as refusal:
        read_findings("roofness", {"logits": np.zeros(1), "map": values})
    assert refusal.value.code is ErrorCode.BACKEND_FAULT
    return refusal.value.message


def test_another_engines_answer_is_bounded() -> None:
    read_findings("roofness", {"map": np.zeros((10, MAX_ELEMENTS // 10), np.uint8)})
    for values in (np.zeros(MAX_ELEMENTS, np.uint8), text(*[b"a"] * MAX_ELEMENTS)):
        assert f"{MAX_ELEMENTS + 1} elements; the limit is {MAX_ELEMENTS}" in refusal_of(values)


@pytest.mark.parametrize("kind", [np.float16, np.float32, np.float64])
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_another_engines_numbers_are_finite(value: float, kind: type[np.floating[Any]]) -> None:
    assert "no finite number" in refusal_of(np.array([[1.0, value]], kind))


BAD: dict[str, tuple[str, dict[str, Any]]] = {
    "output missing": ("damage", {"COUNT": None}),
    "brands missing": ("materials", {"BRANDS": None}),
    "empty count": ("damage", {"COUNT": np.array([], np.int32)}),
    "count above the rows": ("damage", {"COUNT": np.array([4])}),
    "count below zero": ("damage", {"COUNT": np.array([-1])}),
    "count not finite": ("damage", {"COUNT": np.array([np.inf])}),
    "count not a number": ("damage", {"COUNT": np.array([np.nan])}),
    "count a table": ("damage", {"COUNT": np.array([[1, 2]])}),
    "count without dimensions": ("damage", {"COUNT": np.array(1)}),
    "boxes of three edges": ("damage", {"BOXES": np.zeros((3, 3))}),
    "boxes flat": ("damage", {"BOXES": np.zeros(12)}),
    "boxes without dimensions": ("damage", {"BOXES": np.array(1.0)}),
    "box not a number": ("damage", {"BOXES": np.full((3, 4), np.nan)}),
    "scores short": ("damage", {"SCORES": np.array([0.5])}),
    "score not finite": ("damage", {"SCORES": np.array([np.inf, 0, 0])}),
    "classes are numbers": ("damage", {"CLASSES": np.array([1, 2, 3])}),
    "class not UTF-8": ("damage", {"CLASSES": text(b"\xff", b"hail", b"")}),
    "brands are numbers": ("materials", {"BRANDS": np.array([1, 2, 3])}),
    "volume is text": ("volume", {"VOLUME_M3": text(b"much")}),
    "volume not a number": ("volume", {"VOLUME_M3": np.array([np.nan])}),
    "volume is a table": ("volume", {"VOLUME_M3": np.array([[1.0, 2.0]])}),
    "confidence missing": ("volume", {"CONFIDENCE": None}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_misshapen_answer_is_a_backend_fault(name: str) -> None:
    engine, changes = BAD[name]
    whole = {**DETECTED, **MEASURED, **changes}
    tensors = {key: values for key, values in whole.items() if values is not None}
    with pytest.raises(ControlPlaneError) as fault:
        read_findings(engine, tensors)
    assert fault.value.code is ErrorCode.BACKEND_FAULT
    assert fault.value.message.startswith(
        f"engine {engine!r} answered without what its answer is made of: "
    )


def test_the_fault_says_what_is_missing_and_of_how_many() -> None:
    with pytest.raises(ControlPlaneError, match="KeyError\\('VOLUME_M3'\\)"):
        read_findings("volume", {})
    with pytest.raises(ControlPlaneError, match="COUNT is 4 of 3 rows"):
        read_findings("damage", {**DETECTED, "COUNT": np.array([4])})
