"""Ejection, probes and panic: who may be out, for how long, and what when too many are."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.balancing import PolicyName
from control_plane.core.breaker import BreakerOptions, IllegalEvent, State
from control_plane.core.outcomes import Verdict
from tests.unit.core.balancing.making import (
    chosen,
    eject,
    in_flight,
    pool,
    reserve,
    settle,
    state,
)


@pytest.mark.parametrize("policy", PolicyName)
def test_an_ejected_member_gets_nothing_until_its_time_is_over(policy: PolicyName) -> None:
    three = pool("abc", policy=policy)
    eject(three, "a", 0.0)
    assert state(three, "a") is State.OPEN
    assert "a" not in chosen(three, 50, 9.99)
    probe = reserve(three, 10.0)
    assert (probe.name, probe.is_panic) == ("a", False)
    assert three.statistics(10.0).probes == 1
    # Its one probe is out, so the next one goes elsewhere.
    assert "a" not in chosen(three, 50, 10.0)
    assert settle(three, probe, now_s=10.0)
    assert state(three, "a") is State.CLOSED
    assert "a" in chosen(three, 50, 10.0)


def test_a_removed_member_leaves_whatever_place_it_was_in() -> None:
    three = pool("abc")
    eject(three, "a", 0.0)
    three.remove("a")
    assert chosen(three, 20, 20.0).keys() == {"b", "c"}
    eject(three, "b", 20.0)
    settle(three, reserve(three, 31.0), Verdict.IGNORED, now_s=31.0)
    assert state(three, "b") is State.HALF_OPEN
    three.remove("b")
    assert chosen(three, 20, 60.0) == {"c": 20}


def test_a_probe_that_fails_keeps_its_member_out_for_longer() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    assert settle(two, reserve(two, 10.0), Verdict.FAILURE, now_s=10.0)
    assert state(two, "a") is State.OPEN
    assert chosen(two, 50, 29.99) == {"b": 50}
    assert reserve(two, 30.0).name == "a"


def test_a_probe_that_was_cancelled_leaves_room_for_the_next() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    assert not settle(two, reserve(two, 10.0), Verdict.IGNORED, now_s=10.0)
    assert state(two, "a") is State.HALF_OPEN
    assert reserve(two, 11.0).name == "a"


def test_a_retry_is_no_probe_while_somebody_else_is_well() -> None:
    three = pool("abc")
    eject(three, "a", 0.0)
    assert {reserve(three, 10.0, exclude="b").name for _ in range(20)} == {"c"}


def test_a_retry_probes_rather_than_panics() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    retry = reserve(two, 10.0, exclude="b")
    assert (retry.name, retry.is_panic, retry.permit is None) == ("a", False, False)


def test_probes_are_an_allowance() -> None:
    many = pool([str(number) for number in range(10)])
    for number in range(5):
        eject(many, str(number), 0.0)
    probed = [int(reserve(many, 10.0).name) < 5 for _ in range(21)]
    assert [number for number, is_probe in enumerate(probed) if is_probe] == [0, 10, 20]


def test_with_nobody_else_left_probes_need_no_allowance() -> None:
    two = pool("ab", breaker=BreakerOptions(consecutive_failures=1, max_probes=3))
    eject(two, "a", 0.0)
    two.isolate("b", 0.0)
    tries = [reserve(two, 10.0) for _ in range(4)]
    assert [each.is_panic for each in tries] == [False, False, False, True]
    assert [each.permit is None for each in tries] == [False, False, False, True]


def test_nothing_left_is_panic_and_panic_settles_like_any_other() -> None:
    one = pool("a")
    eject(one, "a", 0.0)
    panic = reserve(one, 1.0)
    assert (panic.name, panic.permit, panic.is_panic) == ("a", None, True)
    assert in_flight(one) == {"a": 1}
    assert not settle(one, panic, Verdict.FAILURE, now_s=1.0)
    assert in_flight(one) == {"a": 0}
    assert state(one, "a") is State.OPEN
    assert one.statistics(1.0).panics == 1


def test_a_member_that_answers_in_panic_is_probed_at_once_and_not_believed() -> None:
    one = pool("a")
    eject(one, "a", 0.0)
    first, second = reserve(one, 1.0), reserve(one, 1.0)
    assert settle(one, first, now_s=1.0)
    assert state(one, "a") is State.HALF_OPEN
    assert not settle(one, second, now_s=1.0), "it is known by now"
    probe = reserve(one, 1.0)
    assert (probe.is_panic, probe.permit is None) == (False, False)
    assert settle(one, probe, now_s=1.0)
    assert state(one, "a") is State.CLOSED


@pytest.mark.parametrize("verdict", [Verdict.FAILURE, Verdict.IGNORED])
def test_any_other_ending_in_panic_leaves_the_breaker_open(verdict: Verdict) -> None:
    one = pool("a")
    eject(one, "a", 0.0)
    assert not settle(one, reserve(one, 1.0), verdict, now_s=1.0)
    assert state(one, "a") is State.OPEN


def test_an_answer_in_panic_does_not_end_an_isolation() -> None:
    one = pool("a")
    eject(one, "a", 0.0)
    panic = reserve(one, 1.0)
    one.isolate("a", 1.0)
    assert not settle(one, panic, now_s=1.0)
    assert state(one, "a") is State.ISOLATED


def test_a_retry_with_only_ejected_members_left_panics() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    panic = reserve(two, 1.0, exclude="b")
    assert (panic.name, panic.is_panic) == ("a", True)
    assert not two.statistics(1.0).is_overruling


@pytest.mark.parametrize(("members", "may_be_out"), [("ab", 1), ("abc", 1), ("abcd", 2)])
def test_more_than_the_share_out_overrules_the_breakers(members: str, may_be_out: int) -> None:
    small = pool(members)
    for name in members[:may_be_out]:
        eject(small, name, 0.0)
    assert not small.is_overruling
    assert not reserve(small, 0.0).is_panic
    eject(small, members[may_be_out], 0.0)
    assert small.is_overruling
    panics = [reserve(small, 0.0) for _ in range(10)]
    assert all(each.is_panic for each in panics)
    statistics = small.statistics(0.0)
    assert statistics.panics == 10
    assert statistics.ejected == may_be_out + 1
    assert statistics.in_rotation == len(members) - may_be_out - 1


def test_panic_finds_who_still_answers() -> None:
    four = pool("abcd")
    chosen(four, 100, 0.0)
    for name in "abc":
        eject(four, name, 0.0)
    assert chosen(four, 50, 1.0) == {"d": 50}
    with_permit = reserve(four, 1.0)
    assert (with_permit.name, with_permit.is_panic) == ("d", True)
    assert with_permit.permit is not None


def test_panic_takes_a_probe_where_it_may() -> None:
    four = pool("abcd", probe_share=0.0, probe_floor_per_s=1e-9)
    for name in "abc":
        eject(four, name, 0.0)
    reserve(four, 10.0)
    retries = [reserve(four, 10.0, exclude="d") for _ in range(10)]
    assert all(each.is_panic for each in retries)
    assert sum(each.permit is not None for each in retries) == 2
    assert four.statistics(10.0).probes == 3


def test_an_isolated_member_is_left_alone_even_in_panic_until_probes_prove_it() -> None:
    two = pool("ab")
    two.isolate("a", 0.0)
    assert chosen(two, 20, 1.0) == {"b": 20}
    eject(two, "b", 1.0)
    assert {reserve(two, 1.0).name for _ in range(20)} == {"b"}
    assert two.reserve(1.0, Random(1), ["b"]) is None
    two.release("a", 2.0)
    probe = reserve(two, 2.0)
    assert (probe.name, state(two, "a")) == ("a", State.HALF_OPEN)
    assert settle(two, probe, now_s=2.0)
    assert chosen(two, 20, 2.0) == {"a": 20}


def test_an_isolated_member_is_no_ejected_one() -> None:
    three = pool("abc")
    three.isolate("a", 0.0)
    eject(three, "b", 0.0)
    statistics = three.statistics(0.0)
    assert (statistics.in_rotation, statistics.ejected, statistics.is_overruling) == (1, 1, False)


def test_isolating_one_that_waits_takes_it_off_the_agenda() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    two.isolate("a", 1.0)
    assert chosen(two, 20, 20.0) == {"b": 20}


def test_only_members_are_isolated_and_only_the_isolated_released() -> None:
    one = pool("a")
    for act in (one.isolate, one.release):
        with pytest.raises(KeyError):
            act("b", 0.0)
    with pytest.raises(IllegalEvent):
        one.release("a", 0.0)
    assert chosen(one, 3, 0.0) == {"a": 3}


def test_since_when_is_shown_whoever_moved_it() -> None:
    def since_s(now_s: float) -> float | None:
        return one.statistics(now_s).members[0].breaker.since_s

    one = pool("a")
    one.isolate("a", 3.0)
    assert since_s(9.0) == 3.0
    one.release("a", 4.0)
    assert since_s(9.0) == 4.0
    settle(one, reserve(one, 5.0), Verdict.FAILURE, now_s=5.0)
    settle(one, reserve(one, 6.0), now_s=7.0)
    assert since_s(9.0) == 7.0, "an answer in panic vouched for it"


def test_it_is_due_at_the_very_end_of_its_open_time() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    until_s = two.statistics(0.0).members[0].breaker.opens_until_s
    assert until_s is not None
    assert reserve(two, until_s).name == "a"


def test_one_breaker_is_asked_for_by_name() -> None:
    two = pool("ab")
    eject(two, "a", 0.0)
    assert (two.breaker_state("a"), two.breaker_state("b")) == (State.OPEN, State.CLOSED)
    with pytest.raises(KeyError):
        two.breaker_state("c")


def test_slow_answers_eject_where_a_limit_is_set() -> None:
    slow = BreakerOptions(slow_call_s=1.0, slow_ratio=1.0, min_calls=3)
    two = pool("ab", breaker=slow)
    moved = [settle(two, reserve(two, 0.0, "b"), now_s=0.0, latency_s=1.1) for _ in range(3)]
    assert moved == [False, False, True]
    fast = [settle(two, reserve(two, 0.0, "a"), now_s=0.0, latency_s=0.9) for _ in range(9)]
    assert not any(fast)
