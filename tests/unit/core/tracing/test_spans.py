from __future__ import annotations

from control_plane.core.tracing.spans import MAX_ATTRIBUTES, MAX_TEXT, Recording
from tests.unit.core.tracing.making import TRACE, recording, span


def test_attributes_are_added_and_replaced() -> None:
    one = span("engine", engine="damage")
    one.put({"release": "1.0.0", "hedge": False, "fallback_from": None})
    one.put({"release": "1.1.0"})

    assert one.attributes == {"engine": "damage", "release": "1.1.0", "hedge": False}


def test_a_text_is_cut() -> None:
    one = span("engine")
    one.put({"fits": "x" * MAX_TEXT, "long": "x" * (MAX_TEXT + 1)})

    assert one.attributes == {"fits": "x" * MAX_TEXT, "long": "x" * MAX_TEXT}


def test_there_is_room_for_so_many_attributes() -> None:
    one = span("engine")
    one.put({f"a{n}": n for n in range(MAX_ATTRIBUTES + 1)})
    one.put({"a0": "new"})

    assert len(one.attributes) == MAX_ATTRIBUTES
    assert f"a{MAX_ATTRIBUTES}" not in one.attributes
    assert one.attributes["a0"] == "new"


def test_there_is_room_for_so_many_spans() -> None:
    made = Recording(TRACE, "c-1", False, 100.0, max_spans=2)
    spans = [made.begin(span(name)) for name in ("a", "b", "c")]

    assert [one.name for one in spans] == ["a", "b", "c"]
    assert [one.name for one in made.spans] == ["a", "b"]
    assert made.left_out == 1


def test_a_minor_failure_is_no_failure_of_the_whole() -> None:
    made = recording(lasted_s=1.0)
    made.begin(span("attempt", error="unreachable", is_minor=True))

    assert made.error == ""

    made.begin(span("engine", error="overloaded"))
    assert made.error == "overloaded"


def test_how_long_it_lasted() -> None:
    assert recording(lasted_s=2.0).lasted_s(500.0) == 2.0
    assert recording().lasted_s(101.0) == 1.0
    assert recording().is_open
    assert not recording(lasted_s=0.0).is_open
