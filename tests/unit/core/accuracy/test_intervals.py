"""Intervals: against tables, against scipy, and by their properties."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats  # type: ignore[import-untyped]  # it has no types

from control_plane.core.accuracy.intervals import (
    RESAMPLES,
    Estimate,
    bootstrapped,
    mean_of,
    resamples,
    share_of,
    t_quantile,
)


def test_wilsons_interval_is_that_of_the_tables() -> None:
    found = share_of([1] * 8 + [0] * 2, [1] * 10)
    theirs = stats.binomtest(8, 10).proportion_ci(0.95, method="wilson")
    # A share of one each is a clustered one whose clusters are single trials.
    assert found.value == 0.8
    assert found.low == pytest.approx(theirs.low, abs=0.02)
    assert found.high == pytest.approx(theirs.high, abs=0.02)
    assert found.photos == 10


@pytest.mark.parametrize("hits", [0, 1])
def test_of_one_photo_it_is_wilsons_to_the_letter(hits: int) -> None:
    found = share_of([hits * 7], [7])
    theirs = stats.binomtest(hits * 7, 7).proportion_ci(0.95, method="wilson")
    assert found.low == pytest.approx(theirs.low)
    assert found.high == pytest.approx(theirs.high)


def test_at_its_ends_a_share_is_no_point() -> None:
    none, all_of_them = share_of([0, 0], [5, 5]), share_of([5, 5], [5, 5])
    assert (none.value, none.low) == (0.0, 0.0)
    assert none.high is not None
    assert none.high > 0.2
    assert (all_of_them.value, all_of_them.high) == (1.0, 1.0)
    assert all_of_them.low is not None
    assert all_of_them.low < 0.8


def test_photos_that_are_wholly_right_or_wholly_wrong_say_less() -> None:
    """Ten photos of ten detections each are worth ten, not a hundred, if they stand together."""
    together = share_of([10, 0] * 5, [10] * 10)
    alone = share_of([5] * 10, [10] * 10)
    assert (together.value, alone.value) == (0.5, 0.5)
    assert _width(together) > 2.5 * _width(alone)


def test_without_any_trial_nothing_is_said() -> None:
    assert share_of([], []) == Estimate(None)
    assert share_of([0], [0]) == Estimate(None, photos=1)


@given(st.lists(st.integers(0, 9).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))))
def test_a_share_lies_in_its_interval_and_that_in_nought_to_one(
    photos: list[tuple[int, int]],
) -> None:
    parts, wholes = [part for part, _ in photos], [whole for _, whole in photos]
    found = share_of(parts, wholes)
    if found.value is None:
        assert not sum(wholes)
        return
    assert found.low is not None
    assert found.high is not None
    assert 0.0 <= found.low <= found.value <= found.high <= 1.0


def test_a_mean_has_students_interval() -> None:
    values = [1.0, 2.0, 4.0, 8.0]
    found = mean_of(values)
    low, high = stats.t.interval(0.95, 3, np.mean(values), stats.sem(values))
    assert found.value == 3.75
    assert found.low == pytest.approx(low, rel=0.01)
    assert found.high == pytest.approx(high, rel=0.01)
    assert mean_of([2.5]) == Estimate(2.5, photos=1)
    assert mean_of([]) == Estimate(None)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 30, 1000])
def test_students_quantile_is_that_of_the_tables(freedom: int) -> None:
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=0.002)


def test_every_resample_has_as_many_photos() -> None:
    drawn = resamples(7, np.random.default_rng(1))
    assert drawn.shape == (RESAMPLES, 7)
    assert (drawn.sum(axis=1) == 7).all()
    assert (drawn != drawn[0]).any()


def test_a_percentile_interval_holds_the_value_and_leaves_out_what_is_no_number() -> None:
    drawn = np.concatenate([np.linspace(0, 1, 201), np.full(50, np.nan)])
    found = bootstrapped(0.5, drawn, 9)
    assert found.low == pytest.approx(0.025)
    assert found.high == pytest.approx(0.975)
    assert bootstrapped(0.999, drawn, 9).high == 0.999
    assert bootstrapped(0.001, drawn, 9).low == 0.001


def test_one_photo_or_few_resamples_make_no_interval() -> None:
    drawn = np.linspace(0, 1, 200)
    assert bootstrapped(0.5, drawn, 1) == Estimate(0.5, photos=1)
    assert bootstrapped(0.5, drawn[:99], 5) == Estimate(0.5, photos=5)
    assert bootstrapped(0.5, drawn[:100], 5).low is not None
    assert bootstrapped(None, drawn, 5) == Estimate(None, photos=5)


def _width(found: Estimate) -> float:
    assert found.low is not None
    assert found.high is not None
    return found.high - found.low
