"""Traces as waterfalls: where the bars lie, in which order, and what is made of nonsense."""

from __future__ import annotations

import math
from datetime import UTC, datetime
from typing import Any

import pytest

from control_plane.rest_api.dashboard.waterfall import (
    MOST_DEPTH,
    MOST_ROWS,
    NARROWEST,
    ticks_of,
    waterfall_of,
)


def span(span_id: str, parent: str | None = None, **more: Any) -> dict[str, Any]:
    return {
        "span_id": span_id,
        "parent_id": parent,
        "name": span_id,
        "start_ms": 0.0,
        "duration_ms": 10.0,
        "status": "ok",
        "error": None,
        "attributes": {},
        **more,
    }


def trace(*spans: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {
        "trace_id": "t-1",
        "correlation_id": "c-1",
        "started_at": "2025-01-31T12:00:00+00:00",
        "duration_ms": 100.0,
        "status": "ok",
        "is_sampled": True,
        "is_complete": True,
        "spans": list(spans),
        **more,
    }


def test_a_bar_begins_and_ends_where_its_span_does() -> None:
    shown = waterfall_of(
        trace(span("edge", duration_ms=100.0), span("call", "edge", start_ms=25.0, duration_ms=50))
    )
    edge, call = shown.rows
    assert (edge.left, edge.width, edge.depth) == (0.0, 100.0, 0)
    assert (call.left, call.width, call.depth) == (25.0, 50.0, 1)
    assert shown.started_at == datetime(2025, 1, 31, 12, tzinfo=UTC)
    assert (shown.trace_id, shown.correlation_id, shown.left_out) == ("t-1", "c-1", 0)
    assert not shown.is_error


def test_children_stand_below_their_parent_in_the_order_in_which_they_began() -> None:
    shown = waterfall_of(
        trace(
            span("edge"),
            span("late", "edge", start_ms=5),
            span("early", "edge", start_ms=1),
            span("within", "early", start_ms=7),
        )
    )
    assert [(row.name, row.depth) for row in shown.rows] == [
        ("edge", 0),
        ("early", 1),
        ("within", 2),
        ("late", 1),
    ]


def test_a_failure_has_its_words_and_the_attributes_their_order() -> None:
    failed = span("call", status="error", error="refused", attributes={"b": 1, "a": "x"})
    shown = waterfall_of(trace(failed, status="error"))
    assert shown.is_error
    assert shown.rows[0].is_error
    assert shown.rows[0].error == "refused"
    assert shown.rows[0].attributes == (("b", "1"), ("a", "x"))


def test_spans_of_one_name_are_told_apart_by_their_engine_or_instance() -> None:
    shown = waterfall_of(
        trace(
            span("engine", attributes={"engine": "damage", "instance": "triton-0"}),
            span("attempt", attributes={"engine": "damage", "instance": "triton-0"}),
            span("encode"),
        )
    )
    assert [row.detail for row in shown.rows] == ["damage", "triton-0", ""]


def test_spans_that_were_left_out_before_are_counted_too() -> None:
    assert waterfall_of(trace(span("a"), spans_left_out=3)).left_out == 3


def test_a_span_without_an_end_reaches_to_that_of_the_trace() -> None:
    row = waterfall_of(trace(span("queue", start_ms=40, duration_ms=None))).rows[0]
    assert (row.left, row.width, row.duration_ms) == (40.0, 60.0, None)


def test_what_took_no_time_is_seen_all_the_same_and_never_beyond_the_end() -> None:
    row = waterfall_of(trace(span("instant", start_ms=100, duration_ms=0))).rows[0]
    assert row.width == NARROWEST
    assert row.left + row.width == 100


def test_a_trace_is_as_long_as_its_last_span_where_it_says_less() -> None:
    shown = waterfall_of(trace(span("call", start_ms=150, duration_ms=50), duration_ms=100))
    assert shown.duration_ms == 200
    assert (shown.rows[0].left, shown.rows[0].width) == (75.0, 25.0)


def test_a_span_whose_parent_is_missing_or_is_itself_is_a_root() -> None:
    shown = waterfall_of(trace(span("lost", "elsewhere"), span("own", "own")))
    assert [(row.name, row.depth) for row in shown.rows] == [("lost", 0), ("own", 0)]


def test_spans_that_are_each_others_parents_are_shown_once() -> None:
    shown = waterfall_of(trace(span("a", "b"), span("b", "a")))
    assert sorted(row.name for row in shown.rows) == ["a", "b"]


def test_of_very_many_spans_the_first_are_shown_and_the_others_counted() -> None:
    shown = waterfall_of(trace(*(span(str(one)) for one in range(MOST_ROWS + 5))))
    assert len(shown.rows) == MOST_ROWS
    assert shown.left_out == 5


def test_depth_is_bounded() -> None:
    chain = [span("0"), *(span(str(one), str(one - 1)) for one in range(1, 40))]
    assert max(row.depth for row in waterfall_of(trace(*chain)).rows) == MOST_DEPTH


@pytest.mark.parametrize("value", [math.nan, math.inf, -5, "soon", None, True, [1]])
def test_times_that_are_no_times_are_left_out(value: object) -> None:
    odd = span("odd", start_ms=value, duration_ms=value)
    shown = waterfall_of(trace(odd, duration_ms=value, started_at=value))
    assert shown.duration_ms == 0.0
    assert shown.started_at is None
    assert (shown.rows[0].left, shown.rows[0].duration_ms) == (0.0, None)


def test_an_empty_trace_and_one_of_other_things_have_no_rows() -> None:
    assert waterfall_of({}).rows == ()
    assert waterfall_of({"spans": ["text", 5], "is_complete": False}).rows == ()


def test_a_long_text_is_cut() -> None:
    row = waterfall_of(trace(span("a", name="x" * 1000))).rows[0]
    assert len(row.name) == 301


@pytest.mark.parametrize(
    ("length_ms", "times"),
    [
        (100.0, [0, 50, 100]),
        (83.0, [0, 50]),
        (40.0, [0, 10, 20, 30, 40]),
        (1234.0, [0, 500, 1000]),
        (0.9, [0, 0.5]),
        (0.0, [0]),
    ],
)
def test_ticks_are_round_times(length_ms: float, times: list[float]) -> None:
    ticks = ticks_of(length_ms)
    assert [tick.at_ms for tick in ticks] == times
    assert all(tick.left <= 100 for tick in ticks)


def test_the_words_on_the_axis_are_as_short_as_they_are_round() -> None:
    assert [tick.label for tick in ticks_of(0.2)] == [
        "0 ms",
        "0.05 ms",
        "0.1 ms",
        "0.15 ms",
        "0.2 ms",
    ]
    assert [tick.label for tick in ticks_of(2400)] == ["0 ms", "1 s", "2 s"]


def test_the_root_is_marked_as_the_trace_below_it_ended_and_no_other_root() -> None:
    shown = waterfall_of(
        trace(
            span("edge"),
            span("call", "edge", status="error", error="away", attributes={"instance": "t-0"}),
            span("other"),
            status="error",
            name="detect",
            request_id="r-1",
        )
    )
    assert [row.status for row in shown.rows] == ["error", "error", "ok"]
    assert [(one.where, one.why) for one in shown.failures] == [("call t-0", "away")]
    assert (shown.name, shown.request_id, shown.word) == ("detect", "r-1", "failed")


@pytest.mark.parametrize("status", ["ok", "refused"])
def test_a_callers_mistake_is_refused_and_no_failure(status: str) -> None:
    attributes = {"refused": "photo_invalid", "reason": "no photo"}
    shown = waterfall_of(trace(span("edge", attributes=attributes), status=status))
    assert (shown.status, shown.tone, shown.failures_tone) == ("refused", "warn", "warn")
    assert shown.rows[0].status == "refused"
    assert [one.why for one in shown.failures] == ["photo_invalid: no photo"]


def test_a_try_that_failed_on_the_way_to_an_answer_leaves_the_whole_well() -> None:
    shown = waterfall_of(trace(span("edge"), span("attempt", "edge", status="error", error="away")))
    assert [row.status for row in shown.rows] == ["ok", "error"]
    assert (shown.word, shown.failures_tone, len(shown.failures)) == ("ok", "warn", 1)


def test_a_failure_without_a_span_of_its_own_has_the_words_of_the_whole() -> None:
    shown = waterfall_of(trace(span("edge"), status="error", error="away", name="detect"))
    assert [(one.where, one.why) for one in shown.failures] == [("detect", "away")]


def test_what_is_under_way_is_not_yet_well() -> None:
    shown = waterfall_of(trace(span("edge"), is_complete=False))
    assert (shown.word, shown.tone) == ("under way", "info")
