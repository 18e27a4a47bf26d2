"""Classes that an engine does not know are no objects that it missed."""

from __future__ import annotations

import pytest

from control_plane.core.accuracy import (
    Box,
    BoxTruth,
    CountTruth,
    Found,
    FoundBox,
    RightTruth,
    TrueBox,
    Truth,
    VolumeTruth,
    check_classes,
    classes_of,
)
from control_plane.core.accuracy.classes import CLASSES
from control_plane.errors import InvalidArgument
from engines import contract

BOX = Box(0, 0, 10, 10)
DAMAGE = frozenset({"hail", "wind", "missing_shingle"})


def test_they_are_those_of_the_models_that_come_along() -> None:
    assert {name: set(labels) for name, labels in contract.CLASSES.items()} == CLASSES


def test_an_answer_with_other_classes_is_of_another_model() -> None:
    assert classes_of("damage", Found()) == DAMAGE
    assert classes_of("damage", Found(boxes=(FoundBox("hail", 0.9, BOX),))) == DAMAGE
    assert not classes_of("damage", Found(boxes=(FoundBox("crack", 0.9, BOX),)))
    assert not classes_of("trees", Found(boxes=(FoundBox("oak", 0.9, BOX),)))


@pytest.mark.parametrize(
    ("truth", "field"),
    [
        (BoxTruth((TrueBox("hail", BOX), TrueBox("Hial", BOX))), "t.boxes[1].class"),
        (CountTruth({"wind": 1, "fire": 1}), "t.counts"),
    ],
)
def test_one_that_is_not_known_is_refused_with_those_that_are(truth: Truth, field: str) -> None:
    with pytest.raises(InvalidArgument, match="it knows: hail, missing_shingle, wind") as refused:
        check_classes(truth, DAMAGE, "t")
    assert refused.value.field == field


@pytest.mark.parametrize(
    "truth",
    [
        BoxTruth((TrueBox("hail", BOX),)),
        CountTruth({"wind": 1}),
        VolumeTruth(1.0),
        RightTruth(is_right=True),
    ],
)
def test_what_is_known_passes(truth: Truth) -> None:
    check_classes(truth, DAMAGE, "t")


def test_where_none_is_known_all_pass() -> None:
    check_classes(CountTruth({"oak": 1}), frozenset(), "t")
