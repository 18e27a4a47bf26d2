"""The load a member shows: latency x calls, others' calls added, over what it is worth."""

from __future__ import annotations

import math

import pytest

from control_plane.core.balancing import LoadOptions
from tests.unit.core.balancing.making import WARM, member

SLOW_START = LoadOptions(slow_start_s=10.0, slow_start_least=0.1)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("decay_s", 0.0),
        ("fault_counts_as_s", -0.1),
        ("slow_start_s", -0.1),
        ("slow_start_least", 0.0),
        ("slow_start_least", 1.01),
    ],
)
def test_numbers_that_make_no_load_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        LoadOptions(**{field: value})


def test_the_limits_themselves_are_allowed() -> None:
    LoadOptions(fault_counts_as_s=0.0, slow_start_s=0.0, slow_start_least=1.0)


@pytest.mark.parametrize("weight", [0.0, -1.0, math.inf, math.nan])
def test_a_weight_that_is_none_is_refused_and_changes_nothing(weight: float) -> None:
    with pytest.raises(ValueError, match="weight"):
        member(weight=weight)
    kept = member(weight=2.0)
    with pytest.raises(ValueError, match="weight"):
        kept.reweigh(weight)
    assert kept.weight == 2.0


def test_the_load_is_latency_times_the_calls_there_would_be() -> None:
    busy = member()
    busy.succeeded(0.1, 0.0)
    assert busy.load(0.0) == pytest.approx(0.1)
    busy.in_flight = 3
    assert busy.load(0.0) == pytest.approx(0.4)


def test_twice_the_weight_is_half_the_load() -> None:
    heavy = member(weight=2.0)
    heavy.succeeded(0.1, 0.0)
    assert heavy.load(0.0) == pytest.approx(0.05)


def test_one_that_was_never_heard_is_asked_when_idle_and_then_left_alone() -> None:
    new, worn = member(), member()
    worn.succeeded(60.0, 0.0)
    worn.in_flight = 1000
    assert new.load(0.0) == 0.0
    new.in_flight = 1
    assert worn.load(0.0) < new.load(0.0) < math.inf
    once = new.load(0.0)
    new.in_flight = 2
    assert new.load(0.0) > once


def test_the_hint_counts_what_is_not_ours() -> None:
    shared = member()
    shared.succeeded(0.1, 0.0)
    shared.in_flight = 2
    shared.hint(5)
    assert shared.waiting_elsewhere == 3
    assert shared.load(0.0) == pytest.approx(0.6)
    shared.hint(1)
    assert shared.waiting_elsewhere == 0
    assert shared.load(0.0) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("age_s", "warmth"), [(0.0, 0.1), (0.5, 0.1), (1.0, 0.1), (5.0, 0.5), (9.9, 0.99), (10.0, 1.0)]
)
def test_slow_start_grows_from_a_tenth_to_the_whole(age_s: float, warmth: float) -> None:
    cold = member(weight=3.0, options=SLOW_START, now_s=100.0)
    assert cold.warmth(100.0 + age_s) == pytest.approx(warmth)
    assert cold.worth(100.0 + age_s) == pytest.approx(3.0 * warmth)


def test_slow_start_begins_where_it_is_told_to() -> None:
    options = LoadOptions(slow_start_s=10.0, slow_start_least=0.01)
    assert member(options=options, now_s=100.0).warmth(100.0) == 0.01


def test_without_slow_start_a_member_is_warm_at_once() -> None:
    for now_s in (100.0, 99.0):
        assert member(options=WARM, now_s=100.0).warmth(now_s) == 1.0
    assert member(options=SLOW_START, now_s=100.0).warmth(99.0) == 0.1


def test_a_cold_member_shows_ten_times_its_load() -> None:
    cold = member(options=SLOW_START)
    cold.succeeded(0.1, 0.0)
    assert cold.load(0.0) == pytest.approx(1.0)


def test_starting_afresh_forgets_and_cools() -> None:
    back = member(options=SLOW_START)
    back.succeeded(0.1, 0.0)
    back.start_afresh(50.0)
    assert back.latency_s(50.0) is None
    assert back.warmth(50.0) == 0.1


def test_failures_and_calls_given_up_reach_the_latency() -> None:
    one = member(options=LoadOptions(fault_counts_as_s=2.0))
    one.given_up(0.5, 0.0)
    assert one.latency_s(0.0) == pytest.approx(2.0), "it has never answered"
    one.succeeded(0.1, 0.0)
    one.given_up(0.5, 0.0)
    assert one.latency_s(0.0) == pytest.approx(0.5)
    one.failed(0.001, 0.0)
    assert one.latency_s(0.0) == pytest.approx(2.0)


def test_what_fades_in_silence_does_not_where_calls_are_known_to_wait() -> None:
    full = member()
    full.succeeded(0.1, 0.0)
    full.hint(20)
    assert full.load(0.0) == full.load(60.0) == pytest.approx(2.1)
    full.hint(0)
    assert full.load(60.0) == pytest.approx(0.1 * math.exp(-6.0))


def test_one_that_is_quiet_here_costs_what_others_wait_there() -> None:
    quiet = member()
    quiet.succeeded(0.1, 0.0)
    quiet.hint(0, 0.05)
    assert quiet.load(0.0) == pytest.approx(0.1)
    assert quiet.load(60.0) == quiet.queue_s == 0.05
    quiet.hint(0)
    assert quiet.load(60.0) == pytest.approx(0.1 * math.exp(-6.0))


@pytest.mark.parametrize(("queue_s", "taken"), [(-1.0, 0.0), (1e9, WARM.fault_counts_as_s)])
def test_a_queue_time_that_cannot_be_is_bounded(queue_s: float, taken: float) -> None:
    odd = member()
    odd.hint(0, queue_s)
    assert odd.queue_s == taken


def test_an_answer_is_younger_than_every_hint() -> None:
    told = member()
    told.hint(20, 1.0)
    told.succeeded(0.1, 0.0)
    assert (told.waiting_elsewhere, told.queue_s) == (0, 0.0)
    assert told.load(0.0) == pytest.approx(0.1)


def test_it_tells_what_it_is() -> None:
    assert repr(member("triton-0")) == "<Member triton-0 closed in_flight=0>"


def test_a_call_that_was_given_up_counts_in_the_load() -> None:
    one = member()
    one.succeeded(0.5, 0.0)
    one.given_up(2.0, 0.0)
    assert one.load(0.0) == pytest.approx(2.0)
    one.succeeded(0.5, 0.0)
    assert one.load(0.0) == pytest.approx(one.latency_s(0.0))
