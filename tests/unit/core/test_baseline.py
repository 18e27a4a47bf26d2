"""A rolling look at a release: percentiles within a twentieth, old slices forgotten."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.baseline import GROWTH, LEAST_S, LONGEST_S, Baseline, RollingBaseline


def test_nothing_seen_is_nothing_known() -> None:
    assert RollingBaseline().read(0.0) == Baseline(0, None, None)


def test_the_p95_is_right_within_a_bucket() -> None:
    rng, rolling = Random(3), RollingBaseline()
    latencies = [rng.lognormvariate(-2.0, 0.5) for _ in range(5_000)]
    for number, latency_s in enumerate(latencies):
        rolling.add_latency(latency_s, number / 100)
    exact = sorted(latencies)[int(0.95 * len(latencies)) - 1]
    read = rolling.read(50.0)
    assert read.samples == 5_000
    assert read.p95_s is not None
    assert exact <= read.p95_s <= exact * GROWTH


@pytest.mark.parametrize(("latency_s", "edge_s"), [(0.0, LEAST_S), (1e9, LONGEST_S)])
def test_what_is_beyond_the_buckets_is_in_the_outermost(latency_s: float, edge_s: float) -> None:
    rolling = RollingBaseline()
    rolling.add_latency(latency_s, 0.0)
    assert rolling.read(0.0).p95_s == pytest.approx(edge_s, rel=GROWTH - 1)


def test_a_slice_that_is_older_than_the_window_is_forgotten() -> None:
    rolling = RollingBaseline(window_s=30.0, slice_s=10.0)
    rolling.add_latency(1.0, 5.0)
    rolling.add_confidence(0.2, 5.0)
    rolling.add_latency(1.0, 15.0)
    rolling.add_confidence(0.6, 15.0)
    assert rolling.read(29.0).samples == 2
    assert rolling.read(29.0).confidence_mean == pytest.approx(0.4)
    assert rolling.read(30.0) == RollingBaseline.read(rolling, 39.0)
    assert rolling.read(39.0).samples == 1
    assert rolling.read(39.0).confidence_mean == pytest.approx(0.6)
    rolling.add_latency(1.0, 100.0)
    assert rolling.read(100.0).samples == 1


def test_confidences_are_asked_for_so_often_and_no_more() -> None:
    rolling = RollingBaseline(confidences_per_s=10.0)
    wanted = sum(rolling.wants_confidence(number / 1000) for number in range(1_000))
    assert wanted == 10


def test_confidences_of_one_slice_add_up() -> None:
    rolling = RollingBaseline()
    for confidence in (0.2, 0.4, 0.9):
        rolling.add_confidence(confidence, 3.0)
    assert rolling.read(3.0).confidence_mean == pytest.approx(0.5)


def test_one_of_twenty_is_above_the_p95() -> None:
    rolling = RollingBaseline()
    for latency_s in [0.1] * 19 + [5.0]:
        rolling.add_latency(latency_s, 0.0)
    assert rolling.read(0.0).p95_s == pytest.approx(0.1, rel=GROWTH - 1)
    rolling.add_latency(5.0, 0.0)
    assert rolling.read(0.0).p95_s == pytest.approx(5.0, rel=GROWTH - 1)


def test_a_confidence_is_welcome_when_its_turn_has_just_come() -> None:
    rolling = RollingBaseline(confidences_per_s=2.0)
    assert [rolling.wants_confidence(at_s) for at_s in (1.0, 1.5, 1.9, 2.0)] == [
        True,
        True,
        False,
        True,
    ]


def test_by_itself_it_looks_back_ten_minutes() -> None:
    rolling = RollingBaseline()
    rolling.add_latency(1.0, 0.0)
    assert rolling.read(599.0).samples == 1
    assert rolling.read(600.0).samples == 0
    assert sum(rolling.wants_confidence(number / 100) for number in range(100)) == 10
