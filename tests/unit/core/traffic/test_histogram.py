"""A value lies in the bucket whose bound it does not exceed."""

from __future__ import annotations

from control_plane.core.traffic import CONFIDENCE_BOUNDS, LATENCY_BOUNDS_S, Histogram


def test_a_value_counts_up_to_its_bound_and_beyond_the_last_one() -> None:
    histogram = Histogram((1.0, 2.0))
    for value in (0.5, 1.0, 1.5, 2.0, 2.5, 100.0):
        histogram.add(value)
    found = histogram.read()
    assert (found.bounds, found.counts, found.total) == ((1.0, 2.0), (2, 2, 2), 107.5)
    histogram.add(0.0)
    assert found.counts == (2, 2, 2)


def test_the_bounds_rise_over_what_is_to_be_told_apart() -> None:
    for bounds in (LATENCY_BOUNDS_S, CONFIDENCE_BOUNDS):
        assert list(bounds) == sorted(set(bounds))
    assert (LATENCY_BOUNDS_S[0], LATENCY_BOUNDS_S[-1]) == (0.001, 10.0)
    assert (CONFIDENCE_BOUNDS[0], CONFIDENCE_BOUNDS[-1]) == (0.1, 1.0)
