"""Round robin: each in turn, whatever the list was before."""

from __future__ import annotations

from control_plane.core.balancing import RoundRobin


def test_each_candidate_in_turn_from_the_first() -> None:
    robin = RoundRobin()
    assert [robin.pick("abc") for _ in range(7)] == list("abcabca")


def test_a_list_may_shrink_and_grow_between_picks() -> None:
    robin = RoundRobin()
    lists = ("abc", "abc", "abc", "a", "ab", "ab")
    assert "".join(robin.pick(nodes) for nodes in lists) == "abcaab"


def test_turns_are_shared_evenly() -> None:
    robin = RoundRobin()
    picks = [robin.pick("xyz") for _ in range(300)]
    assert {node: picks.count(node) for node in "xyz"} == {"x": 100, "y": 100, "z": 100}
