"""One answer held against one truth."""

from __future__ import annotations

import pytest
from hypothesis import given

from control_plane.core.accuracy import (
    BoxTruth,
    Counted,
    CountTruth,
    Found,
    FoundBox,
    Judged,
    Measured,
    RightTruth,
    Score,
    TrueBox,
    Truth,
    VolumeTruth,
    judge,
)
from control_plane.errors import InvalidArgument
from tests.unit.core.accuracy.boxes import hit, judged, photos, there

PILE = Found(volume_m3=3.0)
ROOF = Found(boxes=(hit(0), hit(50), hit(0, label="wind")))


def test_boxes_give_matches_and_counts() -> None:
    made = judge(ROOF, BoxTruth((there(0), there(100), there(120))), "truth.damage")
    assert made.counted == Counted(off=2, excess=0, most=4)
    assert made.matches is not None
    assert [(one.label, one.true_positives) for one in made.matches] == [("hail", 1), ("wind", 0)]
    # One hit, two detections too many, two objects missed.
    assert made.scores() == {Score.F1: 2 / 6, Score.COUNT: 0.5}


def test_counts_alone_are_held_against_the_boxes_found() -> None:
    made = judge(ROOF, CountTruth({"hail": 2, "missing_shingle": 1}), "truth.damage")
    assert made == Judged(counted=Counted(off=2, excess=0, most=4))
    assert made.scores() == {Score.COUNT: 0.5}


def test_a_volume_is_measured_with_its_sign() -> None:
    made = judge(PILE, VolumeTruth(4.0), "truth.volume")
    assert made.measured == Measured(3.0, 4.0)
    assert made.measured.error_m3 == -1.0
    assert made.scores() == {Score.VOLUME: 0.75}
    assert judge(PILE, VolumeTruth(3.0), "t").scores() == {Score.VOLUME: 1.0}
    assert judge(PILE, VolumeTruth(0.0), "t").scores() == {Score.VOLUME: 0.0}
    assert judge(Found(volume_m3=0.0), VolumeTruth(0.0), "t").scores() == {Score.VOLUME: 1.0}
    # What a network may leave, though no pile is less than nothing.
    assert judge(Found(volume_m3=-1.0), VolumeTruth(2.0), "t").scores() == {Score.VOLUME: 0.0}


@pytest.mark.parametrize("found", [ROOF, PILE, Found()])
def test_right_or_wrong_can_be_said_of_any_answer(found: Found) -> None:
    assert judge(found, RightTruth(is_right=True), "t") == Judged(is_right=True)
    assert judge(found, RightTruth(is_right=False), "t").scores() == {Score.RIGHT: 0.0}


@pytest.mark.parametrize(
    ("found", "truth", "field"),
    [
        (ROOF, VolumeTruth(1.0), "truth.x.volume_m3"),
        (PILE, BoxTruth(()), "truth.x.boxes"),
        (PILE, CountTruth({}), "truth.x.counts"),
        (Found(), VolumeTruth(1.0), "truth.x.volume_m3"),
    ],
)
def test_truth_of_another_kind_is_refused(found: Found, truth: Truth, field: str) -> None:
    with pytest.raises(InvalidArgument) as refused:
        judge(found, truth, "truth.x")
    assert refused.value.field == field


def test_nothing_found_where_nothing_is_is_perfect() -> None:
    assert judged([], []).scores() == {Score.F1: 1.0, Score.COUNT: 1.0}
    assert judged([hit()], []).scores() == {Score.F1: 0.0, Score.COUNT: 0.0}
    assert judged([], [there()]).scores() == {Score.F1: 0.0, Score.COUNT: 0.0}


@given(photos)
def test_every_score_is_a_share(photo: tuple[list[FoundBox], list[TrueBox]]) -> None:
    made = judged(*photo)
    assert set(made.scores()) == {Score.F1, Score.COUNT}
    assert all(0.0 <= score <= 1.0 for score in made.scores().values())
    assert made.counted is not None
    assert made.counted.excess == len(photo[0]) - len(photo[1])
    assert abs(made.counted.excess) <= made.counted.off
