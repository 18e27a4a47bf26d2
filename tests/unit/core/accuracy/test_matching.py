"""Matching detections with objects: rules of thumb, properties, and a naive second opinion."""

from __future__ import annotations

import random

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.accuracy import Box, FoundBox, TrueBox, match, overlap
from engines import metrics
from tests.unit.core.accuracy.boxes import (
    LABELS,
    boxes,
    found_boxes,
    hit,
    photos,
    square,
    there,
    true_boxes,
)


def test_overlap_is_the_shared_part_of_both_together() -> None:
    assert overlap(square(), square()) == 1.0
    assert overlap(Box(0, 0, 2, 1), Box(1, 0, 3, 1)) == pytest.approx(1 / 3)
    assert overlap(square(0), square(10)) == 0.0
    assert overlap(Box(0, 0, 1, 1), Box(0, 5, 1, 6)) == 0.0


@given(boxes, boxes)
def test_overlap_is_a_share_and_has_no_sides(first: Box, second: Box) -> None:
    assert 0.0 <= overlap(first, second) <= 1.0
    assert overlap(first, second) == overlap(second, first)
    assert (overlap(first, second) == 1.0) == (first == second)


def test_half_of_both_is_enough_and_less_is_not() -> None:
    there_is = [TrueBox("hail", Box(0, 0, 2, 1))]
    assert match([FoundBox("hail", 0.9, Box(0, 0, 1, 1))], there_is)[0].hits == (True,)
    assert match([FoundBox("hail", 0.9, Box(0, 0, 0.99, 1))], there_is)[0].hits == (False,)


def test_an_object_is_hit_once_and_by_the_surest() -> None:
    (hail,) = match([hit(0, confidence=0.5), hit(1, confidence=0.9)], [there(0)])
    assert (hail.scores, hail.hits) == ((0.9, 0.5), (True, False))
    assert (hail.true_positives, hail.false_positives, hail.misses) == (1, 1, 0)


def test_the_surest_takes_what_it_overlaps_most() -> None:
    (hail,) = match([hit(0)], [there(3), there(1)])
    assert (hail.hits, hail.misses) == ((True,), 1)
    (hail,) = match([hit(1, confidence=0.9), hit(4, confidence=0.8)], [there(0), there(3)])
    assert hail.hits == (True, True)


def test_another_class_is_no_hit() -> None:
    hail, wind = match([hit(label="wind")], [there(label="hail")])
    assert (hail.label, hail.misses, hail.hits) == ("hail", 1, ())
    assert (wind.label, wind.misses, wind.hits) == ("wind", 0, (False,))


def test_with_nothing_there_is_nothing() -> None:
    assert match([], []) == ()


@given(photos, st.randoms(use_true_random=False))
def test_the_order_of_the_boxes_does_not_matter(
    photo: tuple[list[FoundBox], list[TrueBox]], rng: random.Random
) -> None:
    found, true = photo
    before = match(found, true)
    rng.shuffle(found)
    rng.shuffle(true)
    assert match(found, true) == before


@given(st.lists(true_boxes, max_size=8, unique=True))
def test_an_answer_that_is_the_truth_has_no_fault(true: list[TrueBox]) -> None:
    found = [FoundBox(one.label, 0.5, one.box) for one in true]
    for one in match(found, true):
        assert (one.misses, one.false_positives) == (0, 0)


@given(photos)
def test_no_number_is_below_nothing_and_all_add_up(
    photo: tuple[list[FoundBox], list[TrueBox]],
) -> None:
    found, true = photo
    matches = match(found, true)
    assert sum(one.objects for one in matches) == len(true)
    assert sum(len(one.hits) for one in matches) == len(found)
    for one in matches:
        assert min(one.true_positives, one.false_positives, one.misses) >= 0
        assert list(one.scores) == sorted(one.scores, reverse=True)


@given(st.lists(found_boxes, max_size=6, unique_by=lambda one: one.confidence), st.data())
def test_it_agrees_with_the_evaluation_of_the_training(
    found: list[FoundBox], data: st.DataObject
) -> None:
    """engines/metrics.py was written for another purpose and by arrays; objects that overlap a
    detection equally are left out, because there the order of the truth decides."""
    true = data.draw(st.lists(true_boxes, max_size=6, unique_by=lambda one: one.box))
    for one in found:
        shared = [overlap(one.box, other.box) for other in true if other.label == one.label]
        if len({round(share, 9) for share in shared}) < len(shared):
            return
    theirs = metrics.matches(_objects(true, [1.0] * len(true)), _objects(found, _scores(found)))
    hits = {
        (one.label, one.confidence): bool(at >= 0) for one, at in zip(found, theirs, strict=True)
    }
    ours = {
        (one.label, score): is_hit
        for one in match(found, true)
        for score, is_hit in zip(one.scores, one.hits, strict=True)
    }
    assert ours == hits


def _scores(found: list[FoundBox]) -> list[float]:
    return [one.confidence for one in found]


def _objects(boxes: list[FoundBox] | list[TrueBox], scores: list[float]) -> metrics.Objects:
    edges = [(one.box.x_min, one.box.y_min, one.box.x_max, one.box.y_max) for one in boxes]
    return metrics.Objects(
        np.array(edges, dtype=np.float64).reshape(-1, 4),
        np.array([LABELS.index(one.label) for one in boxes], dtype=np.int64),
        np.array(scores, dtype=np.float64),
        np.full(len(boxes), -1, dtype=np.int64),
    )
