"""All that was judged of a release, as figures with intervals."""

from __future__ import annotations

import random
from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.accuracy import (
    Accuracy,
    ClassMatches,
    Counted,
    Estimate,
    FoundBox,
    Judged,
    Measured,
    Metric,
    TrueBox,
    summarize,
)
from tests.unit.core.accuracy.boxes import hit, judged, photos, there, true_boxes

SHARES = (Metric.PRECISION, Metric.RECALL, Metric.F1, Metric.MAP50)


def summary(*given_: Judged, seed: int = 1) -> Accuracy:
    return summarize(given_, np.random.default_rng(seed))


def value(found: Accuracy, metric: Metric) -> float | None:
    return found.metrics[metric].value


def test_nothing_judged_is_nothing_said() -> None:
    assert summary() == Accuracy()


def test_boxes_are_added_up_over_photos_and_told_by_class() -> None:
    found = summary(
        judged([hit(0), hit(50, confidence=0.4)], [there(0), there(100)]),
        judged([hit(0, label="wind")], [there(0, label="wind")]),
        judged([], []),
    )
    assert found.photos == 3
    assert value(found, Metric.PRECISION) == pytest.approx(2 / 3)
    assert value(found, Metric.RECALL) == pytest.approx(2 / 3)
    assert value(found, Metric.F1) == pytest.approx(2 / 3)
    assert value(found, Metric.MAP50) == pytest.approx((0.5 + 1) / 2)
    assert value(found, Metric.COUNT_ERROR) == 0.0
    assert found.metrics[Metric.PRECISION].photos == 3
    hail, wind = found.classes["hail"], found.classes["wind"]
    assert (hail.objects, hail.found, hail.hits, hail.average_precision) == (2, 2, 1, 0.5)
    assert (wind.objects, wind.found, wind.hits, wind.average_precision) == (1, 1, 1, 1.0)


def test_a_class_that_is_only_found_has_no_average_precision() -> None:
    found = summary(judged([hit(0)], []))
    assert found.classes["hail"].average_precision is None
    assert value(found, Metric.PRECISION) == 0.0
    assert value(found, Metric.RECALL) is None
    assert value(found, Metric.MAP50) is None
    assert value(found, Metric.F1) == 0.0


def test_photos_with_nothing_on_them_and_nothing_found_have_no_share() -> None:
    found = summary(judged([], []), judged([], []))
    assert [value(found, metric) for metric in SHARES] == [None] * 4


def test_counts_are_off_without_sign_and_biased_with_it() -> None:
    found = summary(
        Judged(counted=Counted(off=3, excess=3, most=4)),
        Judged(counted=Counted(off=1, excess=-1, most=4)),
    )
    assert value(found, Metric.COUNT_ERROR) == 2.0
    assert value(found, Metric.COUNT_BIAS) == 1.0
    assert found.metrics[Metric.COUNT_BIAS].low is not None
    assert Metric.PRECISION not in found.metrics


def test_volumes_are_off_in_share_and_in_cubic_metres() -> None:
    found = summary(
        Judged(measured=Measured(5.0, 4.0)),
        Judged(measured=Measured(1.0, 2.0)),
        Judged(measured=Measured(0.5, 0.0)),
    )
    assert value(found, Metric.VOLUME_ERROR) == pytest.approx((0.25 + 0.5) / 2)
    assert found.metrics[Metric.VOLUME_ERROR].photos == 2
    assert value(found, Metric.VOLUME_ERROR_M3) == pytest.approx(2.5 / 3)
    assert value(found, Metric.VOLUME_BIAS_M3) == pytest.approx(0.5 / 3)


def test_a_persons_word_is_a_share_of_answers() -> None:
    found = summary(*[Judged(is_right=True)] * 3, Judged(is_right=False))
    assert value(found, Metric.RIGHT_SHARE) == 0.75
    assert found.metrics[Metric.RIGHT_SHARE].photos == 4


def test_kinds_of_truth_do_not_mix() -> None:
    found = summary(Judged(is_right=False), judged([hit()], [there()]))
    assert found.photos == 2
    assert found.metrics[Metric.PRECISION].photos == 1
    assert found.metrics[Metric.RIGHT_SHARE].photos == 1


def test_one_photo_has_no_bootstrap_interval() -> None:
    found = summary(judged([hit(), hit(50, confidence=0.5)], [there()]))
    assert found.metrics[Metric.MAP50] == Estimate(1.0, photos=1)
    assert found.metrics[Metric.F1].low is None


def test_the_same_draws_give_the_same_intervals() -> None:
    photos_ = [
        judged([hit(), hit(50, confidence=0.95)], [there(0)]),
        judged([hit()], [there()]),
    ] * 5
    assert summary(*photos_) == summary(*photos_)
    few, many = summary(*photos_), summary(*photos_ * 10)
    assert width(many.metrics[Metric.MAP50]) < width(few.metrics[Metric.MAP50])


@given(st.lists(photos.map(lambda photo: judged(*photo)), min_size=1, max_size=5))
def test_every_share_lies_in_its_interval_within_nought_to_one(judged_: list[Judged]) -> None:
    found = summary(*judged_)
    for metric in SHARES:
        one = found.metrics[metric]
        if one.value is None or one.low is None or one.high is None:
            continue
        assert 0.0 <= one.low <= one.value <= one.high <= 1.0


@given(st.lists(st.lists(true_boxes, max_size=4, unique=True), min_size=1, max_size=5))
def test_answers_that_are_the_truth_are_perfect(photos_: list[list[TrueBox]]) -> None:
    found = summary(
        *[judged([FoundBox(one.label, 0.5, one.box) for one in true], true) for true in photos_]
    )
    wanted = 1.0 if any(photos_) else None
    assert [value(found, metric) for metric in SHARES] == [wanted] * 4
    assert value(found, Metric.COUNT_ERROR) == 0.0


@given(
    st.lists(photos.map(lambda photo: judged(*photo)), min_size=1, max_size=5),
    st.randoms(use_true_random=False),
)
def test_the_order_of_photos_does_not_matter(judged_: list[Judged], rng: random.Random) -> None:
    before = summary(*judged_)
    rng.shuffle(judged_)
    after = summary(*judged_)
    assert after.classes == before.classes
    for metric, one in before.metrics.items():
        if one.value is None:
            assert value(after, metric) is None
        else:
            assert value(after, metric) == pytest.approx(one.value)


def width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low


class CountedReads(tuple[ClassMatches, ...]):
    """A photo's matches, that know how often somebody went over all of them."""

    reads = 0

    def __iter__(self) -> Iterator[ClassMatches]:
        CountedReads.reads += 1
        return super().__iter__()


def test_each_object_a_class_of_its_own_takes_no_longer() -> None:
    """By mistake, a caller may name objects where classes are asked for."""
    CountedReads.reads = 0
    photos = [
        Judged(matches=CountedReads(ClassMatches(f"window {n}-{m}", 1) for m in range(5)))
        for n in range(40)
    ]
    found = summarize(photos, np.random.default_rng(1))
    assert len(found.classes) == 200
    # A few times over each photo, not once for each class there is.
    assert CountedReads.reads < 10 * len(photos)
