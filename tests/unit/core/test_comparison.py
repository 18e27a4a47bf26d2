"""Two answers side by side: boxes by overlap and class, volumes by their relative difference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from control_plane.core.answers import Tensors
from control_plane.core.comparison import Comparison, compare

Row = tuple[float, float, float, float, float, bytes]
"""x_min, y_min, x_max, y_max, score, class."""

HAIL: Row = (0, 0, 10, 10, 0.9, b"hail")
WIND: Row = (50, 50, 70, 70, 0.8, b"wind")


def outputs(*photos: Sequence[Row], padding: int = 1) -> dict[str, Any]:
    """Each photo's rows, padded with zeros to the same number."""
    most = max(len(rows) for rows in photos) + padding
    padded = [[*rows, *[(0, 0, 0, 0, 0, b"")] * (most - len(rows))] for rows in photos]
    return {
        "BOXES": np.array([[row[:4] for row in rows] for rows in padded], np.float32),
        "SCORES": np.array([[row[4] for row in rows] for rows in padded], np.float32),
        "CLASSES": np.array([[row[5] for row in rows] for rows in padded], np.object_),
        "COUNT": np.array([[len(rows)] for rows in photos], np.int32),
    }


def of(stable: Sequence[Row], target: Sequence[Row]) -> Comparison:
    found = compare(outputs(stable), outputs(target))
    assert found is not None
    return found


def test_the_same_answer_agrees() -> None:
    found = of([HAIL, WIND], [HAIL, WIND])
    assert found == Comparison(matched=2, iou_sum=2.0)
    assert found.agrees


def test_no_boxes_on_either_side_agree() -> None:
    assert of([], []) == Comparison()
    assert of([], []).agrees


def test_a_box_that_only_one_has_found() -> None:
    lost, extra = of([HAIL, WIND], [HAIL]), of([], [HAIL])
    assert (lost.matched, lost.only_stable, lost.only_target) == (1, 1, 0)
    assert (extra.matched, extra.only_stable, extra.only_target) == (0, 0, 1)
    assert lost.count_difference == extra.count_difference == 1
    assert not lost.agrees
    assert not extra.agrees


@pytest.mark.parametrize(("shift", "iou"), [(0.0, 1.0), (2.5, 0.6), (10 / 3 - 0.01, 0.5007)])
def test_a_box_that_overlaps_by_half_is_the_same_find(shift: float, iou: float) -> None:
    found = of([HAIL], [(shift, 0, 10 + shift, 10, 0.7, b"hail")])
    assert found.matched == 1
    assert found.iou_sum == pytest.approx(iou, abs=1e-3)
    assert found.score_difference_sum == pytest.approx(0.2)


@pytest.mark.parametrize(
    "other",
    [
        (3.4, 0, 13.4, 10, 0.9, b"hail"),
        (0, 0, 10, 10, 0.9, b"wind"),
        (20, 20, 30, 30, 0.9, b"hail"),
        (0, 0, 0, 0, 0.9, b"hail"),
        (10, 10, 0, 0, 0.9, b"hail"),
    ],
)
def test_what_overlaps_less_or_is_of_another_class_is_not(other: Row) -> None:
    found = of([HAIL], [other])
    assert (found.matched, found.only_stable, found.only_target) == (0, 1, 1)


def test_the_surest_box_chooses_first_and_each_is_taken_once() -> None:
    near, exact = (1, 0, 11, 10, 0.95, b"hail"), (0, 0, 10, 10, 0.5, b"hail")
    found = of([HAIL], [exact, near])
    assert (found.matched, found.only_target) == (1, 1)
    assert found.score_difference_sum == pytest.approx(0.05)
    assert found.iou_sum == pytest.approx(9 / 11)


def test_a_box_goes_with_the_one_it_overlaps_most() -> None:
    other = (3, 0, 13, 10, 0.3, b"hail")
    found = of([other, HAIL], [(1, 0, 11, 10, 0.9, b"hail")])
    assert found.score_difference_sum == pytest.approx(0.0)
    assert (found.matched, found.only_stable) == (1, 1)


