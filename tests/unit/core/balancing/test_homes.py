"""A sequence has one home, and leaves it only when the home itself is gone."""

from __future__ import annotations

from collections import Counter
from random import Random

from control_plane.core.balancing.homes import Homes
from control_plane.core.breaker import State
from control_plane.core.outcomes import Verdict
from tests.unit.core.balancing.making import TRIPS_AT_ONCE, eject, member, places, pool, settle

SEQUENCES = [str(number) for number in range(2_000)]


def test_nobody_there_is_no_home() -> None:
    assert Homes(places([])).of("42") is None


def test_whoever_asks_finds_the_same_home_in_whatever_order_members_came() -> None:
    there, elsewhere = (Homes(places(map(member, names))) for names in ("abcd", "dcab"))
    for sequence in SEQUENCES:
        found, other = there.of(sequence), elsewhere.of(sequence)
        assert found is not None
        assert other is not None
        assert found.name == other.name


def test_homes_are_spread_over_the_members() -> None:
    homes = Homes(places(map(member, "abcd")))
    shares = Counter(found.name for each in SEQUENCES if (found := homes.of(each)))
    assert shares.keys() == set("abcd")
    assert all(350 < share < 650 for share in shares.values()), shares


def test_when_a_member_goes_or_comes_only_its_own_sequences_move() -> None:
    here = places(map(member, "abcd"))
    homes = Homes(here)

    def living() -> dict[str, str]:
        return {each: found.name for each in SEQUENCES if (found := homes.of(each))}

    before = living()
    here.leave("b")
    without = living()
    assert {before[each] for each in SEQUENCES if without[each] != before[each]} == {"b"}
    here.enter(member("b"))
    assert living() == before


def test_in_a_pool_the_home_is_kept_whatever_its_breaker_says() -> None:
    three = pool("abc", breaker=TRIPS_AT_ONCE)

    def goes(now_s: float) -> tuple[str, bool, bool]:
        reservation = three.reserve(now_s, Random(1), sequence="42")
        assert reservation is not None
        settle(three, reservation, Verdict.IGNORED, now_s=now_s)
        return reservation.name, reservation.is_panic, reservation.permit is not None

    home, is_panic, has_permit = goes(0.0)
    assert (is_panic, has_permit) == (False, True)
    eject(three, home, 0.0)
    assert goes(1.0) == (home, True, False)
    assert goes(10.0) == (home, False, True), "its time is over: the call is a probe"
    assert three.breaker_state(home) is State.HALF_OPEN
    opened = three.reserve(10.0, Random(1), sequence="42", is_stream=True)
    assert opened is not None
    assert (opened.name, opened.is_panic, opened.permit) == (home, True, None)


def test_a_home_that_must_not_be_asked_is_not_left_for_another() -> None:
    one = pool("a")
    assert one.reserve(0.0, Random(1), "a", sequence="42") is None
    assert one.reserve(0.0, Random(1), "b", sequence="42") is not None


def test_with_nobody_ready_homes_are_on_the_bench() -> None:
    three = pool("abc")
    for name in "abc":
        three.bench(name, 0.0)
    homes = set()
    for number in range(20):
        reservation = three.reserve(float(number), Random(number), sequence="42")
        assert reservation is not None
        assert reservation.is_panic
        settle(three, reservation, now_s=float(number))
        homes.add(reservation.name)
    assert len(homes) == 1


def test_on_the_bench_a_sequence_has_no_more_tries_than_any_other_call() -> None:
    one = pool("a")
    one.bench("a", 0.0)
    assert one.reserve(0.0, Random(1), sequence="42") is not None
    assert one.reserve(9.0, Random(1), sequence="42") is None, "the end of the first will tell"


def test_only_sequences_on_the_bench_earn_their_tries_too() -> None:
    one = pool("a", probe_share=0.0, probe_floor_per_s=1.0)
    one.bench("a", 0.0)
    for now_s, is_tried in ((0.0, True), (0.5, False), (1.0, True)):
        reservation = one.reserve(now_s, Random(1), sequence="42")
        assert (reservation is not None) is is_tried
        if reservation is not None:
            settle(one, reservation, Verdict.IGNORED, now_s=now_s)
