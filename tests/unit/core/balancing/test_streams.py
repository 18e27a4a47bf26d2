"""A stream lasts for hours and says nothing meanwhile: it takes the place of no call that would."""

from __future__ import annotations

from random import Random

import pytest

from control_plane.core.balancing import Pool, Reservation
from control_plane.core.breaker import BreakerOptions, State
from control_plane.core.outcomes import Verdict
from tests.unit.core.balancing.making import chosen, eject, pool, reserve, settle, state


def stream(of: Pool, now_s: float, *barred: str) -> Reservation:
    reservation = of.reserve(now_s, Random(1), barred, is_stream=True)
    assert reservation is not None
    assert reservation.is_stream
    return reservation


def test_a_stream_never_probes_and_leaves_the_probes_to_calls() -> None:
    two = pool("ab", probe_share=1.0)
    eject(two, "a", 0.0)
    assert {stream(two, 10.0 + number).name for number in range(20)} == {"b"}
    assert two.statistics(40.0).probes == 0
    probe = reserve(two, 40.0)
    assert (probe.name, probe.permit is None) == ("a", False)


def test_a_stream_checks_on_no_suspect() -> None:
    two = pool("ab", probe_share=1.0, breaker=BreakerOptions())
    chosen(two, 20, 0.0)
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0)
    assert {stream(two, 0.0).name for _ in range(20)} == {"b"}
    assert reserve(two, 0.0).name == "a"


@pytest.mark.parametrize("now_s", [1.0, 10.0])
def test_with_nobody_else_left_it_goes_there_without_leave(now_s: float) -> None:
    one = pool("a")
    eject(one, "a", 0.0)
    opened = stream(one, now_s)
    assert (opened.name, opened.permit, opened.is_panic) == ("a", None, True)
    assert one.statistics(now_s).probes == 0
    assert reserve(one, 10.0).permit is not None, "the place of a probe is free"


def test_on_the_bench_it_goes_where_calls_are_answered_or_as_a_first_try() -> None:
    one = pool("a")
    one.bench("a", 0.0)
    assert stream(one, 0.0).is_panic
    assert one.reserve(0.5, Random(1), is_stream=True) is None
    settle(one, reserve(one, 1.0), now_s=1.0)
    assert [stream(one, 1.0).name for _ in range(5)] == ["a"] * 5


@pytest.mark.parametrize("verdict", [Verdict.IGNORED, Verdict.SUCCESS])
def test_its_end_says_nothing(verdict: Verdict) -> None:
    for heard in (True, False):
        two = pool("ab")
        if heard:
            chosen(two, 20, 0.0)
        before = {each.name: each.latency_s for each in two.statistics(0.0).members}
        settle(two, stream(two, 0.0, "b"), verdict, now_s=0.0, latency_s=3600.0)
        assert {each.name: each.latency_s for each in two.statistics(0.0).members} == before
        assert not two._roster.suspects


def test_a_stream_that_breaks_is_a_fault_like_any_other() -> None:
    two = pool("ab")
    broken = stream(two, 0.0, "b")
    assert settle(two, broken, Verdict.FAILURE, now_s=3600.0, latency_s=3600.0)
    assert state(two, "a") is State.OPEN
    latency_s = {each.name: each.latency_s for each in two.statistics(3600.0).members}["a"]
    assert latency_s == pytest.approx(5.0), "how long it was open is no latency"


def test_an_open_stream_keeps_no_call_from_a_newcomer() -> None:
    two = pool("ab")
    stream(two, 0.0, "b")
    settle(two, reserve(two, 0.0, "a"), now_s=0.0)
    assert reserve(two, 0.0).name == "a", "it has never answered, and no call is out that will"


def test_an_open_stream_keeps_no_check_from_a_suspect() -> None:
    two = pool("ab", breaker=BreakerOptions())
    chosen(two, 20, 0.0)
    stream(two, 0.0, "b")
    settle(two, reserve(two, 0.0, "b"), Verdict.FAILURE, now_s=0.0)
    assert reserve(two, 0.0).name == "a"
