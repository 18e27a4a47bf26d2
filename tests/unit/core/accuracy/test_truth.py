"""What is taken as truth, and what is refused with the field and the limit."""

from __future__ import annotations

from math import inf, nan

import pytest

from control_plane.core.accuracy import (
    Box,
    BoxTruth,
    CountTruth,
    RightTruth,
    TrueBox,
    Truth,
    VolumeTruth,
    check_truth,
)
from control_plane.core.accuracy.truth import MAX_BOXES, MAX_CLASSES
from control_plane.errors import InvalidArgument
from tests.unit.core.accuracy.boxes import square, there


def boxed(box: Box, label: str = "hail") -> BoxTruth:
    return BoxTruth((there(), TrueBox(label, box)))


@pytest.mark.parametrize(
    "truth",
    [
        BoxTruth(()),
        BoxTruth((there(), there(20, label="geprüft"))),
        CountTruth({}),
        CountTruth({"hail": 0, "wind": 3}),
        VolumeTruth(0.0),
        VolumeTruth(12.5),
        RightTruth(is_right=False),
    ],
)
def test_what_can_be_true_is_taken_as_it_is(truth: Truth) -> None:
    assert check_truth(truth, "truth.damage") is truth


@pytest.mark.parametrize(
    ("truth", "field"),
    [
        (boxed(Box(0, 0, 0, 1)), "boxes[1].box.x_max"),
        (boxed(Box(0, 2, 1, 1)), "boxes[1].box.y_max"),
        (boxed(Box(nan, 0, 1, 1)), "boxes[1].box.x_min"),
        (boxed(Box(0, -inf, 1, 1)), "boxes[1].box.y_min"),
        (boxed(Box(-0.5, 0, 1, 1)), "boxes[1].box.x_min"),
        (boxed(Box(0, 0, 2e6, 1)), "boxes[1].box.x_max"),
        (boxed(square(), label=""), "boxes[1].class"),
        (boxed(square(), label="x" * 81), "boxes[1].class"),
        (boxed(square(), label="a\x1b[2J"), "boxes[1].class"),
        (BoxTruth((there(),) * (MAX_BOXES + 1)), "boxes"),
        (CountTruth({str(n): 1 for n in range(MAX_CLASSES + 1)}), "counts"),
        (CountTruth({"hail": -1}), "counts.hail"),
        (CountTruth({"hail": 1_000_001}), "counts.hail"),
        (CountTruth({"": 1}), "counts"),
        (VolumeTruth(-0.1), "volume_m3"),
        (VolumeTruth(nan), "volume_m3"),
        (VolumeTruth(1e7), "volume_m3"),
    ],
)
def test_what_cannot_be_true_is_refused_by_its_field(truth: Truth, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        check_truth(truth, "truth.damage")
    assert refused.value.field == f"truth.damage.{field}"
    assert f"truth.damage.{field}" in refused.value.message


def test_the_limits_themselves_are_allowed() -> None:
    check_truth(BoxTruth((there(),) * MAX_BOXES), "t")
    check_truth(CountTruth({str(n): 1_000_000 for n in range(MAX_CLASSES)}), "t")
    check_truth(boxed(Box(0, 0, 1e6, 1e6), label="x" * 80), "t")
    check_truth(VolumeTruth(1e6), "t")
