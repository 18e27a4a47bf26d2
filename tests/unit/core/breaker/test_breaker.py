"""A breaker trips, waits, probes, closes on proof, and can be taken out by hand."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from control_plane.core.breaker import (
    Breaker,
    BreakerOptions,
    BreakerStatistics,
    IllegalEvent,
    Permit,
    State,
)
from control_plane.core.outcomes import Verdict
from tests.unit.core.draws import LEAST, MOST

SUCCESS, FAILURE, IGNORED = Verdict.SUCCESS, Verdict.FAILURE, Verdict.IGNORED


def take(breaker: Breaker, now_s: float = 0.0) -> Permit:
    permit = breaker.admit(now_s)
    assert permit is not None
    return permit


def settle(
    breaker: Breaker, permit: Permit, verdict: Verdict, now_s: float = 0.0, latency_s: float = 0.01
) -> bool:
    return breaker.settle(permit, verdict, latency_s=latency_s, now_s=now_s, rng=MOST)


def call(breaker: Breaker, verdict: Verdict, now_s: float = 0.0, latency_s: float = 0.01) -> bool:
    return settle(breaker, take(breaker, now_s), verdict, now_s, latency_s)


def tripped(options: BreakerOptions | None = None, now_s: float = 0.0) -> Breaker:
    breaker = Breaker(options or BreakerOptions())
    trip(breaker, now_s)
    return breaker


def trip(breaker: Breaker, now_s: float) -> None:
    for _ in range(5):
        if breaker.state is State.CLOSED:
            call(breaker, FAILURE, now_s)
    assert breaker.state is State.OPEN


def heal(breaker: Breaker, now_s: float) -> None:
    for _ in range(3):
        call(breaker, SUCCESS, now_s)
    assert breaker.state is State.CLOSED


# --- closed ------------------------------------------------------------------------------


def test_a_new_breaker_is_closed_and_admits_everyone() -> None:
    breaker = Breaker(BreakerOptions())
    permits = [take(breaker) for _ in range(100)]
    assert breaker.state is State.CLOSED
    assert breaker.admits(0.0)
    assert breaker.opens_until_s is None
    assert breaker.retry_after_s(0.0) == 0.0
    assert not any(settle(breaker, permit, SUCCESS) for permit in permits)


def test_a_new_breaker_has_seen_nothing() -> None:
    assert Breaker(BreakerOptions()).statistics(9.0) == BreakerStatistics(
        state=State.CLOSED,
        since_s=None,
        opens_until_s=None,
        consecutive_failures=0,
        calls=0,
        failure_ratio=0.0,
        slow_ratio=0.0,
        probes_out=0,
        good_probes=0,
        opened_times=0,
        last_trip=None,
    )


def test_the_fifth_failure_in_a_row_trips_and_the_fourth_does_not() -> None:
    breaker = Breaker(BreakerOptions())
    assert [call(breaker, FAILURE) for _ in range(4)] == [False] * 4
    assert breaker.state is State.CLOSED
    assert call(breaker, FAILURE) is True
    assert breaker.state is State.OPEN
    assert breaker.statistics(0.0).last_trip == "5 failures in a row"


def test_a_success_between_them_starts_the_run_anew_and_an_ignored_call_does_not() -> None:
    breaker = Breaker(BreakerOptions())
    for verdict in [FAILURE] * 4 + [SUCCESS] + [FAILURE] * 4 + [IGNORED]:
        assert call(breaker, verdict) is False
    assert breaker.statistics(0.0).consecutive_failures == 4
    assert call(breaker, FAILURE) is True


def test_half_of_twenty_calls_trip_it() -> None:
    breaker = Breaker(BreakerOptions())
    for verdict in [SUCCESS, FAILURE] * 9 + [SUCCESS]:
        assert call(breaker, verdict) is False
    assert call(breaker, FAILURE) is True
    assert breaker.statistics(0.0).last_trip == "10 of 20 calls failed in 10 s"


def test_failures_that_left_the_window_do_not_count() -> None:
    breaker = Breaker(BreakerOptions())
    for verdict in [SUCCESS, FAILURE] * 9:
        call(breaker, verdict, now_s=0.5)
    assert call(breaker, SUCCESS, now_s=10.0) is False
    assert call(breaker, FAILURE, now_s=10.0) is False


def test_the_window_is_as_long_as_was_asked_for() -> None:
    breaker = Breaker(BreakerOptions(window_s=4.0, window_buckets=2))
    call(breaker, SUCCESS, now_s=0.0)
    assert breaker.statistics(3.9).calls == 1
    assert breaker.statistics(4.0).calls == 0


def test_a_good_call_never_trips_though_good_ones_have_left_the_window() -> None:
    breaker = Breaker(BreakerOptions(min_calls=2))
    for verdict in [SUCCESS] * 4:
        call(breaker, verdict, now_s=0.5)
    call(breaker, FAILURE, now_s=5.0)
    assert call(breaker, SUCCESS, now_s=10.5) is False
    assert breaker.statistics(10.5).failure_ratio == 0.5


def test_slow_calls_trip_it_when_slow_is_defined() -> None:
    options = BreakerOptions(slow_call_s=0.5)
    breaker = Breaker(options)
    for latency_s in [0.5] * 4 + [0.51] * 15:
        assert call(breaker, SUCCESS, latency_s=latency_s) is False
    assert breaker.statistics(0.0).slow_ratio == 15 / 19
    assert call(breaker, SUCCESS, latency_s=0.51) is True
    assert breaker.statistics(0.0).last_trip == "16 of 20 calls in 10 s took longer than 0.5 s"


def test_no_call_is_slow_by_default() -> None:
    breaker = Breaker(BreakerOptions())
    assert not any(call(breaker, SUCCESS, latency_s=1e9) for _ in range(100))
    assert breaker.statistics(0.0).slow_ratio == 0.0


# --- open --------------------------------------------------------------------------------


def test_an_open_breaker_admits_nobody_until_its_time_and_exactly_then() -> None:
    breaker = tripped(now_s=100.0)
    assert breaker.opens_until_s == 101.0
    assert not breaker.admits(100.999)
    assert breaker.admit(100.999) is None
    assert breaker.retry_after_s(100.75) == 0.25
    assert breaker.admits(101.0)
    assert breaker.retry_after_s(101.0) == 0.0
    assert breaker.state is State.OPEN
    take(breaker, 101.0)
    assert breaker.state is State.HALF_OPEN
    assert breaker.opens_until_s is None
    assert breaker.statistics(102.0).since_s == 101.0


def test_jitter_takes_at_most_half_of_the_open_time() -> None:
    breaker = Breaker(BreakerOptions(consecutive_failures=1))
    breaker.settle(take(breaker), FAILURE, latency_s=0.0, now_s=10.0, rng=LEAST)
    assert breaker.opens_until_s == 10.5


def test_calls_in_flight_when_it_trips_say_nothing() -> None:
    breaker = Breaker(BreakerOptions())
    late = [take(breaker) for _ in range(10)]
    trip(breaker, 0.0)
    before = breaker.statistics(0.0)
    assert not any(settle(breaker, permit, FAILURE) for permit in late[:5])
    probe = take(breaker, 1.0)
    halfway = breaker.statistics(1.0)
    assert not any(settle(breaker, permit, SUCCESS, 1.0) for permit in late[5:])
    assert breaker.statistics(1.0) == halfway
    assert halfway.probes_out == 1
    assert before.opened_times == halfway.opened_times == 1
    assert settle(breaker, probe, FAILURE, 1.0) is True


# --- half open ---------------------------------------------------------------------------


def test_two_probes_are_out_at_a_time() -> None:
    breaker = tripped()
    first = take(breaker, 1.0)
    assert breaker.admits(1.0)
    second = take(breaker, 1.0)
    assert not breaker.admits(1.0)
    assert breaker.admit(1.0) is None
    assert breaker.retry_after_s(1.0) == 1.0
    settle(breaker, first, IGNORED, 1.0)
    assert breaker.retry_after_s(1.0) == 0.0
    take(breaker, 1.0)
    assert breaker.admit(1.0) is None
    settle(breaker, second, SUCCESS, 1.0)
    assert breaker.admits(1.0)


def test_the_third_good_probe_closes_and_the_second_does_not() -> None:
    breaker = tripped()
    assert [call(breaker, SUCCESS, 1.0) for _ in range(2)] == [False, False]
    assert breaker.state is State.HALF_OPEN
    assert call(breaker, SUCCESS, 1.5) is True
    assert breaker.state is State.CLOSED
    assert breaker.statistics(1.5) == BreakerStatistics(
        state=State.CLOSED,
        since_s=1.5,
        opens_until_s=None,
        consecutive_failures=0,
        calls=0,
        failure_ratio=0.0,
        slow_ratio=0.0,
        probes_out=0,
        good_probes=0,
        opened_times=1,
        last_trip="5 failures in a row",
    )


def test_an_ignored_probe_returns_and_proves_nothing() -> None:
    breaker = tripped()
    for _ in range(10):
        assert call(breaker, IGNORED, 1.0) is False
    shown = breaker.statistics(1.0)
    assert (shown.probes_out, shown.good_probes, shown.calls) == (0, 0, 5)
    assert shown.consecutive_failures == 5


def test_one_bad_probe_opens_it_for_twice_as_long() -> None:
    breaker = tripped()
    call(breaker, SUCCESS, 1.0)
    call(breaker, SUCCESS, 1.0)
    assert call(breaker, FAILURE, 1.0) is True
    assert breaker.opens_until_s == 3.0
    shown = breaker.statistics(1.0)
    assert (shown.state, shown.since_s, shown.last_trip) == (State.OPEN, 1.0, "a probe failed")
    assert (shown.consecutive_failures, shown.opened_times) == (1, 2)
    # The good probes of the last time are worth nothing now.
    assert [call(breaker, SUCCESS, 3.0) for _ in range(3)] == [False, False, True]


def test_a_slow_probe_is_a_bad_one() -> None:
    options = BreakerOptions(slow_call_s=0.5)
    breaker = tripped(options)
    assert call(breaker, SUCCESS, 1.0, latency_s=0.5) is False
    assert call(breaker, SUCCESS, 1.0, latency_s=0.51) is True
    assert breaker.state is State.OPEN
    assert breaker.statistics(1.0).last_trip == "a probe took longer than 0.5 s"
    assert breaker.statistics(1.0).consecutive_failures == 0


def test_the_open_time_doubles_up_to_a_minute() -> None:
    breaker = tripped()
    open_times_s = []
    for _ in range(8):
        opened_s = breaker.statistics(0.0).since_s
        assert opened_s is not None
        assert breaker.opens_until_s is not None
        open_times_s.append(breaker.opens_until_s - opened_s)
        call(breaker, FAILURE, breaker.opens_until_s)
    assert open_times_s == [1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 60.0, 60.0]


def test_a_probe_that_comes_back_after_it_closed_says_nothing() -> None:
    breaker = tripped(BreakerOptions(consecutive_failures=1))
    late = take(breaker, 1.0)
    for _ in range(3):
        call(breaker, SUCCESS, 1.0)
    assert breaker.state is State.CLOSED
    assert settle(breaker, late, FAILURE, 2.0) is False
    assert breaker.state is State.CLOSED
    assert breaker.statistics(2.0).consecutive_failures == 0


def test_a_probe_of_an_earlier_half_open_frees_no_place_in_this_one() -> None:
    breaker = tripped()
    late, bad = take(breaker, 1.0), take(breaker, 1.0)
    settle(breaker, bad, FAILURE, 1.0)
    take(breaker, 3.0)
    take(breaker, 3.0)
    assert settle(breaker, late, SUCCESS, 3.0) is False
    assert breaker.statistics(3.0).probes_out == 2
    assert breaker.statistics(3.0).good_probes == 0
    assert breaker.admit(3.0) is None


def test_what_was_before_the_proof_does_not_trip_after_it() -> None:
    breaker = tripped(BreakerOptions(min_calls=6))
    heal(breaker, 1.0)
    assert [call(breaker, FAILURE, 1.0) for _ in range(4)] == [False] * 4


@pytest.mark.parametrize(("closed_for_s", "open_s"), [(59.5, 2.0), (60.0, 1.0), (500.0, 1.0)])
def test_only_staying_closed_brings_the_first_open_time_back(
    closed_for_s: float, open_s: float
) -> None:
    breaker = tripped()
    heal(breaker, 1.0)
    trip(breaker, 1.0 + closed_for_s)
    assert breaker.opens_until_s == 1.0 + closed_for_s + open_s
    call(breaker, FAILURE, breaker.opens_until_s)
    assert breaker.opens_until_s == 1.0 + closed_for_s + open_s * 3.0


# --- isolated ----------------------------------------------------------------------------


@pytest.mark.parametrize("prepare", [Breaker, tripped])
def test_isolated_nobody_gets_through_for_however_long(
    prepare: Callable[[BreakerOptions], Breaker],
) -> None:
    breaker = prepare(BreakerOptions())
    breaker.isolate()
    assert breaker.state is State.ISOLATED
    assert not breaker.admits(1e9)
    assert breaker.admit(1e9) is None
    assert breaker.opens_until_s is None
    assert breaker.retry_after_s(1e9) == 60.0


def test_isolating_twice_is_isolating_once() -> None:
    breaker = Breaker(BreakerOptions())
    breaker.isolate(5.0)
    before = breaker.statistics(6.0)
    breaker.isolate(6.0)
    assert breaker.statistics(6.0) == before
    assert before.since_s == 5.0


def test_vouched_for_it_is_probed_before_its_time_and_must_prove_itself() -> None:
    breaker = Breaker(BreakerOptions(consecutive_failures=1, probes_to_close=1, max_probes=1))
    settle(breaker, take(breaker, 1.0), Verdict.FAILURE, now_s=1.0)
    assert not breaker.admits(1.0)
    breaker.vouch(1.25)
    shown = breaker.statistics(1.25)
    assert (shown.state, shown.since_s, shown.opens_until_s) == (State.HALF_OPEN, 1.25, None)
    probe = take(breaker, 1.25)
    assert breaker.admit(1.25) is None
    settle(breaker, probe, Verdict.FAILURE, now_s=1.5)
    assert breaker.state is State.OPEN
    assert breaker.opens_until_s is not None
    assert breaker.opens_until_s - 1.5 > 1.0, "for longer than the first time"


def test_released_it_must_prove_itself() -> None:
    breaker = Breaker(BreakerOptions())
    breaker.isolate()
    assert breaker.statistics(0.0).since_s is None
    breaker.release(7.0)
    shown = breaker.statistics(7.0)
    assert (shown.state, shown.since_s) == (State.HALF_OPEN, 7.0)
    take(breaker, 7.0)
    take(breaker, 7.0)
    assert breaker.admit(7.0) is None


def test_released_and_still_bad_it_opens_for_the_first_time() -> None:
    breaker = Breaker(BreakerOptions())
    breaker.isolate()
    breaker.release()
    assert call(breaker, FAILURE, 7.0) is True
    assert breaker.opens_until_s == 8.0


def test_isolation_forgives_nothing() -> None:
    breaker = tripped()
    breaker.isolate()
    breaker.release()
    call(breaker, FAILURE, 1000.0)
    assert breaker.opens_until_s == 1002.0


def test_calls_that_end_in_isolation_say_nothing() -> None:
    breaker = tripped()
    probe = take(breaker, 1.0)
    breaker.isolate()
    before = breaker.statistics(2.0)
    assert settle(breaker, probe, FAILURE, 2.0) is False
    assert breaker.statistics(2.0) == before


@pytest.mark.parametrize("prepare", [Breaker, tripped])
def test_only_the_isolated_can_be_released(
    prepare: Callable[[BreakerOptions], Breaker],
) -> None:
    breaker = prepare(BreakerOptions())
    before = breaker.statistics(0.0)
    with pytest.raises(IllegalEvent):
        breaker.release(0.5)
    assert breaker.statistics(0.0) == before


# --- permits -----------------------------------------------------------------------------


def test_a_permit_is_settled_once() -> None:
    breaker = tripped()
    take(breaker, 1.0)
    probe = take(breaker, 1.0)
    settle(breaker, probe, SUCCESS, 1.0)
    before = breaker.statistics(1.0)
    with pytest.raises(ValueError, match=r"^the permit was settled before; <Breaker half_open"):
        settle(breaker, probe, FAILURE, 1.0)
    assert breaker.statistics(1.0) == before
    assert before.probes_out == 1


def test_a_permit_of_an_earlier_period_is_settled_once_too() -> None:
    breaker = Breaker(BreakerOptions())
    late = take(breaker)
    trip(breaker, 0.0)
    settle(breaker, late, SUCCESS)
    with pytest.raises(ValueError, match="settled before"):
        settle(breaker, late, SUCCESS)


def test_a_permit_goes_back_to_the_breaker_that_gave_it() -> None:
    breaker, other = Breaker(BreakerOptions()), Breaker(BreakerOptions())
    permit = take(breaker)
    with pytest.raises(ValueError, match=r"^the permit was given by <Breaker .*>, not by <Bre"):
        settle(other, permit, FAILURE)
    assert not permit.is_settled
    assert other.statistics(0.0).consecutive_failures == 0
    settle(breaker, permit, FAILURE)
    assert permit.is_settled
    assert breaker.statistics(0.0).consecutive_failures == 1


# --- showing -----------------------------------------------------------------------------


def test_looking_changes_nothing() -> None:
    breaker = tripped()
    before = breaker.statistics(0.5)
    breaker.statistics(1e6)
    breaker.admits(1e6)
    breaker.retry_after_s(1e6)
    assert breaker.statistics(0.5) == before
    assert (before.calls, before.failure_ratio, before.opens_until_s) == (5, 1.0, 1.0)


def test_how_it_shows_itself() -> None:
    breaker = Breaker(BreakerOptions())
    call(breaker, FAILURE)
    assert repr(breaker) == "<Breaker closed, failures in a row: 1, opened: 0>"
    trip(breaker, 2.0)
    assert repr(breaker) == (
        "<Breaker open, until 3 s, failures in a row: 5, opened: 1, last trip: 5 failures in a row>"
    )
    call(breaker, SUCCESS, 3.0)
    take(breaker, 3.0)
    assert repr(breaker) == (
        "<Breaker half_open, 1/2 probes out, 1/3 good, failures in a row: 0, opened: 1, "
        "last trip: 5 failures in a row>"
    )
