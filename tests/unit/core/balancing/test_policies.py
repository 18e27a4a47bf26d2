"""Each policy's shares, its order, and that the barred are left out."""

from __future__ import annotations

from collections import Counter
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.balancing import LoadOptions, PolicyName
from control_plane.core.balancing.member import Member
from control_plane.core.balancing.places import Places
from control_plane.core.balancing.policies import Policy, Weighted, least_loaded, make_policy
from tests.unit.core.balancing.making import Dice, member, places

SLOW_START = LoadOptions(slow_start_s=10.0)


def entered(name: PolicyName, members: list[Member]) -> tuple[Policy, Places]:
    policy = make_policy(name)
    for each in members:
        policy.entered(each, 0.0)
    return policy, places(members)


def picks(
    policy: Policy, rotation: Places, count: int, *, barred: tuple[str, ...] = (), at_s: float = 0.0
) -> list[str]:
    rng = Random(3)
    found = (policy.pick(rotation, barred, now_s=at_s, rng=rng) for _ in range(count))
    return [each.name for each in found if each is not None]


@pytest.mark.parametrize("name", PolicyName)
@given(
    here=st.sets(st.sampled_from("abcde")), barred=st.lists(st.sampled_from("abcdef"), max_size=7)
)
def test_every_policy_picks_if_and_only_if_somebody_is_not_barred(
    name: PolicyName, here: set[str], barred: list[str]
) -> None:
    policy, rotation = entered(name, [member(each) for each in sorted(here)])
    for _ in range(3):
        picked = policy.pick(rotation, barred, now_s=0.0, rng=Random(1))
        if here <= set(barred):
            assert picked is None
        else:
            assert picked is not None
            assert picked.name in here - set(barred)


@pytest.mark.parametrize("name", PolicyName)
def test_a_member_that_left_is_not_picked(name: PolicyName) -> None:
    members = [member(each) for each in "abc"]
    policy, rotation = entered(name, members)
    rotation.leave("b")
    policy.left(members[1])
    assert set(picks(policy, rotation, 30)) == {"a", "c"}
    rotation.enter(members[1])
    policy.entered(members[1], 0.0)
    assert set(picks(policy, rotation, 30)) == {"a", "b", "c"}


def test_p2c_takes_the_less_loaded_of_the_two_it_drew() -> None:
    policy, rotation = entered(PolicyName.P2C_EWMA, [member(each) for each in "abc"])
    for each, latency_s in zip("abc", (0.3, 0.2, 0.1), strict=True):
        rotation[each].succeeded(latency_s, 0.0)
    a_and_b, b_and_c = Dice(0.0), Dice(0.5, 0.9)
    assert picked_name(policy, rotation, a_and_b) == "b"
    assert picked_name(policy, rotation, b_and_c) == "c"
    # The most loaded of all is never the less loaded of two.
    assert Counter(picks(policy, rotation, 3000))["a"] == 0


def picked_name(policy: Policy, rotation: Places, rng: Dice) -> str:
    picked = policy.pick(rotation, (), now_s=0.0, rng=rng)
    assert picked is not None
    return picked.name


def test_p2c_with_one_member_needs_no_second() -> None:
    policy, rotation = entered(PolicyName.P2C_EWMA, [member("a")])
    assert picks(policy, rotation, 3) == ["a", "a", "a"]


def test_round_robin_goes_in_turn() -> None:
    policy, rotation = entered(PolicyName.ROUND_ROBIN, [member(each) for each in "abc"])
    assert "".join(picks(policy, rotation, 7)) == "abcabca"


def test_round_robin_steps_over_the_barred() -> None:
    policy, rotation = entered(PolicyName.ROUND_ROBIN, [member(each) for each in "abcd"])
    assert "".join(picks(policy, rotation, 4, barred=("b", "c"))) == "adad"


@pytest.mark.parametrize(("roll", "order"), [(0.49, "abab"), (0.5, "bbbb"), (0.51, "bbbb")])
def test_round_robin_passes_on_some_turns_of_a_cold_member(roll: float, order: str) -> None:
    members = [member("a", options=SLOW_START, now_s=0.0), member("b")]
    policy, rotation = entered(PolicyName.ROUND_ROBIN, members)
    found = [policy.pick(rotation, (), now_s=5.0, rng=Dice(roll)) for _ in range(4)]
    assert "".join(each.name for each in found if each is not None) == order


