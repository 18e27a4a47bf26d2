from __future__ import annotations

import asyncio
import contextvars
from collections.abc import AsyncGenerator, Sequence
from typing import Any

import pytest
import structlog

from control_plane.core.tracing import (
    Keep,
    Propagation,
    RecentOptions,
    Recording,
    SpanKind,
    TraceContext,
    TraceView,
    views,
)
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.services.tracing import (
    NOT_TRACED,
    NOTHING,
    TracingOptions,
    context_now,
    name_subject,
    outgoing,
    put,
    record,
    span,
)
from control_plane.services.tracing import tracer as tracer_module
from tests.unit.fakes import FakeCalendar, FakeClock
from tests.unit.services.tracing.making import Sink, tracer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
CARRIED = {"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1"}
UNSAMPLED = {"traceparent": f"00-{TRACE}-{SPAN}-00"}


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


def test_spans_lie_within_each_other(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("detect", correlation_id="c-1", edge="rest"):
        clock.advance(1)
        with span("engine", engine="damage") as engine:
            with span("attempt", kind=SpanKind.CLIENT, is_minor=True):
                clock.advance(2)
            engine.put(release="1.0.0", fallback_from=None)
        with span("engine", engine="volume"):
            clock.advance(1)
    view = tracing.find("c-1")

    assert view is not None
    root, damage, attempt, volume = view.spans
    assert [one.name for one in view.spans] == ["detect", "engine", "attempt", "engine"]
    assert damage.parent_id == volume.parent_id == root.span_id
    assert attempt.parent_id == damage.span_id
    assert damage.attributes == {"engine": "damage", "release": "1.0.0"}
    assert root.attributes == {"edge": "rest"}
    assert [(one.start_s, one.duration_s) for one in view.spans] == [
        (0.0, 4.0),
        (1.0, 2.0),
        (1.0, 2.0),
        (3.0, 1.0),
    ]
    assert view.started_at == FakeCalendar().utc(1000.0)
    assert view.is_complete


def test_without_a_trace_a_span_is_nothing() -> None:
    with span("engine", engine="damage") as nothing:
        nothing.put(release="1.0.0")
        nothing.tell(ValueError())
        put(a=1)
        record("claim", started_s=0.0, ended_s=1.0)
        name_subject("job-1")

    assert nothing is NOTHING
    assert context_now() is None
    assert outgoing() == ()


def test_where_nothing_is_traced_a_root_is_nothing() -> None:
    with NOT_TRACED.root("detect", correlation_id="c-1", edge="rest") as root:
        assert span("engine") is NOTHING

    assert root is NOTHING
    assert NOT_TRACED.find("c-1") is None
    assert NOT_TRACED.recent(limit=10) == ()


def test_what_is_under_way_can_be_looked_at(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("detect", correlation_id="c-1"), span("engine"):
        clock.advance(3)
        view = tracing.find("c-1")

    assert view is not None
    assert not view.is_complete
    assert view.duration_s == 3
    assert [one.duration_s for one in view.spans] == [None, None]


def test_a_trace_goes_on_where_the_caller_has_begun_it(clock: FakeClock) -> None:
    tracing = tracer(clock, TracingOptions(sample_ratio=0.0))
    with tracing.root("detect", correlation_id="c-1", carried=CARRIED):
        here = context_now()
    view = tracing.find(TRACE)

    assert view is not None
    assert (view.trace_id, view.parent_id, view.is_sampled) == (TRACE, SPAN, True)
    assert here == TraceContext(TRACE, view.spans[0].span_id, True, "a=1")


def test_what_carries_nothing_begins_a_trace(clock: FakeClock) -> None:
    tracing = tracer(clock, TracingOptions(sample_ratio=1.0))
    with tracing.root("detect", correlation_id="c-1", carried={"traceparent": "broken"}):
        pass
    view = tracing.find("c-1")

    assert view is not None
    assert view.trace_id != TRACE
    assert view.is_sampled
    assert view.parent_id is None


def test_a_callers_no_is_honoured(clock: FakeClock) -> None:
    sink = Sink()
    tracing = tracer(clock, TracingOptions(sample_ratio=1.0), sink)
    with tracing.root("detect", correlation_id="c-1", carried=UNSAMPLED):
        pass

    assert sink.offered == []


def test_a_parent_that_is_known_is_taken(clock: FakeClock) -> None:
    tracing = tracer(clock)
    parent = TraceContext(TRACE, SPAN, True)
    with tracing.root(
        "job", correlation_id="c-1", parent=parent, kind=SpanKind.CONSUMER, started_s=990.0
    ):
        record("claim", started_s=990.0, ended_s=995.0, worker="one")
    view = tracing.find("c-1")

    assert view is not None
    assert view.trace_id == TRACE
    assert (view.duration_s, view.started_at) == (10.0, FakeCalendar().utc(990.0))
    assert (view.spans[1].duration_s, view.spans[1].attributes) == (5.0, {"worker": "one"})


def test_an_undecided_parent_leaves_it_to_the_ratio(clock: FakeClock) -> None:
    options = TracingOptions(sample_ratio=1.0, propagation=Propagation.XRAY)
    tracing = tracer(clock, options)
    carried = {"x-amzn-trace-id": "Root=1-5759e988-bd862e3fe1be46a994272793"}
    with tracing.root("detect", correlation_id="c-1", carried=carried):
        headers = dict(outgoing())
    view = tracing.find("c-1")

    assert view is not None
    assert view.is_sampled
    assert view.parent_id is None
    own = view.spans[0].span_id
    root = "Root=1-5759e988-bd862e3fe1be46a994272793"
    assert headers == {"x-amzn-trace-id": f"{root};Parent={own};Sampled=1"}


def test_ids_begin_with_the_time_for_xray(clock: FakeClock) -> None:
    tracing = tracer(clock, TracingOptions(propagation=Propagation.BOTH))
    with tracing.root("detect", correlation_id="c-1"):
        here = context_now()

    assert here is not None
    epoch_s = FakeCalendar().utc(1000.0).timestamp()
    assert here.trace_id.startswith(f"{int(epoch_s):08x}")


def test_what_goes_out_names_the_span_that_asks(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("detect", correlation_id="c-1", carried=CARRIED), span("attempt"):
        here = context_now()
        sent = outgoing(only_if_sampled=True)

    assert here is not None
    assert sent == (("traceparent", f"00-{TRACE}-{here.span_id}-01"), ("tracestate", "a=1"))


def test_what_is_not_sampled_goes_out_only_to_those_who_are_to_know(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("detect", correlation_id="c-1", carried=UNSAMPLED):
        assert outgoing(only_if_sampled=True) == ()
        assert [name for name, _ in outgoing()] == ["traceparent"]


def test_tasks_begun_below_belong_to_it_and_others_do_not(clock: FakeClock) -> None:
    tracing = tracer(clock)

    async def work(name: str) -> None:
        with span(name):
            await asyncio.sleep(0)

    async def ask() -> None:
        with tracing.root("detect", correlation_id="c-1"):
            below = [asyncio.create_task(work(name)) for name in ("one", "two")]
            alone = asyncio.create_task(work("alone"), context=contextvars.Context())
            await asyncio.gather(*below, alone)

    asyncio.run(ask())
    view = tracing.find("c-1")

    assert view is not None
    assert [one.name for one in view.spans] == ["detect", "one", "two"]
    assert {one.parent_id for one in view.spans[1:]} == {view.spans[0].span_id}


def test_a_task_that_outlives_its_request_adds_nothing(clock: FakeClock) -> None:
    tracing = tracer(clock)

    async def ask() -> None:
        go_on = asyncio.Event()

        async def linger() -> None:
            await go_on.wait()
            record("late", started_s=0.0, ended_s=1.0)
            assert span("late") is NOTHING

        with tracing.root("detect", correlation_id="c-1"):
            task = asyncio.create_task(linger())
            await asyncio.sleep(0)
        go_on.set()
        await task

    asyncio.run(ask())
    view = tracing.find("c-1")

    assert view is not None
    assert [one.name for one in view.spans] == ["detect"]


async def test_a_generator_may_be_closed_elsewhere(clock: FakeClock) -> None:
    tracing = tracer(clock)

    async def stream() -> AsyncGenerator[int]:
        with tracing.root("stream", correlation_id="c-1"):
            yield 1

    stream_of = stream()
    assert await asyncio.create_task(anext(stream_of)) == 1
    await asyncio.create_task(stream_of.aclose())

    view = tracing.find("c-1")
    assert view is not None
    assert view.is_complete


FAILED = ControlPlaneError(ErrorCode.OVERLOADED, "too much at once")


@pytest.mark.parametrize(
    ("raised", "error", "attributes"),
    [
        (FAILED, "overloaded: too much at once", {}),
        (ValueError("a secret"), "ValueError", {}),
        (
            InvalidArgument("photo is none", field="photo"),
            "",
            {"refused": "invalid_argument", "reason": "photo is none"},
        ),
        (ControlPlaneError(ErrorCode.CANCELLED, "left"), "", {"outcome": "cancelled"}),
        (asyncio.CancelledError(), "", {"outcome": "cancelled"}),
    ],
)
def test_what_is_raised_is_told_and_goes_on(
    clock: FakeClock, raised: BaseException, error: str, attributes: dict[str, str]
) -> None:
    tracing = tracer(clock)
    with (
        pytest.raises(type(raised)),
        tracing.root("detect", correlation_id="c-1"),
        span("engine"),
    ):
        raise raised
    view = tracing.find("c-1")

    assert view is not None
    assert view.error == error
    assert [one.error for one in view.spans] == [error, error]
    assert [one.attributes for one in view.spans] == [attributes, attributes]


def test_what_was_told_counts_more_than_what_is_raised(clock: FakeClock) -> None:
    tracing = tracer(clock)

    def fail() -> None:
        with tracing.root("a", correlation_id="c-1"), span("attempt", is_minor=True) as attempt:
            attempt.tell(FAILED)
            raise ValueError("wrapped")

    with pytest.raises(ValueError, match="wrapped"):
        fail()
    view = tracing.find("c-1")

    assert view is not None
    assert view.spans[1].error == "overloaded: too much at once"


def test_what_is_kept_is_handed_on(clock: FakeClock) -> None:
    sink = Sink()
    options = TracingOptions(sample_ratio=0.0, recent=RecentOptions(slow_s=5.0))
    tracing = tracer(clock, options, sink)
    with tracing.root("quick", correlation_id="c-1"):
        clock.advance(1)
    with tracing.root("slow", correlation_id="c-2"):
        clock.advance(5)
    with pytest.raises(ControlPlaneError), tracing.root("failed", correlation_id="c-3"):
        raise FAILED
    with tracing.root("sampled", correlation_id="c-4", carried=CARRIED):
        pass

    assert [(one.correlation_id, one.kept) for one in sink.offered] == [
        ("c-2", Keep.SLOW),
        ("c-3", Keep.ERROR),
        ("c-4", Keep.SAMPLED),
    ]
    slow = sink.offered[0].spans[0]
    assert slow.started_s == FakeCalendar().utc(1001.0).timestamp()
    assert slow.ended_s - slow.started_s == 5


def test_the_request_is_named_once_it_is_known(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("submit", correlation_id="c-1"), span("store"):
        name_subject("job-1")
        put(rows=1)
    view = tracing.find("job-1")

    assert view is not None
    assert view.subject == "job-1"
    assert view.spans[1].attributes == {"rows": 1}


def test_log_lines_name_the_trace(clock: FakeClock) -> None:
    structlog.contextvars.clear_contextvars()
    tracing = tracer(clock)
    with tracing.root("detect", correlation_id="c-1", carried=CARRIED):
        assert structlog.contextvars.get_contextvars() == {"trace_id": TRACE}


def test_the_recent_ones(clock: FakeClock) -> None:
    tracing = tracer(clock)
    for number, engine in enumerate(("damage", "volume", "damage")):
        clock.advance(1)
        with tracing.root("detect", correlation_id=f"c-{number}"), span("engine", engine=engine):
            clock.advance(number)
    with pytest.raises(ControlPlaneError), tracing.root("detect", correlation_id="c-3"):
        raise FAILED

    def found(**asked: object) -> list[str]:
        recent = tracing.recent(**{"limit": 10, **asked})  # type: ignore[arg-type]
        return [one.correlation_id for one in recent]

    assert found() == ["c-3", "c-2", "c-1", "c-0"]
    assert found(limit=2) == ["c-3", "c-2"]
    assert found(engine="damage") == ["c-2", "c-0"]
    assert found(is_error=True) == ["c-3"]
    assert found(is_error=False, engine="volume") == ["c-1"]
    assert found(slower_than_s=1.0) == ["c-2"]


def test_only_what_is_wanted_is_made_ready(
    clock: FakeClock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Thousands are kept, and who looks for one must not hold up the requests."""
    made = []

    def view_of(parts: Sequence[Recording], **when: Any) -> TraceView:
        made.append(parts)
        return views.view_of(parts, **when)

    monkeypatch.setattr(tracer_module, "view_of", view_of)
    tracing = tracer(clock)
    for number in range(5):
        with tracing.root("detect", correlation_id=f"c-{number}"), span("engine", engine="damage"):
            clock.advance(1)
    for asked in ({"is_error": True}, {"engine": "volume"}, {"slower_than_s": 2.0}):
        assert tracing.recent(limit=10, **asked) == ()  # type: ignore[arg-type]
    assert made == []
    assert len(tracing.recent(limit=10, engine="damage", slower_than_s=0.5)) == len(made) == 5


def test_the_parts_of_one_trace_are_listed_once(clock: FakeClock) -> None:
    tracing = tracer(clock)
    with tracing.root("submit", correlation_id="c-1"):
        here = context_now()
    clock.advance(1)
    with tracing.root("job", correlation_id="c-1", parent=here):
        clock.advance(1)
    with tracing.root("other", correlation_id="c-2", parent=here):
        pass
    recent = tracing.recent(limit=10)

    assert [(one.correlation_id, one.name, len(one.spans)) for one in recent] == [
        ("c-2", "other", 1),
        ("c-1", "submit", 2),
    ]
    assert tracing.count() == 2
    assert NOT_TRACED.count() is None
