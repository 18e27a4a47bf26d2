"""Recordings as somebody looks at them: one trace, its spans in their order."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Literal

from control_plane.core.tracing.spans import Attribute, Recording, Span

Status = Literal["ok", "error", "refused"]


@dataclass(frozen=True, slots=True)
class SpanView:
    """start_s: from the trace's start. duration_s: None while it is under way.

    parent_id: None where the parent is not among the trace's spans here.
    """

    span_id: str
    parent_id: str | None
    name: str
    start_s: float
    duration_s: float | None
    error: str
    attributes: Mapping[str, Attribute]

    @property
    def refusal(self) -> str:
        """What the caller got wrong, and why it is wrong; "" where nothing was refused."""
        code = self.attributes.get("refused")
        return "" if code is None else f"{code}: {self.attributes.get('reason', '')}"

    @property
    def status(self) -> Status:
        return _status(self.error, self.refusal)


@dataclass(frozen=True, slots=True)
class TraceView:
    """One trace, as far as this process saw it.

    duration_s: so far, where it is not complete.
    subject: the request's or the job's id. engines: that were asked. left_out: spans that there
        was no room for. parent_id: the span of somebody else that it belongs to, if any.
    """

    trace_id: str
    correlation_id: str
    subject: str
    name: str
    started_at: datetime
    duration_s: float
    error: str
    is_sampled: bool
    is_complete: bool
    engines: tuple[str, ...]
    left_out: int
    parent_id: str | None
    spans: tuple[SpanView, ...]

    @property
    def refusal(self) -> str:
        """Of the span that it began with: a part may be refused where the whole is answered."""
        return self.spans[0].refusal if self.spans else ""

    @property
    def status(self) -> Status:
        """``ok``, ``error`` or, where the caller was wrong, ``refused``."""
        return _status(self.error, self.refusal)


def view_of(recordings: Sequence[Recording], *, started_at: datetime, now_s: float) -> TraceView:
    """At least one recording, all of one trace, as they began; the first at ``started_at``."""
    first = recordings[0]
    started_s = first.started_s
    spans = sorted((span for one in recordings for span in one.spans), key=_start)
    ids = {span.span_id for span in spans}
    ended_s = max(one.started_s + one.lasted_s(now_s) for one in recordings)
    foreign = next((one.parent_id for one in spans if one.parent_id not in ids), "")
    return TraceView(
        trace_id=first.trace_id,
        correlation_id=first.correlation_id,
        subject=next((one.subject for one in recordings if one.subject), ""),
        name=first.spans[0].name if first.spans else "",
        started_at=started_at,
        duration_s=ended_s - started_s,
        error=next((one.error for one in recordings if one.error), ""),
        is_sampled=any(one.is_sampled for one in recordings),
        is_complete=not any(one.is_open for one in recordings),
        engines=tuple(dict.fromkeys(engine for span in spans if (engine := _engine(span)))),
        left_out=sum(one.left_out for one in recordings),
        parent_id=foreign or None,
        spans=tuple(_view(span, started_s, ids) for span in spans),
    )


def _status(error: str, refusal: str) -> Status:
    return "error" if error else "refused" if refusal else "ok"


def _start(span: Span) -> float:
    return span.started_s


def _engine(span: Span) -> str:
    return str(span.attributes.get("engine", ""))


def _view(span: Span, started_s: float, ids: set[str]) -> SpanView:
    return SpanView(
        span_id=span.span_id,
        parent_id=span.parent_id if span.parent_id in ids else None,
        name=span.name,
        start_s=span.started_s - started_s,
        duration_s=None if span.ended_s is None else span.ended_s - span.started_s,
        error=span.error,
        attributes=dict(span.attributes),
    )
