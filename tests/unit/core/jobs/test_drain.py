"""Shares are as the weights, nobody starves, and nobody saves up what he did not use."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.detections import Priority
from control_plane.core.jobs import DEFAULT_WEIGHTS, Drain, DrainOptions

HIGH, NORMAL, LOW = Priority
NO_AGES: Mapping[Priority, float] = {}
FULL = {HIGH: 10_000, NORMAL: 10_000, LOW: 10_000}


def take(
    waiting: Mapping[Priority, int], wanted: Mapping[Priority, int], limit: int
) -> dict[Priority, int]:
    """What a queue gives: what is wanted; in place of what it has not, the most urgent."""
    taken = {one: min(wanted[one], waiting[one]) for one in Priority}
    for one in Priority:
        taken[one] += min(waiting[one] - taken[one], limit - sum(taken.values()))
    return taken


def drained(
    drain: Drain,
    waiting: dict[Priority, int],
    *,
    limit: int,
    rounds: int,
    ages_s: Mapping[Priority, float] = NO_AGES,
) -> Counter[Priority]:
    """What so many rounds took, all in all; ``waiting`` is left with what they left."""
    total: Counter[Priority] = Counter()
    for _ in range(rounds):
        wanted = drain.share(limit, ages_s)
        taken = take(waiting, wanted, limit)
        drain.took(taken, wanted=wanted)
        for one, count in taken.items():
            waiting[one] -= count
            total[one] += count
    return total


def test_the_default_weights() -> None:
    assert dict(DEFAULT_WEIGHTS) == {HIGH: 8, NORMAL: 3, LOW: 1}
    assert DrainOptions().weights == DEFAULT_WEIGHTS
    assert DrainOptions().ageing_s == 300.0


def test_what_is_wanted_of_a_whole_round() -> None:
    wanted = Drain(DrainOptions()).share(12, NO_AGES)
    assert wanted == {HIGH: 8, NORMAL: 3, LOW: 1}


@pytest.mark.parametrize("limit", [1, 2, 5, 12, 100])
def test_shares_are_as_the_weights_when_all_wait(limit: int) -> None:
    total = drained(Drain(DrainOptions()), dict(FULL), limit=limit, rounds=1200 // limit)
    whole = sum(total.values())
    for one, weight in DEFAULT_WEIGHTS.items():
        assert total[one] == pytest.approx(whole * weight / 12, abs=1)


def test_the_more_urgent_comes_first_among_equals() -> None:
    drain = Drain(DrainOptions(weights={HIGH: 1, NORMAL: 1, LOW: 1}))
    order = []
    for _ in range(3):
        wanted = drain.share(1, NO_AGES)
        drain.took(wanted, wanted=wanted)
        order += [one for one in Priority if wanted[one]]
    assert order == [HIGH, NORMAL, LOW]


@pytest.mark.parametrize("limit", [1, 2, 3, 7])
@pytest.mark.parametrize("empty", [HIGH, NORMAL])
def test_low_moves_at_its_share_beside_one_other_and_an_empty_one(
    limit: int, empty: Priority
) -> None:
    other = NORMAL if empty is HIGH else HIGH
    total = drained(Drain(DrainOptions()), {**FULL, empty: 0}, limit=limit, rounds=700 // limit)
    whole = sum(total.values())
    share = DEFAULT_WEIGHTS[LOW] / (DEFAULT_WEIGHTS[LOW] + DEFAULT_WEIGHTS[other])
    assert whole == 700 // limit * limit
    assert total[LOW] >= whole * share * 0.97 - 2


@pytest.mark.parametrize("back", Priority)
@pytest.mark.parametrize("limit", [1, 4, 12])
def test_one_that_was_empty_comes_back_without_a_claim_to_the_past(
    back: Priority, limit: int
) -> None:
    drain = Drain(DrainOptions())
    drained(drain, {**FULL, back: 0}, limit=limit, rounds=500)
    total = drained(drain, dict(FULL), limit=limit, rounds=2400 // limit)
    assert total[back] == pytest.approx(2400 * DEFAULT_WEIGHTS[back] / 12, abs=limit + 2)


def test_one_that_was_empty_is_asked_for_one_until_it_has_that() -> None:
    drain = Drain(DrainOptions())
    drain.took({NORMAL: 3, LOW: 1}, wanted=drain.share(12, NO_AGES))
    wanted = drain.share(13, NO_AGES)
    assert wanted == {HIGH: 1, NORMAL: 9, LOW: 3}
    drain.took(wanted, wanted=wanted)
    assert drain.share(13, NO_AGES)[HIGH] > 8


def test_all_that_were_empty_are_asked_for_as_many_as_there_is_room_for() -> None:
    drain = Drain(DrainOptions())
    drain.took({}, wanted={HIGH: 8, NORMAL: 3, LOW: 1})
    assert drain.share(2, NO_AGES) == {HIGH: 1, NORMAL: 1, LOW: 0}
    assert sum(drain.share(12, NO_AGES).values()) == 12


def test_all_that_came_up_short_begin_anew() -> None:
    drain = Drain(DrainOptions())
    drained(drain, {HIGH: 700, NORMAL: 0, LOW: 0}, limit=1200, rounds=1)
    assert drain.share(12, NO_AGES) == {HIGH: 8, NORMAL: 3, LOW: 1}


def test_only_what_comes_up_short_is_moved_on() -> None:
    drain = Drain(DrainOptions())
    drain.took({HIGH: 4}, wanted={HIGH: 4})
    assert drain.share(1, NO_AGES) == {HIGH: 0, NORMAL: 1, LOW: 0}
    drain.took({HIGH: 1}, wanted={NORMAL: 1})
    assert drain.share(1, NO_AGES) == {HIGH: 0, NORMAL: 0, LOW: 1}


def test_nothing_wanted_and_nothing_taken_change_nothing() -> None:
    drain = Drain(DrainOptions())
    drain.took({HIGH: 4, NORMAL: 1}, wanted={HIGH: 4, NORMAL: 1})
    before = drain.share(7, NO_AGES)
    assert drain.share(0, NO_AGES) == {HIGH: 0, NORMAL: 0, LOW: 0}
    drain.took({}, wanted={HIGH: 0, NORMAL: 0, LOW: 0})
    assert drain.share(7, NO_AGES) == before


def test_looking_at_a_share_takes_nothing() -> None:
    drain = Drain(DrainOptions())
    assert drain.share(12, NO_AGES) == drain.share(12, NO_AGES)


@pytest.mark.parametrize(
    ("age_s", "low"),
    [(-5.0, 1), (0.0, 1), (300.0, 2), (900.0, 4), (2100.0, 8), (10.0**9, 8)],
)
def test_age_adds_weight_up_to_the_greatest_there_is(age_s: float, low: int) -> None:
    drain = Drain(DrainOptions(weights={HIGH: 8, NORMAL: 8, LOW: 1}))
    wanted = drain.share(16 + low, {LOW: age_s})
    assert wanted == {HIGH: 8, NORMAL: 8, LOW: low}


def test_age_adds_nothing_to_the_greatest_weight() -> None:
    wanted = Drain(DrainOptions()).share(12, {HIGH: 10.0**9})
    assert wanted == {HIGH: 8, NORMAL: 3, LOW: 1}


def test_what_is_taken_counts_by_the_weight_it_was_asked_with() -> None:
    drain = Drain(DrainOptions(weights={HIGH: 4, NORMAL: 4, LOW: 1}))
    ages_s = {LOW: 10.0**9}
    total = drained(drain, dict(FULL), limit=6, rounds=50, ages_s=ages_s)
    assert total == {HIGH: 100, NORMAL: 100, LOW: 100}


def test_many_rounds_lose_no_precision() -> None:
    drain = Drain(DrainOptions())
    drain.took({HIGH: 2**60, NORMAL: 3 * 2**57, LOW: 2**57}, wanted={})
    drain.took({HIGH: 8, NORMAL: 3}, wanted={HIGH: 8, NORMAL: 3})
    assert drain.share(1, NO_AGES) == {HIGH: 0, NORMAL: 0, LOW: 1}


ROUND = st.tuples(
    st.integers(0, 40),
    st.tuples(*[st.integers(0, 30)] * 3),
    st.tuples(*[st.floats(0, 10_000)] * 3),
)


@given(st.lists(ROUND, max_size=30), st.tuples(*[st.integers(1, 20)] * 3))
def test_any_run_of_rounds(
    rounds: list[tuple[int, tuple[int, ...], tuple[float, ...]]], weights: tuple[int, ...]
) -> None:
    """What is wanted sums to the limit; nothing stays while there is room; none is owed much."""
    drain = Drain(DrainOptions(weights=dict(zip(Priority, weights, strict=True))))
    waiting = dict.fromkeys(Priority, 0)
    for limit, arrived, ages_s in rounds:
        for one, count in zip(Priority, arrived, strict=True):
            waiting[one] += count
        wanted = drain.share(limit, dict(zip(Priority, ages_s, strict=True)))
        assert sum(wanted.values()) == limit
        assert all(count >= 0 for count in wanted.values())
        taken = take(waiting, wanted, limit)
        assert sum(taken.values()) == min(limit, sum(waiting.values()))
        drain.took(taken, wanted=wanted)
        for one, count in taken.items():
            waiting[one] -= count


@given(
    st.lists(st.tuples(st.integers(0, 6), st.integers(0, 6)), max_size=60),
    st.integers(1, 6),
)
def test_low_never_starves_whatever_the_others_do(
    others: list[tuple[int, int]], limit: int
) -> None:
    """It pays for a round that it had alone, and is served within its stride after that."""
    drain = Drain(DrainOptions())
    waiting = {HIGH: 0, NORMAL: 0, LOW: 10_000}
    since_low = 0
    for high, normal in others * 3:
        waiting[HIGH] += high
        waiting[NORMAL] += normal
        taken = drained(drain, waiting, limit=limit, rounds=1)
        since_low = 0 if taken[LOW] else since_low + sum(taken.values())
        assert since_low <= 12 * (limit + 1)
