"""Planes added up: what they tell is what one plane would have counted, and nothing twice."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import asdict

from hypothesis import given, settings
from hypothesis import strategies as st

from control_plane.core.traffic import (
    SLOT_S,
    Counted,
    HeardPlane,
    OtherPlanes,
    SlotCounts,
    ToldSlot,
    Window,
    added_up,
    summarise,
)
from control_plane.core.traffic.merging import LONGEST_S

NOW_S = 10_000.0
ENGINE = "damage"


def told(window: Window, plane: str, now_s: float, *, ahead_s: float = 0.0) -> list[ToldSlot]:
    """ahead_s: by how much this plane's clock is ahead of the readings in the window."""
    return [
        ToldSlot(
            plane=plane,
            number=number + int(ahead_s // SLOT_S),
            began_ago_s=now_s - number * SLOT_S,
            told_ago_s=0.5,
            counts=SlotCounts({ENGINE: {"1.0.0": deepcopy(counted)}}),
        )
        for number, counted in window.slots(now_s).items()
    ]


REQUESTS = st.lists(
    st.tuples(
        st.integers(0, 3),
        st.floats(NOW_S - LONGEST_S, NOW_S),
        st.one_of(st.none(), st.floats(1e-4, 50.0)),
        st.booleans(),
        st.floats(0.0, 1.0),
    ),
    max_size=60,
)


@settings(max_examples=60)
@given(REQUESTS, st.integers(-1000, 1000))
def test_the_merged_parts_are_the_whole(
    requests: list[tuple[int, float, float | None, bool, float]], ahead: int
) -> None:
    parts, whole = [Window() for _ in range(4)], Window()
    # A plane's clock goes forward.
    for plane, at_s, latency_s, is_error, confidence in sorted(requests, key=lambda one: one[1]):
        for window in (parts[plane], whole):
            window.add(at_s, latency_s, is_error=is_error)
            window.add_confidence(at_s, confidence)
    others = OtherPlanes()
    for number, part in enumerate(parts[1:], 1):
        words = told(part, f"plane-{number}", NOW_S, ahead_s=ahead * SLOT_S)
        others.take(words, NOW_S)
        others.take(words, NOW_S)  # said twice, counted once
    own = {"1.0.0": parts[0].slots(NOW_S)}
    merged = added_up(own, others.slots(ENGINE))
    expected = {"1.0.0": whole.slots(NOW_S)}
    found = summarise(merged, now_s=NOW_S, counted_s=0.0)
    wanted = summarise(expected, now_s=NOW_S, counted_s=0.0)
    assert _without_rounding(found.total) == _without_rounding(wanted.total)


def _without_rounding(total: object) -> object:
    """Sums of floats depend on their order, in the last digit."""
    shown = {span: asdict(one) for span, one in total.items()}  # type: ignore[attr-defined]
    for one in shown.values():
        mean = one["confidence_mean"]
        one["confidence_mean"] = None if mean is None else round(mean, 9)
    return shown


def a_slot(plane: str, number: int, began_ago_s: float, requests: int = 1) -> ToldSlot:
    counts = SlotCounts({ENGINE: {"1.0.0": Counted(requests=requests)}})
    return ToldSlot(plane, number, began_ago_s, 0.5, counts)


def test_what_is_told_anew_of_a_slot_replaces_what_was_told() -> None:
    others = OtherPlanes()
    others.take([a_slot("a", 7, 4.0, requests=1)], NOW_S)
    others.take([a_slot("a", 7, 6.0, requests=5)], NOW_S + 2.0)
    assert others.slots(ENGINE) == {"1.0.0": {1999: Counted(requests=5)}}
    assert others.slots("nothing") == {}
    assert others.engines() == {ENGINE}


def test_a_slot_is_added_where_it_shares_most_time() -> None:
    others = OtherPlanes()
    others.take([a_slot("a", 1, 7.4), a_slot("b", 1, 7.6)], NOW_S)
    assert {n: one.requests for n, one in others.slots(ENGINE)["1.0.0"].items()} == {
        1998: 1,
        1999: 1,
    }


def test_a_plane_that_is_gone_counts_until_its_words_are_too_old() -> None:
    others = OtherPlanes()
    assert (others.heard(NOW_S), others.counted_s()) == ((), None)
    others.take([a_slot("gone", 1, 600.0), a_slot("here", 1, 5.0)], NOW_S)
    assert others.counted_s() == NOW_S - 600.0
    later_s = NOW_S + 310.0
    others.take([a_slot("here", 60, 1.0)], later_s)
    assert others.heard(later_s) == (HeardPlane("here", 0.5),)
    assert sum(one.requests for one in others.slots(ENGINE)["1.0.0"].values()) == 2


def test_the_parts_stay_as_they_are() -> None:
    part = {"1.0.0": {1: Counted(requests=1)}}
    assert added_up(part, part)["1.0.0"][1].requests == 2
    assert part["1.0.0"][1].requests == 1
