"""When a probe is due, and how hard it is: seldom where all is well, soon where it may not be."""

from __future__ import annotations

from math import inf

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.health.looks import ProbeResult
from control_plane.core.health.schedule import ProbeOptions, ProbeSchedule

RIGHT, WRONG = ProbeResult.OK, ProbeResult.WRONG_ANSWER


def schedule() -> ProbeSchedule:
    return ProbeSchedule(ProbeOptions(interval_s=10.0, doubt_s=1.0, row=6))


def ran(
    of: ProbeSchedule, result: ProbeResult, at_s: float, *, is_doubted: bool = False
) -> ProbeSchedule:
    """It took a quarter of a second, and ended at that time."""
    of.ran(result, is_doubted=is_doubted, started_s=at_s - 0.25, ended_s=at_s)
    return of


@pytest.mark.parametrize(
    "changes", [{"doubt_s": 0.0}, {"doubt_s": 10.1}, {"interval_s": 0.9}, {"row": 0}]
)
def test_options_out_of_bounds_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="row" if "row" in changes else "doubt_s"):
        ProbeOptions(**changes)  # type: ignore[arg-type]


def test_options_at_their_bounds_are_taken() -> None:
    assert ProbeOptions(interval_s=0.5, doubt_s=0.5, row=1).row == 1


@pytest.mark.parametrize("is_doubted", [True, False])
def test_the_first_is_due_at_once(is_doubted: bool) -> None:
    assert schedule().due_s(is_doubted=is_doubted) == -inf


def test_the_next_is_counted_from_the_end_of_the_last() -> None:
    well = ran(schedule(), RIGHT, 100.0)
    assert well.due_s(is_doubted=False) == 110.0
    assert well.due_s(is_doubted=True) == 101.0


def test_a_doubt_is_settled_by_a_row() -> None:
    assert schedule().inferences(is_doubted=False) == 1
    assert schedule().inferences(is_doubted=True) == 6


def test_before_any_probe_only_a_breaker_is_a_doubt() -> None:
    new = schedule()
    assert not new.is_doubted(failed_at_s=-inf, is_breaker_open=False)
    assert not new.is_doubted(failed_at_s=5.0, is_breaker_open=False)
    assert new.is_doubted(failed_at_s=-inf, is_breaker_open=True)


def test_a_request_that_failed_since_the_probe_began_is_a_doubt() -> None:
    well = ran(schedule(), RIGHT, 100.0)
    assert not well.is_doubted(failed_at_s=-inf, is_breaker_open=False)
    assert not well.is_doubted(failed_at_s=99.7, is_breaker_open=False)
    assert well.is_doubted(failed_at_s=99.75, is_breaker_open=False)
    assert well.is_doubted(failed_at_s=100.5, is_breaker_open=False)


def test_a_probe_that_was_not_answered_rightly_is_a_doubt_until_one_is() -> None:
    unwell = ran(schedule(), WRONG, 100.0)
    assert unwell.is_doubted(failed_at_s=-inf, is_breaker_open=False)
    ran(unwell, RIGHT, 101.0, is_doubted=True)
    assert not unwell.is_doubted(failed_at_s=-inf, is_breaker_open=False)


def test_a_doubt_that_finds_nothing_waits_twice_as_long_up_to_the_interval() -> None:
    doubted, waits_s = schedule(), []
    for _ in range(7):
        ran(doubted, RIGHT, 100.0, is_doubted=True)
        waits_s.append(doubted.due_s(is_doubted=True) - 100.0)
    assert waits_s == [2.0, 4.0, 8.0, 10.0, 10.0, 10.0, 10.0]
    assert doubted.due_s(is_doubted=False) == 110.0


def test_a_slow_probe_is_no_doubt() -> None:
    slow = ran(schedule(), ProbeResult.SLOW, 100.0)
    assert not slow.is_doubted(failed_at_s=-inf, is_breaker_open=False)


def test_however_often_nothing_is_found_the_wait_stays_a_number() -> None:
    doubted = ProbeSchedule(ProbeOptions(interval_s=4_000.0, doubt_s=1.0))
    for _ in range(2_000):
        ran(doubted, RIGHT, 100.0, is_doubted=True)
    assert doubted.due_s(is_doubted=True) == 4_100.0


@pytest.mark.parametrize(("result", "is_doubted"), [(RIGHT, False), (WRONG, False), (WRONG, True)])
def test_a_fault_found_or_no_doubt_begins_anew(result: ProbeResult, is_doubted: bool) -> None:
    doubted = schedule()
    for _ in range(3):
        ran(doubted, RIGHT, 100.0, is_doubted=True)
    ran(doubted, result, 100.0, is_doubted=is_doubted)
    assert doubted.due_s(is_doubted=True) == 101.0


@given(
    st.floats(0.1, 10.0),
    st.floats(1.0, 100.0),
    st.lists(st.tuples(st.sampled_from(ProbeResult), st.booleans()), min_size=1, max_size=30),
)
def test_whatever_came_before_a_doubt_waits_from_doubt_s_to_the_interval(
    doubt_s: float, times: float, probes: list[tuple[ProbeResult, bool]]
) -> None:
    interval_s = doubt_s * times
    of = ProbeSchedule(ProbeOptions(interval_s=interval_s, doubt_s=doubt_s))
    for result, is_doubted in probes:
        ran(of, result, 0.0, is_doubted=is_doubted)
        assert doubt_s <= of.due_s(is_doubted=True) <= of.due_s(is_doubted=False) == interval_s
        is_doubted = of.is_doubted(failed_at_s=-inf, is_breaker_open=False)
        assert is_doubted is result.is_fault
        if is_doubted:  # what is known to be amiss is settled as soon as may be
            assert of.due_s(is_doubted=True) == doubt_s
