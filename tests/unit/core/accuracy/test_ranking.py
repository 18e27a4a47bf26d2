"""Average precision against examples and a naive reference."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.accuracy import ranking
from control_plane.core.accuracy.matching import ClassMatches, match
from control_plane.core.accuracy.ranking import (
    Ranked,
    average_precision,
    mean_average_precision,
    rank,
)
from tests.unit.core.accuracy.boxes import photos


def of(objects: int, *found: tuple[float, bool]) -> tuple[ClassMatches, ...]:
    scores, hits = tuple(one for one, _ in found), tuple(is_hit for _, is_hit in found)
    return (ClassMatches("hail", objects, scores, hits),)


def precision_of(*by_photo: tuple[ClassMatches, ...]) -> float | None:
    ranked = rank(by_photo).get("hail")
    return None if ranked is None else once(ranked, [1.0] * len(by_photo))


def once(ranked: Ranked, weights: Sequence[float]) -> float | None:
    (found,) = average_precision(ranked, np.array([weights], dtype=float))
    return None if np.isnan(found) else float(found)


def mean(classes: Sequence[Ranked], weights: Sequence[float]) -> float | None:
    (found,) = mean_average_precision(classes, np.array([weights], dtype=float))
    return None if np.isnan(found) else float(found)


def test_a_ranking_as_in_the_books() -> None:
    # Precision is 1 up to the first object, then 2/3 up to the second of three.
    one = of(3, (0.9, True), (0.8, False), (0.7, True))
    assert precision_of(one) == pytest.approx(1 / 3 + 2 / 3 / 3)


def test_the_envelope_lets_no_dip_count() -> None:
    assert precision_of(of(2, (0.9, False), (0.8, True), (0.7, True))) == pytest.approx(2 / 3)


def test_equal_confidences_enter_together_whatever_their_order() -> None:
    first, second = of(1, (0.5, True)), of(0, (0.5, False))
    assert precision_of(first, second) == precision_of(second, first) == 0.5


def test_all_right_is_one_and_nothing_found_is_nought() -> None:
    assert precision_of(of(2, (0.9, True)), of(1, (0.2, True), (0.3, True))) == 1.0
    assert precision_of(of(2)) == 0.0
    assert precision_of(of(2, (0.9, False))) == 0.0


def test_a_class_without_an_object_is_not_ranked() -> None:
    assert rank([of(0, (0.9, False))]) == {}
    assert mean([], [1.0]) is None


def test_resamples_are_taken_in_parts_and_come_to_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    ranked = rank([of(1, (0.9, False)), of(1, (0.8, True))])["hail"]
    weights = np.array([[1.0, 1.0], [0.0, 2.0], [2.0, 0.0]])
    whole = average_precision(ranked, weights).tolist()
    monkeypatch.setattr(ranking, "AT_ONCE", 3)
    assert average_precision(ranked, weights).tolist() == whole
    assert whole == [0.25, 1.0, 0.0]


def test_photos_that_are_not_drawn_do_not_count() -> None:
    ranked = rank([of(1, (0.9, False)), of(1, (0.8, True))])["hail"]
    assert once(ranked, [0.0, 2.0]) == 1.0
    assert once(ranked, [0.0, 0.0]) is None
    assert mean([ranked], [0.0, 0.0]) is None


@given(st.lists(photos.map(lambda photo: match(*photo)), min_size=1, max_size=6))
def test_it_agrees_with_the_naive_reference(by_photo: list[tuple[ClassMatches, ...]]) -> None:
    ranked = rank(by_photo)
    references = {label: naive(label, by_photo) for label in ranked}
    for label, one in ranked.items():
        assert once(one, [1.0] * len(by_photo)) == pytest.approx(references[label])
    found = mean(list(ranked.values()), [1.0] * len(by_photo))
    if ranked:
        assert found == pytest.approx(sum(references.values()) / len(references))
        assert found is not None
        assert 0.0 <= found <= 1.0
    else:
        assert found is None


@given(
    st.lists(photos.map(lambda photo: match(*photo)), min_size=1, max_size=4),
    st.data(),
)
def test_a_photo_that_counts_twice_is_as_good_as_two(
    by_photo: list[tuple[ClassMatches, ...]], data: st.DataObject
) -> None:
    weights = data.draw(st.lists(st.integers(0, 2), min_size=len(by_photo), max_size=len(by_photo)))
    repeated = [one for one, weight in zip(by_photo, weights, strict=True) for _ in range(weight)]
    for label, ranked in rank(by_photo).items():
        drawn = once(ranked, weights)
        again = rank(repeated).get(label)
        if again is None:
            assert drawn is None
        else:
            assert drawn == pytest.approx(once(again, [1.0] * len(repeated)))


def naive(label: str, by_photo: Sequence[tuple[ClassMatches, ...]]) -> float:
    """By the definition: at each threshold, the best precision at that recall or above."""
    here = [one for photo in by_photo for one in photo if one.label == label]
    pairs = [pair for one in here for pair in zip(one.scores, one.hits, strict=True)]
    objects = sum(one.objects for one in here)
    points = []
    for threshold in sorted({score for score, _ in pairs}, reverse=True):
        kept = [is_hit for score, is_hit in pairs if score >= threshold]
        points.append((sum(kept) / objects, sum(kept) / len(kept)))
    area, before = 0.0, 0.0
    for recall, _ in points:
        best = max(precision for reached, precision in points if reached >= recall)
        area += (recall - before) * best
        before = recall
    return area
