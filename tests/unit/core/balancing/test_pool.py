"""Reserve, settle, suspect, warm up: the pool's rules one by one, at their boundaries."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.balancing import LoadOptions, PolicyName, Pool, PoolOptions
from control_plane.core.breaker import BreakerOptions, State
from control_plane.core.outcomes import Verdict
from tests.unit.core.balancing.making import (
    TRIPS_AT_ONCE,
    chosen,
    eject,
    in_flight,
    pool,
    reserve,
    settle,
    state,
)


def test_an_empty_pool_has_nobody_to_reserve() -> None:
    empty = pool("")
    assert empty.reserve(0.0, Random(1)) is None
    assert empty.statistics(0.0).panics == 0


def test_a_reservation_says_where_when_and_by_whose_leave() -> None:
    reservation = reserve(pool("a"), 7.0)
    assert (reservation.name, reservation.started_s, reservation.is_panic) == ("a", 7.0, False)
    assert reservation.permit is not None


def test_the_place_is_taken_at_once_and_given_back_once() -> None:
    one = pool("a")
    first, second = reserve(one, 0.0), reserve(one, 0.0)
    assert in_flight(one) == {"a": 2}
    settle(one, first, now_s=1.0)
    assert in_flight(one) == {"a": 1}
    with pytest.raises(ValueError, match="settled before"):
        settle(one, first, now_s=1.0)
    assert in_flight(one) == {"a": 1}
    settle(one, second, now_s=1.0)
    assert one.statistics(1.0).in_flight == 0


def test_the_excluded_are_never_picked_and_all_excluded_is_nobody() -> None:
    two = pool("ab")
    assert {reserve(two, 0.0, exclude="a").name for _ in range(20)} == {"b"}
    assert two.reserve(0.0, Random(1), ["a", "b", "c"]) is None
    assert two.statistics(0.0).reserved == 20


def test_adding_twice_changes_the_weight_and_nothing_else() -> None:
    one = pool("a")
    reserve(one, 0.0)
    assert not one.add("a", 5.0, weight=3.0)
    [member] = one.statistics(5.0).members
    assert (member.weight, member.in_flight, member.warmth) == (3.0, 1, 1.0)
    with pytest.raises(ValueError, match="weight"):
        one.add("a", 5.0, weight=0.0)
    with pytest.raises(ValueError, match="weight"):
        one.add("b", 5.0, weight=-1.0)
    assert "b" not in one
    assert len(one) == 1


def test_a_call_may_outlive_its_member() -> None:
    two = pool("ab")
    late = reserve(two, 0.0, exclude="b")
    assert two.remove("a")
    assert not two.remove("a")
    assert two.statistics(0.0).in_flight == 1
    settle(two, late, Verdict.FAILURE, now_s=1.0)
    assert two.statistics(1.0).in_flight == 0
    assert chosen(two, 10, 1.0) == {"b": 10}


def test_a_call_to_a_former_member_says_nothing_of_the_new_one() -> None:
    two = pool("ab")
    late = reserve(two, 0.0, exclude="b")
    two.remove("a")
    assert two.add("a", 1.0)
    new = reserve(two, 1.0, exclude="b")
    settle(two, late, Verdict.FAILURE, now_s=2.0)
    assert in_flight(two) == {"b": 0, "a": 1}
    assert state(two, "a") is State.CLOSED
    settle(two, new, now_s=2.0)
    assert in_flight(two) == {"b": 0, "a": 0}


def test_slow_start_begins_when_added_and_when_the_breaker_closes() -> None:
    two = pool("ab", load=LoadOptions(slow_start_s=10.0))

    def warmth(name: str, now_s: float) -> float:
        return {each.name: each.warmth for each in two.statistics(now_s).members}[name]

    assert warmth("a", 5.0) == 0.5
    eject(two, "a", 20.0)
    assert warmth("a", 30.0) == 1.0
    probe = reserve(two, 30.0)
    assert probe.name == "a"
    settle(two, probe, now_s=30.0)
    assert warmth("a", 30.0) == 0.1
    assert warmth("b", 30.0) == 1.0
    two.remove("b")
    two.add("b", 40.0)
    assert (warmth("a", 40.0), warmth("b", 40.0)) == (1.0, 0.1)


def test_a_closing_breaker_forgets_the_timeouts_of_before() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    settle(two, reserve(two, 10.0), now_s=10.0)
    assert {each.name: each.latency_s for each in two.statistics(10.0).members}["a"] is None


def test_a_fast_failing_member_is_not_preferred() -> None:
    two = pool("ab", breaker=BreakerOptions(consecutive_failures=1000))
    chosen(two, 50, 0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0, latency_s=0.001)
    assert reserve(two, 0.0).name == "a", "the check on a suspect"
    assert chosen(two, 50, 0.0) == {"b": 50}


@pytest.mark.parametrize("policy", PolicyName)
def test_a_suspect_is_checked_within_the_allowance_until_its_breaker_trips(
    policy: PolicyName,
) -> None:
    four = pool("abcd", policy=policy, breaker=BreakerOptions(consecutive_failures=5))
    chosen(four, 100, 0.0)
    settle(four, reserve(four, 0.0, "bcd"), Verdict.FAILURE, now_s=0.0, latency_s=0.001)
    calls = 0
    while state(four, "a") is State.CLOSED:
        calls += 1
        reservation = reserve(four, 0.0)
        assert not reservation.is_panic
        verdict = Verdict.FAILURE if reservation.name == "a" else Verdict.SUCCESS
        settle(four, reservation, verdict, now_s=0.0, latency_s=0.001)
    assert calls <= 31
    # Open now, it is no suspect any more.
    assert "a" not in chosen(four, 50, 0.5)


def test_a_suspect_that_answers_is_one_of_all_again() -> None:
    two = pool("ab", breaker=BreakerOptions())
    chosen(two, 50, 0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0)
    check = reserve(two, 0.0)
    assert check.name == "a"
    settle(two, check, now_s=0.0)
    assert not two._roster.suspects
    assert chosen(two, 100, 0.0).keys() == {"a", "b"}


def test_a_suspect_is_not_checked_while_a_call_is_out_that_will_tell() -> None:
    two = pool("ab", breaker=BreakerOptions())
    chosen(two, 50, 0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0)
    assert reserve(two, 0.0).name == "a"
    assert {reserve(two, 5.0).name for _ in range(30)} == {"b"}


def test_a_call_given_up_neither_makes_nor_clears_a_suspect() -> None:
    two = pool("ab", breaker=BreakerOptions())
    settle(two, reserve(two, 0.0, "b"), now_s=0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.IGNORED, now_s=0.0)
    assert not two._roster.suspects
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.IGNORED, now_s=0.0)
    assert [each.name for each in two._roster.suspects] == ["a"]
    two.remove("a")
    assert not two._roster.suspects


@pytest.mark.parametrize("latency_s", [0.0, 0.0005])
def test_a_newcomer_that_refuses_at_once_draws_no_traffic_but_checks(latency_s: float) -> None:
    two = pool("a")
    chosen(two, 50, 0.0)
    two.add("b", 0.0)
    asked = 0
    rng = Random(4)
    for number in range(500):
        now_s = number / 50
        reservation = reserve(two, now_s, rng=rng)
        is_new = reservation.name == "b"
        asked += is_new
        verdict = Verdict.IGNORED if is_new else Verdict.SUCCESS
        latency = latency_s if is_new else 0.5
        settle(two, reservation, verdict, now_s=now_s, latency_s=latency)
    assert 10 <= asked <= 70, "a tenth, and one a second"
    check = next(each for _ in range(20) if (each := reserve(two, 10.0, rng=rng)).name == "b")
    settle(two, check, now_s=10.0)
    assert not two._roster.suspects
    assert chosen(two, 50, 10.0)["b"] > 20, "an answer makes it one of all"


def test_one_that_is_known_to_be_full_does_not_look_cheap_by_and_by() -> None:
    two = pool("ab")
    chosen(two, 50, 0.0)
    two.update_hint("a", 20)
    rng = Random(4)
    for number in range(6_000):
        reservation = reserve(two, number / 100, rng=rng)
        assert reservation.name == "b"
        settle(two, reservation, now_s=number / 100)


def test_the_end_of_a_call_to_a_former_member_makes_no_suspect() -> None:
    two = pool("ab", breaker=BreakerOptions())
    late = reserve(two, 0.0, "b")
    two.remove("a")
    two.add("a", 1.0)
    settle(two, late, Verdict.FAILURE, now_s=2.0)
    assert not two._roster.suspects


def test_a_hint_turns_calls_away_and_of_a_stranger_nothing_is_known() -> None:
    two = pool("ab")
    chosen(two, 50, 0.0)
    two.update_hint("a", 40)
    two.update_hint("nobody", 40)
    assert chosen(two, 50, 0.0) == {"b": 50}
    assert {each.name: each.waiting_elsewhere for each in two.statistics(0.0).members} == {
        "a": 40,
        "b": 0,
    }


def test_statistics_tell_what_happened_and_repr_in_one_line() -> None:
    two = pool("ab")
    settle(two, reserve(two, 0.0, "b"), now_s=0.0, latency_s=0.25)
    eject(two, "b", 0.0)
    reserve(two, 0.0)
    statistics = two.statistics(0.0)
    a, b = statistics.members
    assert (a.name, a.picks, a.in_flight, a.weight) == ("a", 2, 1, 1.0)
    assert a.latency_s == pytest.approx(0.25)
    assert b.breaker.state is State.OPEN
    assert (statistics.reserved, statistics.in_flight) == (3, 1)
    assert repr(two) == "<Pool 1 of 2 in rotation, 1 in flight, 0 panics>"


def test_by_default_five_failures_in_a_row_eject() -> None:
    two = Pool(PoolOptions())
    for name in "ab":
        two.add(name, 0.0)
    changed = [settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0) for _ in range(5)]
    assert changed == [False, False, False, False, True]


def test_the_calls_in_flight_when_it_died_do_not_open_it_twice() -> None:
    two = pool("ab")
    crowd = [reserve(two, 0.0, "b") for _ in range(5)]
    assert [settle(two, each, Verdict.FAILURE, now_s=0.0) for each in crowd] == [
        True,
        False,
        False,
        False,
        False,
    ]
    assert reserve(two, TRIPS_AT_ONCE.first_open_s).name == "a"