def test_round_robin_keeps_a_cold_member_that_is_alone() -> None:
    cold = member("a", options=SLOW_START, now_s=0.0)
    policy, rotation = entered(PolicyName.ROUND_ROBIN, [cold])
    assert picks(policy, rotation, 5, at_s=1.0) == ["a"] * 5


def test_round_robin_gives_a_cold_member_about_its_share() -> None:
    members = [member("a", options=SLOW_START, now_s=0.0), *(member(each) for each in "bcd")]
    policy, rotation = entered(PolicyName.ROUND_ROBIN, members)
    counts = Counter(picks(policy, rotation, 8000, at_s=2.0))
    assert 0.15 * counts["b"] < counts["a"] < 0.25 * counts["c"]


@pytest.mark.parametrize(
    "weights", [{"a": 5, "b": 1, "c": 1}, {"a": 1, "b": 1}, {"a": 0.3, "b": 0.6, "c": 0.1}]
)
def test_weighted_gives_each_its_share_in_every_stretch(weights: dict[str, float]) -> None:
    members = [member(name, weight=weight) for name, weight in weights.items()]
    policy, rotation = entered(PolicyName.WEIGHTED, members)
    total = sum(weights.values())
    order = picks(policy, rotation, 700)
    for end in range(1, 701):
        counts = Counter(order[:end])
        for name, weight in weights.items():
            assert abs(counts[name] - end * weight / total) < 2


def test_weighted_is_smooth() -> None:
    members = [member("a", weight=5), member("b", weight=1), member("c", weight=1)]
    policy, rotation = entered(PolicyName.WEIGHTED, members)
    assert "".join(picks(policy, rotation, 14)) == "abaaacaabaaaca"


def test_weighted_keeps_the_turn_of_the_barred() -> None:
    policy, rotation = entered(PolicyName.WEIGHTED, [member(each) for each in "ab"])
    assert set(picks(policy, rotation, 10, barred=("a",))) == {"b"}
    # It was held back, so its turn comes at once; but only once, not ten times in a row.
    assert picks(policy, rotation, 3).count("a") == 2


def test_weighted_gives_a_cold_member_its_share() -> None:
    members = [member("a", options=SLOW_START, now_s=0.0), member("b")]
    policy, rotation = entered(PolicyName.WEIGHTED, members)
    counts = Counter(picks(policy, rotation, 1200, at_s=2.0))
    assert counts["a"] == pytest.approx(200, abs=3)


def test_weighted_does_not_let_one_that_comes_back_catch_up() -> None:
    members = [member(each) for each in "ab"]
    policy, rotation = entered(PolicyName.WEIGHTED, members)
    rotation.leave("a")
    policy.left(members[0])
    picks(policy, rotation, 1000)
    rotation.enter(members[0])
    policy.entered(members[0], 0.0)
    assert Counter(picks(policy, rotation, 10)) == {"a": 5, "b": 5}


def test_members_that_enter_together_do_not_come_in_clusters() -> None:
    policy = Weighted()
    rotation = places(member(str(number), weight=1) for number in range(5))
    for each in rotation:
        policy.entered(each, 0.0)
    order = picks(policy, rotation, 10)
    assert order[:5] == order[5:]
    assert len(set(order)) == 5


def test_least_loaded_of_none_is_none_and_of_equals_the_first() -> None:
    assert least_loaded([], 0.0) is None
    first, second = member("a"), member("b")
    assert least_loaded([first, second], 0.0) is first
    first.in_flight = 1
    assert least_loaded([first, second], 0.0) is second


def test_in_turn_draws_only_for_a_member_that_is_warming_up() -> None:
    class NoDice:
        def random(self) -> float:
            raise AssertionError("nothing is left to chance")

    policy, rotation = entered(PolicyName.ROUND_ROBIN, [member(each) for each in "ab"])
    names = [policy.pick(rotation, (), now_s=0.0, rng=NoDice()).name for _ in range(4)]  # type: ignore[union-attr]
    assert names == ["a", "b", "a", "b"]
