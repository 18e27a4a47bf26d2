"""Begins traces, remembers them, and hands on what is kept."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from control_plane.core.tracing import (
    Attribute,
    Bits,
    Propagation,
    RecentOptions,
    RecentTraces,
    Recording,
    Span,
    SpanKind,
    TraceContext,
    TraceView,
    finished_of,
    is_chosen,
    keeps,
    new_span_id,
    new_trace_id,
    read_context,
    view_of,
)
from control_plane.ports import Calendar, Clock, SpanSink
from control_plane.services.tracing.scopes import NOTHING, Root, Traced

NOTHING_CARRIED: Mapping[str, str] = {}


class Tracer(Protocol):
    """What edges begin a trace with."""

    def root(
        self,
        name: str,
        *,
        correlation_id: str,
        carried: Mapping[str, str] = NOTHING_CARRIED,
        parent: TraceContext | None = None,
        kind: SpanKind = SpanKind.SERVER,
        started_s: float | None = None,
        **attributes: Attribute | None,
    ) -> Traced:
        """A trace that begins here, or goes on here.

        carried: the headers of who asks, by their names in lower case. parent: what is known of
            him already, instead. started_s: if that was before now.
        """
        ...


@dataclass(frozen=True, slots=True)
class TracingOptions:
    """sample_ratio: of the traces that begin here. max_spans: of one recording."""

    sample_ratio: float = 0.01
    propagation: Propagation = Propagation.W3C
    max_spans: int = 200
    recent: RecentOptions = field(default_factory=RecentOptions)


class Tracing:
    """Begins traces, remembers them, and hands on what is kept. Use ``span`` below them."""

    def __init__(
        self,
        *,
        clock: Clock,
        calendar: Calendar,
        bits: Bits,
        options: TracingOptions,
        sink: SpanSink | None = None,
    ) -> None:
        self.now_s: Callable[[], float] = clock.now_s
        self.bits = bits
        self.propagation = options.propagation
        self._options = options
        self._calendar = calendar
        self._recent = RecentTraces(options.recent)
        self._sink = sink

    def root(
        self,
        name: str,
        *,
        correlation_id: str,
        carried: Mapping[str, str] = NOTHING_CARRIED,
        parent: TraceContext | None = None,
        kind: SpanKind = SpanKind.SERVER,
        started_s: float | None = None,
        **attributes: Attribute | None,
    ) -> Traced:
        if parent is None and carried:
            parent = read_context(carried, self._options.propagation)
        started_s = self.now_s() if started_s is None else started_s
        recording = self._recording(parent, correlation_id, started_s)
        parent_id = "" if parent is None else parent.span_id
        made = Span(name, new_span_id(self.bits), parent_id, kind, started_s)
        made.put(attributes)
        recording.begin(made)
        self._recent.begin(recording)
        return Root(self, recording, made)

    def name(self, recording: Recording, subject: str) -> None:
        self._recent.name(recording, subject)

    def end(self, recording: Recording) -> None:
        """Remembered, and handed on if it is kept."""
        recording.ended_s = self.now_s()
        self._recent.finish(recording)
        if self._sink is not None:
            kept = keeps(recording, slow_s=self._options.recent.slow_s)
            if kept is not None:
                at_s = recording.started_s
                offset_s = self._calendar.utc(at_s).timestamp() - at_s
                self._sink.offer(finished_of(recording, kept, epoch_offset_s=offset_s))

    def find(self, name: str) -> TraceView | None:
        """The trace that an id names, of a trace, a correlation, a request or a job."""
        found = self._recent.find(name)
        return self._view(found) if found else None

    def recent(
        self,
        *,
        limit: int,
        engine: str | None = None,
        is_error: bool | None = None,
        slower_than_s: float | None = None,
    ) -> tuple[TraceView, ...]:
        """Those of which all is true that is asked for, the latest first."""
        seen: set[tuple[str, str]] = set()
        views: list[TraceView] = []
        now_s = self.now_s()
        for one in self._recent.latest():
            place = one.trace_id, one.correlation_id
            if place in seen:
                continue
            seen.add(place)
            parts = [
                part for part in self._recent.find(one.trace_id) if part.correlation_id == place[1]
            ]
            # A view of each that is kept would take a tenth of a second.
            if _is_wanted(parts or [one], now_s, engine, is_error, slower_than_s):
                views.append(self._view(parts or (one,)))
                if len(views) == limit:
                    break
        return tuple(views)

    def count(self) -> int | None:
        """How many are kept; None where nothing is recorded."""
        return len({(one.trace_id, one.correlation_id) for one in self._recent.latest()})

    def _view(self, recordings: Sequence[Recording]) -> TraceView:
        started_at = self._calendar.utc(recordings[0].started_s)
        return view_of(recordings, started_at=started_at, now_s=self.now_s())

    def _recording(
        self, parent: TraceContext | None, correlation_id: str, started_s: float
    ) -> Recording:
        options = self._options
        if parent is None:
            is_xray = options.propagation.is_xray
            epoch_s = self._calendar.utc(started_s).timestamp() if is_xray else None
            trace_id, state, said = new_trace_id(self.bits, epoch_s=epoch_s), "", None
        else:
            trace_id, state, said = parent.trace_id, parent.state, parent.is_sampled
        is_sampled = is_chosen(trace_id, options.sample_ratio) if said is None else said
        return Recording(trace_id, correlation_id, is_sampled, started_s, options.max_spans, state)


def _is_wanted(
    parts: Sequence[Recording],
    now_s: float,
    engine: str | None,
    is_error: bool | None,
    slower_than_s: float | None,
) -> bool:
    """What the view of the parts would say, without making it."""
    if is_error is not None and any(one.error for one in parts) is not is_error:
        return False
    if slower_than_s is not None:
        ended_s = max(one.started_s + one.lasted_s(now_s) for one in parts)
        if ended_s - parts[0].started_s <= slower_than_s:
            return False
    return engine is None or any(
        made.attributes.get("engine") == engine for one in parts for made in one.spans
    )


class NotTraced:
    """A tracer for where nothing is recorded."""

    def root(self, name: str, **_: object) -> Traced:
        del name
        return NOTHING

    def find(self, name: str) -> None:
        del name

    def recent(self, **_: object) -> tuple[TraceView, ...]:
        return ()

    def count(self) -> int | None:
        return None


NOT_TRACED = NotTraced()
