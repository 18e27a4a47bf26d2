from __future__ import annotations

from control_plane.core.tracing import Keep, SpanKind, finished_of
from tests.unit.core.tracing.making import TRACE, recording, span


def test_times_are_those_of_the_world() -> None:
    made = recording(lasted_s=2.0)
    made.state = "a=1"
    made.begin(span("open", parent_id="b", started_s=101.0, error="internal", engine="damage"))
    finished = finished_of(made, Keep.ERROR, epoch_offset_s=1e9)

    assert (finished.trace_id, finished.correlation_id) == (TRACE, "c-1")
    assert (finished.state, finished.kept) == ("a=1", Keep.ERROR)
    root, left_open = finished.spans
    assert (root.name, root.started_s, root.ended_s) == ("root", 1e9 + 100, 1e9 + 102)
    # What nobody ended, ends with the whole.
    assert (left_open.started_s, left_open.ended_s) == (1e9 + 101, 1e9 + 102)
    assert (left_open.parent_id, left_open.error) == ("b", "internal")
    assert (left_open.attributes, left_open.kind) == ({"engine": "damage"}, SpanKind.INTERNAL)


def test_a_recording_that_has_not_ended_ends_where_it_began() -> None:
    finished = finished_of(recording(), Keep.SAMPLED, epoch_offset_s=0.0)

    assert finished.spans[0].ended_s == finished.spans[0].started_s
