from __future__ import annotations

from datetime import UTC, datetime

from control_plane.core.tracing import Recording, view_of
from tests.unit.core.tracing.making import TRACE, recording, span

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)


def whole() -> Recording:
    made = Recording(TRACE, "c-1", True, 100.0, max_spans=10, subject="job-1")
    made.begin(span("detect", span_id="a", parent_id="caller", lasted_s=2.0))
    # Begun later, and written down first.
    made.begin(
        span("attempt", span_id="c", parent_id="b", started_s=101.0, lasted_s=0.5, engine="damage")
    )
    made.begin(span("engine", span_id="b", parent_id="a", started_s=100.5, engine="damage"))
    made.left_out = 3
    made.ended_s = 102.0
    return made


def test_a_trace_and_its_spans_in_their_order() -> None:
    view = view_of([whole()], started_at=NOON, now_s=500.0)

    assert [(one.name, one.parent_id) for one in view.spans] == [
        ("detect", None),
        ("engine", "a"),
        ("attempt", "b"),
    ]
    assert [(one.start_s, one.duration_s) for one in view.spans] == [
        (0.0, 2.0),
        (0.5, None),
        (1.0, 0.5),
    ]
    assert view.spans[2].attributes == {"engine": "damage"}
    assert (view.trace_id, view.correlation_id, view.subject) == (TRACE, "c-1", "job-1")
    assert (view.name, view.started_at, view.duration_s) == ("detect", NOON, 2.0)
    assert (view.error, view.is_sampled, view.is_complete) == ("", True, True)
    assert (view.engines, view.left_out, view.parent_id) == (("damage",), 3, "caller")


def test_one_that_is_under_way_lasts_until_now() -> None:
    view = view_of([recording()], started_at=NOON, now_s=101.5)

    assert not view.is_complete
    assert view.duration_s == 1.5
    assert view.spans[0].duration_s is None
    assert view.parent_id is None


def test_the_parts_of_a_trace_are_one() -> None:
    first, second = whole(), recording(started_s=103.0, lasted_s=1.0, error="internal")
    second.spans[0].parent_id = "a"
    second.left_out = 1
    view = view_of([first, second], started_at=NOON, now_s=500.0)

    assert view.duration_s == 4.0
    assert view.error == "internal"
    assert view.left_out == 4
    assert [one.parent_id for one in view.spans] == [None, "a", "b", "a"]
    assert view.spans[3].start_s == 3.0
    assert view.spans[3].error == "internal"


def test_one_without_spans_has_no_name() -> None:
    view = view_of([Recording(TRACE, "c-1", False, 100.0, 10)], started_at=NOON, now_s=100.0)

    assert (view.name, view.spans, view.engines, view.parent_id) == ("", (), (), None)


def test_a_mistake_of_the_callers_is_refused_and_no_error() -> None:
    made = recording()
    made.spans[0].put({"refused": "photo_invalid", "reason": "no JPEG"})
    view = view_of([made], started_at=NOON, now_s=500.0)
    assert (view.status, view.refusal, view.error) == ("refused", "photo_invalid: no JPEG", "")
    assert view.spans[0].status == "refused"
    assert view_of([whole()], started_at=NOON, now_s=500.0).status == "ok"
    failed = view_of([recording(error="internal")], started_at=NOON, now_s=500.0)
    assert (failed.status, failed.spans[0].status) == ("error", "error")


def test_one_without_spans_is_not_refused() -> None:
    empty = Recording(TRACE, "c-1", True, 100.0, max_spans=0, ended_s=101.0)
    assert view_of([empty], started_at=NOON, now_s=500.0).status == "ok"
