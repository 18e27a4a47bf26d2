"""The bench: who health checks keep out, what it is still good for, and how it comes back."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.balancing import LoadOptions, PolicyName, Pool
from control_plane.core.breaker import BreakerOptions, State
from control_plane.core.outcomes import Verdict
from tests.unit.core.balancing.making import chosen, eject, in_flight, pool, reserve, settle, state


def benched(of: Pool) -> set[str]:
    return {each.name for each in of.statistics(0.0).members if each.is_benched}


@pytest.mark.parametrize("policy", PolicyName)
def test_a_benched_member_gets_no_traffic_until_it_is_unbenched(policy: PolicyName) -> None:
    two = pool("ab", policy=policy)
    two.bench("a", 0.0)
    assert chosen(two, 50, 100.0) == {"b": 50}
    two.unbench("a", 100.0)
    assert chosen(two, 50, 100.0).keys() == {"a", "b"}
    assert two.statistics(100.0).panics == 0


def test_the_bench_is_counted_and_is_no_ejection() -> None:
    three = pool("abc")
    three.bench("a", 0.0)
    three.bench("b", 0.0)
    statistics = three.statistics(0.0)
    assert (statistics.benched, statistics.ejected, statistics.in_rotation) == (2, 0, 1)
    assert not statistics.is_overruling
    assert benched(three) == {"a", "b"}
    three.unbench("b", 0.0)
    assert three.statistics(0.0).benched == 1


def test_the_benched_do_not_help_to_overrule_the_breakers_of_others() -> None:
    five = pool("abcde")
    for name in "ab":
        five.bench(name, 0.0)
    eject(five, "c", 0.0)
    assert not five.is_overruling
    assert "c" not in chosen(five, 30, 0.0)
    eject(five, "d", 0.0)
    assert five.is_overruling, "of three that health checks find well, two are out"
    assert {reserve(five, 0.0).name for _ in range(50)} <= set("cde")


def answers_turned_away(of: Pool, tries: int, every_s: float, *, from_s: float = 1.0) -> int:
    """How many first tries get nothing, when each that gets something fails."""
    refused, rng = 0, Random(3)
    for number in range(tries):
        now_s = from_s + number * every_s
        reservation = of.reserve(now_s, rng)
        if reservation is None:
            refused += 1
        else:
            assert reservation.is_panic
            settle(of, reservation, Verdict.FAILURE, now_s=now_s)
    return refused


def test_a_benched_member_is_the_last_resort_and_that_is_panic() -> None:
    two = pool("ab")
    settle(two, reserve(two, 0.0, exclude="b"), now_s=0.0)
    two.bench("a", 0.0)
    eject(two, "b", 0.0)
    panics = [reserve(two, 1.0) for _ in range(20)]
    assert {(each.name, each.is_panic) for each in panics} == {("b", True)}
    last = reserve(two, 1.0, exclude="b")
    assert (last.name, last.is_panic, last.permit is None) == ("a", True, False)
    assert two.statistics(1.0).panics == 21
    assert two.reserve(1.0, Random(1), "ab") is None


def test_the_same_again_is_better_than_a_last_resort() -> None:
    two = pool("ab")
    chosen(two, 20, 0.0)
    two.bench("a", 0.0)
    again = two.reserve(0.0, Random(1), tried=["b"])
    assert again is not None
    assert (again.name, again.is_panic) == ("b", False)


def test_who_answered_lately_is_asked_freely_and_a_retry_goes_there_too() -> None:
    """The looks err: the fleet is slow to answer them, and answers calls."""
    two = pool("ab", breaker=BreakerOptions(), bench_trust_s=5.0)
    chosen(two, 20, 0.0)
    for name in "ab":
        two.bench(name, 0.0)
    assert chosen(two, 100, 5.0).keys() == {"a", "b"}, "each answer speaks for what follows"
    settle(two, reserve(two, 6.0, "b"), Verdict.FAILURE, now_s=6.0)
    assert reserve(two, 10.0, "b").name == "a", "one fault does not undo it"
    assert two.reserve(10.1, Random(1), "b") is None


def test_of_whom_nothing_is_known_one_first_try_finds_out() -> None:
    one = pool("a")
    one.bench("a", 0.0)
    assert one.reserve(1.0, Random(1), "b") is None, "a retry has waited once"
    out = reserve(one, 1.0)
    assert out.is_panic
    assert one.reserve(10.0, Random(1)) is None, "its end will tell"
    settle(one, out, now_s=10.0)
    assert all(reserve(one, 10.0) for _ in range(20))


def test_the_bench_is_tried_within_the_allowance() -> None:
    many = pool([str(number) for number in range(20)], breaker=BreakerOptions())
    for number in range(20):
        many.bench(str(number), 0.0)
    # The first, and of a hundred within a second a tenth and one.
    assert answers_turned_away(many, 101, 0.01) == 90


def test_what_the_breaker_is_against_too_is_left_alone_until_its_time_is_over() -> None:
    one = pool("a", breaker=BreakerOptions(consecutive_failures=3, first_open_s=10.0))
    one.bench("a", 0.0)
    assert answers_turned_away(one, 3, 2.0) == 0
    assert state(one, "a") is State.OPEN
    assert answers_turned_away(one, 9, 1.0, from_s=6.0) == 9
    probe = reserve(one, 15.1)
    assert (probe.is_panic, probe.permit is None, state(one, "a")) == (True, False, State.HALF_OPEN)
    assert one.statistics(15.1).probes == 1


def test_panic_on_the_bench_takes_the_least_loaded_of_a_few() -> None:
    many = pool("abcde", panic_choices=5)
    chosen(many, 100, 0.0)
    for name in "abcde":
        many.bench(name, 0.0)
    assert [reserve(many, 0.0).name for _ in range(5)].count("a") == 1
    assert set(in_flight(many).values()) == {1}


def test_a_success_on_the_bench_does_not_bring_a_member_back() -> None:
    one = pool("a")
    one.bench("a", 0.0)
    assert not settle(one, reserve(one, 1.0), now_s=1.0)
    assert benched(one) == {"a"}
    assert reserve(one, 1.0).is_panic


def test_the_breaker_of_a_benched_member_keeps_learning() -> None:
    one = pool("a")
    one.bench("a", 0.0)
    assert settle(one, reserve(one, 1.0), Verdict.FAILURE, now_s=1.0)
    assert state(one, "a") is State.OPEN
    assert settle(one, reserve(one, 11.0), now_s=11.0), "its time was over: that was its probe"
    assert state(one, "a") is State.CLOSED
    assert benched(one) == {"a"}
    assert reserve(one, 11.0).is_panic


def test_a_benched_member_is_neither_probed_nor_checked() -> None:
    three = pool("abc", probe_share=1.0)
    eject(three, "a", 0.0)
    three.bench("a", 0.0)
    assert chosen(three, 50, 100.0).keys() == {"b", "c"}
    assert three.statistics(100.0).probes == 0

    two = pool("ab", probe_share=1.0, breaker=BreakerOptions())
    late = reserve(two, 0.0, exclude="b")
    settle(two, reserve(two, 0.0, exclude="b"), Verdict.FAILURE, now_s=0.0)
    two.bench("a", 0.0)
    settle(two, late, Verdict.FAILURE, now_s=0.0)
    assert chosen(two, 50, 0.0) == {"b": 50}
    assert not two._roster.suspects


def test_unbenched_it_starts_slowly_and_with_no_memory_of_latencies() -> None:
    two = pool("ab", load=LoadOptions(slow_start_s=10.0))
    settle(two, reserve(two, 0.0, exclude="b"), now_s=0.0)
    two.bench("a", 20.0)
    two.unbench("a", 30.0)
    a, b = two.statistics(30.0).members
    assert (a.is_benched, b.is_benched) == (False, False)
    assert (a.warmth, b.warmth) == (0.1, 1.0)
    assert a.latency_s is None


def test_unbenched_an_open_breaker_is_probed_at_once() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    two.bench("a", 0.0)
    two.unbench("a", 1.0)
    assert state(two, "a") is State.HALF_OPEN
    assert two.statistics(1.0).members[0].breaker.since_s == 1.0
    probe = reserve(two, 1.0)
    assert (probe.name, probe.is_panic) == ("a", False)
    assert settle(two, probe, now_s=1.0)
    assert state(two, "a") is State.CLOSED


def test_unbenched_a_closed_breaker_keeps_what_it_has_learnt() -> None:
    two = pool("ab", breaker=BreakerOptions(consecutive_failures=3))
    for _ in range(2):
        settle(two, reserve(two, 0.0, exclude="b"), Verdict.FAILURE, now_s=0.0)
    two.bench("a", 0.0)
    two.unbench("a", 0.0)
    assert state(two, "a") is State.CLOSED
    assert settle(two, reserve(two, 0.0, exclude="b"), Verdict.FAILURE, now_s=0.0)


def test_unbenching_one_that_is_not_benched_changes_nothing() -> None:
    two = pool("ab", load=LoadOptions(slow_start_s=10.0))
    eject(two, "a", 20.0)
    before = two.statistics(20.0)
    two.unbench("a", 20.0)
    two.unbench("b", 20.0)
    assert two.statistics(20.0) == before


def test_benching_twice_is_benching_once() -> None:
    two = pool("ab")
    two.bench("a", 0.0)
    two.bench("a", 5.0)
    assert two.statistics(5.0).benched == 1
    two.unbench("a", 6.0)
    assert two.statistics(6.0).benched == 0


def test_isolated_wins_over_benched() -> None:
    two = pool("ab")
    two.bench("a", 0.0)
    two.isolate("a", 0.0)
    assert two.reserve(1.0, Random(1), "b") is None
    assert two.statistics(1.0).benched == 0
    assert benched(two) == {"a"}
    two.release("a", 2.0)
    assert two.statistics(2.0).benched == 1
    assert chosen(two, 20, 2.0) == {"b": 20}, "released, it is still benched"
    two.isolate("a", 3.0)
    two.unbench("a", 3.0)
    assert state(two, "a") is State.ISOLATED
    assert two.reserve(3.0, Random(1), "b") is None


def test_a_member_that_is_removed_is_forgotten_on_the_bench_too() -> None:
    two = pool("ab")
    two.bench("a", 0.0)
    two.remove("a")
    assert two.reserve(0.0, Random(1), "b") is None
    assert two.statistics(0.0).benched == 0
    two.add("a", 1.0)
    assert benched(two) == set()
    assert "a" in chosen(two, 50, 1.0)


def test_only_members_are_benched_and_unbenched() -> None:
    one = pool("a")
    for act in (one.bench, one.unbench):
        with pytest.raises(KeyError):
            act("b", 0.0)
    assert chosen(one, 3, 0.0) == {"a": 3}
