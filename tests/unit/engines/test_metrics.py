"""Metrics against cases worked out by hand."""

from __future__ import annotations

import math

import numpy as np
import pytest

from engines import metrics
from engines.metrics import Objects


def objects(*rows: tuple[tuple[float, float, float, float], int, float, int]) -> Objects:
    """Rows of (box, class, score, brand)."""
    return Objects(
        np.array([row[0] for row in rows], np.float64).reshape(-1, 4),
        np.array([row[1] for row in rows], np.int64),
        np.array([row[2] for row in rows], np.float64),
        np.array([row[3] for row in rows], np.int64),
    )


SQUARE = (0.0, 0.0, 10.0, 10.0)
SHIFTED = (5.0, 0.0, 15.0, 10.0)
FAR = (50.0, 50.0, 60.0, 60.0)
NOTHING = objects()


def test_overlap_of_half_shifted_squares_is_a_third() -> None:
    assert metrics.overlap(np.array([SQUARE]), np.array([SQUARE, SHIFTED, FAR])) == pytest.approx(
        np.array([[1.0, 1 / 3, 0.0]])
    )


def test_boxes_without_area_overlap_nothing() -> None:
    point = np.array([(3.0, 3.0, 3.0, 3.0)])

    assert metrics.overlap(point, point).tolist() == [[0.0]]


def test_each_object_is_hit_once_and_by_the_best_score() -> None:
    truth = objects((SQUARE, 0, 1.0, -1))
    found = objects((SQUARE, 0, 0.6, -1), (SQUARE, 0, 0.9, -1))

    assert metrics.matches(truth, found).tolist() == [-1, 0]


def test_another_class_is_no_hit() -> None:
    assert metrics.matches(
        objects((SQUARE, 0, 1.0, -1)), objects((SQUARE, 1, 0.9, -1))
    ).tolist() == [-1]


def test_average_precision_by_hand() -> None:
    # hit, miss, hit over 2 objects: precision 1 up to recall 1/2, then 2/3.
    value = metrics.average_precision(
        np.array([0.9, 0.8, 0.7]), np.array([True, False, True]), objects=2
    )

    assert value == pytest.approx(0.5 * 1.0 + 0.5 * 2 / 3)


def test_an_object_never_found_costs_recall() -> None:
    assert metrics.average_precision(np.array([0.9]), np.array([True]), objects=4) == pytest.approx(
        0.25
    )


def test_average_precision_without_objects_is_not_a_number() -> None:
    assert math.isnan(metrics.average_precision(np.array([0.5]), np.array([False]), objects=0))


def test_mean_average_precision_leaves_out_absent_classes() -> None:
    truths = [objects((SQUARE, 0, 1.0, -1)), objects((FAR, 1, 1.0, -1)), NOTHING]
    found = [objects((SQUARE, 0, 0.9, -1)), NOTHING, objects((SQUARE, 0, 0.3, -1))]
    mean, each = metrics.mean_average_precision(truths, found, 3)

    assert mean == pytest.approx(0.5)
    assert each[:2] == pytest.approx([1.0, 0.0])
    assert math.isnan(each[2])


def test_count_error_counts_each_class_for_itself() -> None:
    truths = [objects((SQUARE, 0, 1.0, -1), (FAR, 1, 1.0, -1)), NOTHING]
    found = [objects((SQUARE, 0, 0.9, -1), (FAR, 0, 0.9, -1)), objects((FAR, 0, 0.9, -1))]

    assert metrics.count_error(truths, found, 2) == pytest.approx((2 / 2 + 1 / 1) / 2)


def test_brand_accuracy_is_of_found_objects() -> None:
    truths = [objects((SQUARE, 0, 1.0, 2), (FAR, 0, 1.0, 1), (SHIFTED, 1, 1.0, -1))]
    found = [objects((SQUARE, 0, 0.9, 2), (FAR, 0, 0.8, 0), (SHIFTED, 1, 0.7, 0))]

    assert metrics.brand_accuracy(truths, found) == pytest.approx(0.5)
    assert math.isnan(metrics.brand_accuracy([NOTHING], [NOTHING]))


def test_precision_and_recall() -> None:
    truths = [objects((SQUARE, 0, 1.0, -1), (FAR, 0, 1.0, -1))]
    found = [objects((SQUARE, 0, 0.9, -1), ((90, 90, 99, 99), 0, 0.8, -1))]

    assert metrics.precision_recall(truths, found) == (0.5, 0.5)
    assert metrics.precision_recall(truths, [found[0].above(0.85)]) == (1.0, 0.5)


def test_relative_errors() -> None:
    assert metrics.relative_errors(np.array([2.0, 4.0]), np.array([1.0, 5.0])) == pytest.approx(
        [0.5, 0.25]
    )
