"""The last minutes: what is older is forgotten, percentiles are near, and windows add up."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.traffic import SPANS_S, Counted, Figures, Window
from control_plane.core.traffic.window import (
    BUCKETS,
    LEAST_S,
    SLOT_S,
    SLOTS,
    bucket_of,
    covered_s,
    edge_s,
    spans,
)


def over(window: Window, span_s: float, now_s: float) -> Counted:
    return spans(window.slots(now_s), now_s)[SPANS_S.index(int(span_s))]


def counted(window: Window, span_s: float, now_s: float) -> tuple[int, int, int, int]:
    found = over(window, span_s, now_s)
    return found.requests, found.errors, found.shed, sum(found.latencies.values())


def test_a_request_counts_in_each_span_until_it_is_over() -> None:
    window = Window()
    window.add(1000.0, 0.01, is_error=False)
    window.add(1000.0, None, is_error=True, is_shed=True)
    window.add(1004.9, 0.02, is_error=True)
    assert [counted(window, span_s, 1004.9) for span_s in SPANS_S] == [(3, 2, 1, 2)] * 3
    assert counted(window, 60, 1059.9) == (3, 2, 1, 2)
    assert counted(window, 60, 1060.0) == (0, 0, 0, 0)
    assert counted(window, 300, 1299.9) == (3, 2, 1, 2)
    assert counted(window, 300, 1300.0) == (0, 0, 0, 0)
    assert counted(window, 900, 1899.9) == (3, 2, 1, 2)
    assert counted(window, 900, 1900.0) == (0, 0, 0, 0)
    assert counted(window, 900, 999.0) == (0, 0, 0, 0)


def test_a_slot_that_is_too_old_or_to_come_is_in_no_span() -> None:
    slots = {0: Counted(requests=1), SLOTS: Counted(requests=2), SLOTS + 1: Counted(requests=4)}
    assert [one.requests for one in spans(slots, SLOTS * SLOT_S)] == [2, 2, 2]


def test_a_slot_of_an_older_round_is_overwritten() -> None:
    window = Window()
    window.add(1000.0, 0.01, is_error=True)
    later_s = 1000.0 + SLOTS * SLOT_S
    window.add(later_s, 0.01, is_error=False)
    assert counted(window, 900, later_s) == (1, 0, 0, 1)


def test_confidences_are_averaged() -> None:
    window = Window()
    window.add_confidence(10.0, 0.5)
    window.add_confidence(20.0, 1.0)
    assert over(window, 60, 20.0).figures(20.0).confidence_mean == 0.75
    assert over(window, 60, 20.0).figures(20.0).p50_ms is None


@pytest.mark.parametrize(
    ("span_s", "now_s", "began_s", "covered"),
    [(60, 1000.0, 0.0, 55.0), (60, 1004.0, 0.0, 59.0), (60, 1000.0, 990.0, 10.0), (900, 9, 9, 0)],
)
def test_a_rate_is_by_the_time_that_was_counted(
    span_s: float, now_s: float, began_s: float, covered: float
) -> None:
    assert covered_s(span_s, now_s, began_s) == covered


def test_nothing_has_no_figures() -> None:
    empty = Counted().figures(0.0)
    assert empty == Figures(0, 0.0, 0, 0, None, None, None, None, None)


def test_percentiles_are_never_below_and_at_most_a_bucket_above() -> None:
    rng = Random(7)
    latencies = [rng.lognormvariate(-4, 1) for _ in range(5000)]
    window = Window()
    for latency_s in latencies:
        window.add(10.0, latency_s, is_error=False)
    figures = over(window, 60, 10.0).figures(10.0)
    assert figures.rate_per_s == 500.0
    latencies.sort()
    for share, found_ms in (
        (0.5, figures.p50_ms),
        (0.9, figures.p90_ms),
        (0.95, figures.p95_ms),
        (0.99, figures.p99_ms),
    ):
        true_ms = 1000 * latencies[int(5000 * share) - 1]
        assert found_ms is not None
        assert true_ms <= found_ms <= true_ms * 1.06


def test_what_two_have_counted_adds_up_to_what_one_would_have() -> None:
    rng = Random(3)
    parts, whole = (Window(), Window()), Window()
    for number in range(1000):
        at_s, latency_s, is_error = number * 0.05, rng.expovariate(20), rng.random() < 0.1
        for window in (parts[number % 2], whole):
            window.add(at_s, latency_s, is_error=is_error, is_shed=is_error)
            window.add_confidence(at_s, 0.25)
    merged = Counted()
    for part in parts:
        merged.merge(over(part, 60, 49.95))
    assert merged == over(whole, 60, 49.95)


def test_buckets_have_edges_and_ends() -> None:
    assert bucket_of(0.0) == bucket_of(LEAST_S) == 0
    assert bucket_of(1e9) == BUCKETS - 1
    assert edge_s(BUCKETS - 1) > 100.0
    for bucket in range(BUCKETS - 1):
        assert bucket_of(edge_s(bucket) * 0.999) == bucket
        assert bucket_of(edge_s(bucket) * 1.001) == bucket + 1
