"""Invariants of label placing: inside the frame; off each other where there is room."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from cli.labels import Rectangle, Wording, leader_of, place_labels

FRAME = Rectangle(0, 0, 640, 480)
FULL, SHORT = Wording("hail 0.91", 70, 17), Wording("0.91", 34, 17)


def boxes_inside(frame: Rectangle) -> st.SearchStrategy[Rectangle]:
    return st.builds(
        lambda x, y, w, h: Rectangle(x, y, min(x + w, frame.right), min(y + h, frame.bottom)),
        st.integers(0, frame.right - 1),
        st.integers(0, frame.bottom - 1),
        st.integers(1, 200),
        st.integers(1, 200),
    )


@settings(deadline=None, max_examples=60)
@given(st.lists(boxes_inside(FRAME), max_size=30))
def test_labels_stay_inside_the_frame_one_for_each_box(boxes: list[Rectangle]) -> None:
    placed = place_labels(boxes, [[FULL, SHORT]] * len(boxes), FRAME)

    assert len(placed) == len(boxes)
    for label in placed:
        assert label.plate.overlap(FRAME) == label.plate.area
        assert label.plate.area == label.wording.width * label.wording.height


@settings(deadline=None, max_examples=60)
@given(boxes_inside(FRAME), boxes_inside(FRAME))
def test_two_labels_never_cover_each_other(one: Rectangle, other: Rectangle) -> None:
    first, second = place_labels([one, other], [[FULL, SHORT]] * 2, FRAME)

    assert first.plate.overlap(second.plate) == 0


def test_the_usual_place_is_above_the_box() -> None:
    (label,) = place_labels([Rectangle(100, 100, 200, 200)], [[FULL, SHORT]], FRAME)

    assert label.plate == Rectangle(100, 83, 170, 100)
    assert label.wording is FULL


def test_a_crowd_gets_shorter_words_before_it_covers_itself() -> None:
    boxes = [
        Rectangle(200 + 40 * x, 200 + 24 * y, 224 + 40 * x, 216 + 24 * y)
        for x in range(5)
        for y in range(5)
    ]

    placed = place_labels(boxes, [[FULL, SHORT]] * len(boxes), FRAME)

    assert SHORT in [label.wording for label in placed]
    overlaps = [
        (i, j)
        for i, one in enumerate(placed)
        for j, other in enumerate(placed[:i])
        if one.plate.overlap(other.plate)
    ]
    assert len(overlaps) <= 3


def test_a_label_wider_than_the_frame_keeps_its_beginning() -> None:
    frame = Rectangle(0, 0, 40, 40)

    (label,) = place_labels([Rectangle(10, 10, 20, 20)], [[FULL]], frame)

    assert label.plate.left == 0
    assert 0 <= label.plate.top <= 40 - FULL.height


def test_a_label_without_words_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least one wording"):
        place_labels([FRAME], [[]], FRAME)


def test_a_label_off_its_box_is_led_to_it() -> None:
    box = Rectangle(100, 100, 120, 120)

    assert leader_of(box, Rectangle(100, 83, 170, 100)) is None
    assert leader_of(box, Rectangle(105, 60, 175, 77)) == (112, 77, 112, 100)
    assert leader_of(box, Rectangle(140, 105, 210, 122)) == (140, 112, 120, 112)
    assert leader_of(box, Rectangle(10, 130, 80, 147)) == (80, 130, 100, 120)
