"""Entering and leaving keep the list whole; draws are even and never barred; the agenda is
in order whatever was forgotten."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.balancing.places import Agenda, Places
from tests.unit.core.balancing.making import Dice, member, places

NAMES = st.sampled_from("abcdefgh")


def names(drawn: Places) -> set[str]:
    return {each.name for each in drawn}


def test_leaving_swaps_the_last_into_the_gap() -> None:
    four = places(member(name) for name in "abcd")
    assert four.leave("b")
    assert [each.name for each in four] == ["a", "d", "c"]
    assert [four[name].name for name in "adc"] == ["a", "d", "c"]
    assert four.at(1).name == "d"


def test_the_last_leaves_without_a_swap() -> None:
    two = places(member(name) for name in "ab")
    assert two.leave("b")
    assert [each.name for each in two] == ["a"]


def test_entering_twice_and_leaving_twice_say_so() -> None:
    one = places([member("a")])
    assert not one.enter(member("a"))
    assert len(one) == 1
    assert one.leave("a")
    assert not one.leave("a")
    assert "a" not in one


@given(st.lists(st.tuples(st.booleans(), NAMES)))
def test_places_agree_with_a_set(steps: list[tuple[bool, str]]) -> None:
    real, naive = Places(), set[str]()
    for is_entering, name in steps:
        if is_entering:
            assert real.enter(member(name)) == (name not in naive)
            naive.add(name)
        else:
            assert real.leave(name) == (name in naive)
            naive.discard(name)
        assert names(real) == naive
        assert len(real) == len(naive)
        assert all(real[each].name == each for each in naive)


@given(st.sets(NAMES), st.lists(NAMES, max_size=4), st.integers(0, 5), st.integers(0, 2**32))
def test_a_draw_is_of_different_members_none_of_them_barred(
    here: set[str], barred: list[str], count: int, seed: int
) -> None:
    drawn = places(member(name) for name in sorted(here)).draw(Random(seed), count, barred)
    found = [each.name for each in drawn]
    assert len(found) == len(set(found)) == min(count, len(here - set(barred)))
    assert set(found) <= here - set(barred)


@pytest.mark.parametrize("barred", [(), ("c",), ("a", "e"), ("nobody",)])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_a_draw_is_even(barred: tuple[str, ...], count: int) -> None:
    five, rng = places(member(name) for name in "abcde"), Random(7)
    counts = Counter(each.name for _ in range(6000) for each in five.draw(rng, count, barred))
    free = [name for name in "abcde" if name not in barred]
    share = 6000 * count / len(free)
    assert set(counts) == set(free)
    assert all(abs(counts[name] - share) < 200 for name in free)


def test_the_extremes_of_the_dice_stay_in_the_list() -> None:
    three = places(member(name) for name in "abc")
    assert [each.name for each in three.draw(Dice(0.0), 2)] == ["a", "b"]
    assert [each.name for each in three.draw(Dice(0.999999), 2)] == ["c", "b"]
    assert [each.name for each in three.draw(Dice(0.999999), 3)] == ["c", "b", "a"]
    assert [each.name for each in three.draw(Dice(0.0), 2, ["a"])] == ["b", "c"]


def test_an_agenda_goes_by_time_and_then_by_entry() -> None:
    agenda = Agenda()
    for name, at in (("late", 9.0), ("first", 5.0), ("second", 5.0)):
        agenda.enter(name, at)
    assert agenda.next_at() == 5.0
    assert [agenda.pop() for _ in range(3)] == ["first", "second", "late"]
    assert agenda.next_at() is None
    with pytest.raises(IndexError):
        agenda.pop()


def test_what_was_said_before_is_forgotten() -> None:
    agenda = Agenda()
    agenda.enter("a", 1.0)
    agenda.enter("b", 2.0)
    agenda.enter("a", 3.0)
    agenda.leave("nobody")
    assert len(agenda) == 2
    assert agenda.next_at() == 2.0
    assert agenda.pop() == "b"
    assert agenda.pop() == "a"
    agenda.enter("c", 1.0)
    agenda.leave("c")
    assert "c" not in agenda
    assert agenda.next_at() is None


def test_a_pop_passes_over_the_forgotten_too() -> None:
    agenda = Agenda()
    agenda.enter("a", 1.0)
    agenda.enter("b", 2.0)
    agenda.leave("a")
    assert agenda.pop() == "b"


@pytest.mark.parametrize(("names", "most"), [("a", 18), ("ab", 20), ("abc", 22)])
def test_the_forgotten_do_not_pile_up(names: str, most: int) -> None:
    """Twice the living and 16 are kept; sweeping more often would cost more than it saves."""
    agenda = Agenda()
    sizes = []
    for at in range(1_000):
        for name in names:
            agenda.enter(name, float(at))
            sizes.append(len(agenda._heap))
    assert max(sizes) == most
    assert [agenda.pop() for _ in names] == list(names)


def test_a_place_is_held_or_not() -> None:
    here = places([member("a")])
    b = member("b")
    assert [here.hold(b, is_here) for is_here in (True, True, False, False)] == [
        True,
        False,
        True,
        False,
    ]
    assert [each.name for each in here] == ["a"]


@given(st.lists(st.tuples(NAMES, st.one_of(st.none(), st.integers(0, 9)))))
def test_an_agenda_agrees_with_a_dict(steps: list[tuple[str, int | None]]) -> None:
    real, naive = Agenda(), dict[str, int]()
    for name, at in steps:
        if at is None:
            real.leave(name)
            naive.pop(name, None)
        else:
            real.enter(name, at)
            naive[name] = at
        assert len(real) == len(naive)
        assert real.next_at() == min(naive.values(), default=None)
    popped = [real.pop() for _ in range(len(naive))]
    assert [naive[name] for name in popped] == sorted(naive.values())