def test_the_photos_of_one_request_add_up() -> None:
    found = compare(outputs([HAIL], [WIND, HAIL]), outputs([HAIL], [WIND], padding=5))
    assert found == Comparison(
        matched=2, only_stable=1, iou_sum=2.0, score_difference_sum=0.0, count_difference=1
    )


def test_details_are_integers_that_add_up() -> None:
    found = Comparison(3, 1, 0, 2.5014, 0.1236, 1)
    assert found.details() == {
        "compared": 1,
        "agreed": 0,
        "matched": 3,
        "only_stable": 1,
        "only_target": 0,
        "iou_sum_milli": 2501,
        "score_diff_sum_milli": 124,
        "count_diff_sum": 1,
    }


def volume(*cubic_metres: float) -> Tensors:
    return {"VOLUME_M3": np.array([[one] for one in cubic_metres], np.float32)}


@pytest.mark.parametrize(
    ("stable", "target", "difference", "agrees"),
    [(10.0, 10.0, 0.0, 1), (10.0, 9.0, 0.1, 1), (8.0, 10.0, 0.2, 0), (0.0, 0.0, 0.0, 1)],
)
def test_volumes_by_their_relative_difference(
    stable: float, target: float, difference: float, agrees: int
) -> None:
    found = compare(volume(stable), volume(target))
    assert found is not None
    assert found.volume_difference == pytest.approx(difference)
    assert found.details() == {
        "compared": 1,
        "agreed": agrees,
        "volume_diff_sum_milli": round(1000 * difference),
    }


SOME = outputs([HAIL])


@pytest.mark.parametrize(
    ("stable", "target"),
    [
        ({}, {}),
        ({"Y": np.zeros(3)}, {"Y": np.zeros(3)}),
        (SOME, {}),
        (SOME, {**SOME, "COUNT": np.array([[3]])}),
        (SOME, {**SOME, "SCORES": np.array([[np.nan, 0.0]])}),
        (SOME, {**SOME, "BOXES": np.full((1, 2, 4), np.inf)}),
        (SOME, {**SOME, "BOXES": np.zeros((1, 2, 3))}),
        (SOME, outputs([HAIL], [HAIL])),
        (volume(1.0), SOME),
        (volume(1.0), volume(float("nan"))),
        (volume(1.0), volume(1.0, 2.0)),
        ({"VOLUME_M3": np.zeros(0)}, {"VOLUME_M3": np.zeros(0)}),
        (volume(1.0), {"VOLUME_M3": np.array([[b"much"]], np.object_)}),
    ],
)
def test_what_cannot_be_compared_is_not(stable: Tensors, target: Tensors) -> None:
    assert compare(stable, target) is None


def test_what_overlaps_by_exactly_half_is_the_same_find() -> None:
    found = of([HAIL], [(0, 0, 10, 5, 0.9, b"hail")])
    assert (found.matched, found.iou_sum) == (1, 0.5)


def test_the_differences_of_scores_add_up() -> None:
    found = of([HAIL, WIND], [(*HAIL[:4], 0.8, b"hail"), (*WIND[:4], 0.6, b"wind")])
    assert found.score_difference_sum == pytest.approx(0.3)
    assert found.iou_sum == pytest.approx(2.0)


def test_boxes_smaller_than_a_pixel_overlap_as_others_do() -> None:
    small = (0.0, 0.0, 0.2, 0.2, 0.9, b"hail")
    found = of([small], [(0.0, 0.0, 0.2, 0.15, 0.9, b"hail")])
    assert found.iou_sum == pytest.approx(0.75)
    assert of([small], [(0.3, 0.0, 0.5, 0.2, 0.9, b"hail")]).matched == 0
    assert of([small], [(0.0, 0.3, 0.2, 0.5, 0.9, b"hail")]).matched == 0


def test_small_volumes_differ_as_much_as_great_ones() -> None:
    found = compare(volume(0.1, 10.0), volume(0.05, 5.0))
    assert found is not None
    assert found.volume_difference == pytest.approx(0.5)
    assert found.details()["volume_diff_sum_milli"] == 500
