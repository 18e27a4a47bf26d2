"""A peak is taken at once and forgotten slowly; a fault weighs until an answer makes it good."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.balancing.ewma import PeakEwma

ONE_DECAY = math.exp(-1.0)


def heard(*answers: tuple[float, float], decay_s: float = 10.0) -> PeakEwma:
    """After answers of (latency_s, now_s)."""
    ewma = PeakEwma(decay_s)
    for latency_s, now_s in answers:
        ewma.succeeded(latency_s, now_s)
    return ewma


def test_nothing_heard_is_not_zero() -> None:
    assert PeakEwma(10.0).cost_s(5.0) is None


def test_a_decay_may_be_short() -> None:
    assert heard((0.5, 0.0), decay_s=0.01).cost_s(0.0) == pytest.approx(0.5)


@pytest.mark.parametrize("decay_s", [0.0, -1.0])
def test_a_decay_must_be_positive(decay_s: float) -> None:
    with pytest.raises(ValueError, match="decay_s"):
        PeakEwma(decay_s)


def test_the_first_answer_is_taken_whole() -> None:
    assert heard((0.2, 100.0)).cost_s(100.0) == pytest.approx(0.2)


def test_a_slower_answer_is_taken_at_once() -> None:
    assert heard((0.2, 100.0), (0.3, 100.0)).cost_s(100.0) == pytest.approx(0.3)


def test_a_faster_answer_is_averaged_in_by_the_time_since_the_one_before() -> None:
    ewma = heard((1.0, 100.0), (0.1, 110.0))
    assert ewma.cost_s(110.0) == pytest.approx(ONE_DECAY + 0.1 * (1 - ONE_DECAY))


def test_a_faster_answer_at_the_same_moment_says_nothing_yet() -> None:
    assert heard((1.0, 100.0), (0.1, 100.0)).cost_s(100.0) == pytest.approx(1.0)


def test_silence_is_forgetting() -> None:
    ewma = heard((1.0, 100.0))
    assert ewma.cost_s(110.0) == pytest.approx(ONE_DECAY)
    assert ewma.cost_s(110.0) == pytest.approx(ONE_DECAY), "a look changed it"


def test_an_answer_after_long_silence_stands_alone() -> None:
    assert heard((5.0, 0.0), (0.02, 10_000.0)).cost_s(10_000.0) == pytest.approx(0.02)


def test_a_clock_that_steps_back_does_no_harm() -> None:
    assert heard((1.0, 100.0), (0.5, 90.0)).cost_s(90.0) == pytest.approx(1.0)


def test_an_answer_in_no_time_has_a_level_too() -> None:
    assert heard((0.0, 1.0)).cost_s(1.0) == pytest.approx(1e-6)


def test_whatever_takes_no_time_still_has_a_level() -> None:
    ewma = heard((1.0, 0.0), (0.0, 1e6))
    assert ewma.cost_s(1e6) == pytest.approx(1e-6)
    ewma.given_up(0.0, 2e6, at_least_s=5.0)
    assert (ewma.cost_s(2e6), ewma.last_s) == pytest.approx((1e-6, 1e-6))
    unheard = heard()
    unheard.failed(0.0, 0.0, at_least_s=0.0)
    assert unheard.cost_s(0.0) == pytest.approx(1e-6)


@pytest.mark.parametrize(("latency_s", "counted_s"), [(0.001, 5.0), (5.0, 5.0), (7.0, 7.0)])
def test_a_fault_counts_as_at_least_the_trys_timeout(latency_s: float, counted_s: float) -> None:
    for ewma in (heard(), heard((0.02, 100.0))):
        ewma.failed(latency_s, 100.0, at_least_s=5.0)
        assert ewma.cost_s(100.0) == pytest.approx(counted_s)


def test_a_fault_fades_as_a_peak_does() -> None:
    ewma = heard((0.02, 100.0))
    ewma.failed(0.001, 100.0, at_least_s=5.0)
    assert ewma.cost_s(110.0) == pytest.approx(5.0 * ONE_DECAY)


def test_an_answer_makes_faults_good() -> None:
    ewma = heard((0.02, 100.0))
    ewma.failed(0.001, 100.0, at_least_s=5.0)
    ewma.succeeded(0.01, 100.0)
    assert ewma.cost_s(100.0) == pytest.approx(0.02)


def test_a_fault_does_not_lower_a_worse_memory() -> None:
    ewma = heard((9.0, 100.0))
    ewma.failed(0.001, 100.0, at_least_s=5.0)
    assert ewma.cost_s(100.0) == pytest.approx(9.0)


def test_a_fault_that_was_made_good_leaves_the_first_answer_whole() -> None:
    ewma = heard()
    ewma.failed(0.001, 100.0, at_least_s=5.0)
    ewma.succeeded(0.01, 100.0)
    assert ewma.cost_s(100.0) == pytest.approx(0.01)


@pytest.mark.parametrize(("latency_s", "cost_s"), [(0.01, 0.2), (0.2, 0.2), (3.0, 3.0)])
def test_a_call_given_up_only_ever_raises(latency_s: float, cost_s: float) -> None:
    ewma = heard((0.2, 100.0))
    ewma.given_up(latency_s, 100.0, at_least_s=5.0)
    assert ewma.cost_s(100.0) == pytest.approx(cost_s)


@pytest.mark.parametrize(("latency_s", "counted_s"), [(0.0, 5.0), (0.0005, 5.0), (7.0, 7.0)])
def test_a_call_given_up_weighs_as_a_fault_where_nothing_was_answered(
    latency_s: float, counted_s: float
) -> None:
    ewma = heard()
    ewma.given_up(latency_s, 100.0, at_least_s=5.0)
    assert ewma.cost_s(110.0) == pytest.approx(counted_s * ONE_DECAY)
    ewma.given_up(latency_s, 110.0, at_least_s=5.0)
    assert ewma.cost_s(110.0) == pytest.approx(counted_s), "it still has not answered"
    assert not ewma.has_answered
    ewma.succeeded(0.01, 110.0)
    assert ewma.cost_s(110.0) == pytest.approx(0.01)
    assert ewma.has_answered


def test_what_was_heard_last_is_known_as_it_was_before_it_faded() -> None:
    ewma = heard((0.2, 100.0))
    assert ewma.last_s == 0.2
    ewma.failed(0.001, 100.0, at_least_s=5.0)
    assert ewma.last_s == 5.0
    ewma.failed(0.001, 100.0, at_least_s=4.0)
    assert ewma.last_s == 5.0
    ewma.succeeded(0.2, 100.0)
    ewma.given_up(0.1, 100.0, at_least_s=5.0)
    assert ewma.last_s == 0.2
    ewma.given_up(0.3, 100.0, at_least_s=5.0)
    assert ewma.last_s == 0.3


def test_an_answer_after_a_call_given_up_is_averaged_with_it() -> None:
    ewma = heard((0.1, 100.0))
    ewma.given_up(2.0, 100.0, at_least_s=5.0)
    ewma.succeeded(1.0, 110.0)
    assert ewma.cost_s(110.0) == pytest.approx(2.0 * ONE_DECAY + 1.0 * (1 - ONE_DECAY))


@given(st.lists(st.tuples(st.floats(0.001, 10.0), st.floats(0.0, 30.0)), min_size=1))
def test_the_cost_stays_between_the_extremes_of_what_was_heard(
    answers: list[tuple[float, float]],
) -> None:
    ewma = PeakEwma(10.0)
    now_s = 1_000_000.0
    for latency_s, pause_s in answers:
        now_s += pause_s
        ewma.succeeded(latency_s, now_s)
        assert (ewma.cost_s(now_s) or 0.0) >= latency_s * (1 - 1e-9)
    latencies = [latency_s for latency_s, _ in answers]
    cost_s = ewma.cost_s(now_s)
    assert cost_s is not None
    assert min(latencies) * (1 - 1e-9) <= cost_s <= max(latencies) * (1 + 1e-9)
