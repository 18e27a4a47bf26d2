"""A trace as a waterfall: one row for each span, and where its bar begins and ends.

Positions are percentages of the trace's length, so that a page draws them at any width without
a script. What a trace says is not trusted: a span without its parent becomes a root, times
that are no times are left out, and a trace of any length has a bounded number of rows.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

MOST_ROWS = 200
MOST_ATTRIBUTES = 24
MOST_DEPTH = 12
MOST_CHARACTERS = 300
TICKS = 4
TOLD_BY = ("engine", "instance", "model")
"""The attributes that tell spans of one name from each other, the first that is there."""
TOLD_BY_OF = {"attempt": ("instance",)}
"""Where another one says more: attempts of one engine differ in where they were made."""
NARROWEST = 0.4
"""Of the whole width, in percent: what took no time is seen all the same."""

OK, FAILED, REFUSED = "ok", "error", "refused"
"""How a trace or a span ended. Refused: the caller was wrong, and nothing failed here."""
MOST_FAILURES = 20

Document = Mapping[str, Any]
"""A trace or a span as ``GET /api/v1/traces/{id}`` has it."""


@dataclass(frozen=True, slots=True)
class Row:
    """One span. left, width: of its bar, in percent. depth: how many spans it is within.

    detail: what tells it from others of its name, such as the engine; empty where nothing does.
    duration_ms: None for a span whose end is not known; its bar then reaches to the trace's.
    """

    name: str
    detail: str
    depth: int
    start_ms: float
    duration_ms: float | None
    left: float
    width: float
    status: str
    error: str
    attributes: tuple[tuple[str, str], ...]

    @property
    def is_error(self) -> bool:
        return self.status == FAILED


@dataclass(frozen=True, slots=True)
class Failure:
    """What went wrong in one span. where: its name and who did it."""

    where: str
    why: str


@dataclass(frozen=True, slots=True)
class Tick:
    at_ms: float
    left: float

    @property
    def label(self) -> str:
        """As short as it is round."""
        return f"{self.at_ms / 1000:g} s" if self.at_ms >= 1000 else f"{self.at_ms:g} ms"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """left_out: spans that are not among the rows, because there are too many."""

    trace_id: str
    correlation_id: str
    started_at: datetime | None
    duration_ms: float
    status: str
    is_complete: bool
    rows: tuple[Row, ...]
    ticks: tuple[Tick, ...]
    left_out: int
    name: str = ""
    request_id: str = ""
    failures: tuple[Failure, ...] = ()

    @property
    def is_error(self) -> bool:
        return self.status == FAILED

    @property
    def word(self) -> str:
        if self.status == OK and not self.is_complete:
            return "under way"
        return {FAILED: "failed", REFUSED: "refused"}.get(self.status, OK)

    @property
    def tone(self) -> str:
        if self.status == OK and not self.is_complete:
            return "info"
        return {FAILED: "bad", REFUSED: "warn"}.get(self.status, "good")

    @property
    def failures_tone(self) -> str:
        """What failed on the way to an answer is no failure of the whole."""
        return "bad" if self.is_error else "warn"


def waterfall_of(trace: Document) -> Waterfall:
    """Parents stand above their children, siblings in the order in which they began."""
    spans = [span for span in trace.get("spans") or () if isinstance(span, Mapping)]
    length_ms = _length_ms(trace, spans)
    status = status_of(trace)
    rows = [
        _row(span, depth, length_ms)
        for (depth, span), _ in zip(_in_order(spans), range(MOST_ROWS), strict=False)
    ]
    return Waterfall(
        trace_id=_text(trace.get("trace_id")),
        correlation_id=_text(trace.get("correlation_id")),
        started_at=_time(trace.get("started_at")),
        duration_ms=length_ms,
        status=status,
        is_complete=bool(trace.get("is_complete", True)),
        rows=_marked(rows, status),
        ticks=ticks_of(length_ms),
        left_out=len(spans) - len(rows) + int(_number(trace.get("spans_left_out")) or 0),
        name=_text(trace.get("name")),
        request_id=_text(trace.get("request_id")),
        failures=_failures(trace, rows, status),
    )


def status_of(trace: Document) -> str:
    """Of a trace; one that failed nowhere is refused where its first span was."""
    said = trace.get("status")
    if said in (FAILED, REFUSED):
        return str(said)
    spans = [span for span in trace.get("spans") or () if isinstance(span, Mapping)]
    return REFUSED if spans and _span_status(spans[0]) == REFUSED else OK


def _span_status(span: Document) -> str:
    said = span.get("status")
    if said in (FAILED, REFUSED):
        return str(said)
    return REFUSED if (span.get("attributes") or {}).get("refused") else OK


def _marked(rows: Sequence[Row], status: str) -> tuple[Row, ...]:
    """With the roots below which the trace failed, or was refused, marked like that, too."""
    marked, below = list(rows), False
    if status != OK:
        for index in range(len(rows) - 1, -1, -1):
            below = below or rows[index].status == status
            if rows[index].depth == 0:
                if below:
                    marked[index] = replace(rows[index], status=status)
                below = False
    return tuple(marked)


def _failures(trace: Document, rows: Sequence[Row], status: str) -> tuple[Failure, ...]:
    """Each failed span's words; of a trace that was refused the reason, too."""
    found = [
        Failure(" ".join(filter(None, (row.name, row.detail))), row.error)
        for row in rows
        if row.error
    ]
    if not found and status != OK:
        why = _text(trace.get("error")) or "no reason was recorded"
        found = [Failure(_text(trace.get("name")) or "the request", why)]
    return tuple(found[:MOST_FAILURES])


def ticks_of(length_ms: float) -> tuple[Tick, ...]:
    """Round times on the axis, at most ``TICKS`` and one, the first at its beginning."""
    if length_ms <= 0:
        return (Tick(0.0, 0.0),)
    rough = length_ms / TICKS
    magnitude = 10.0 ** math.floor(math.log10(rough))
    step = next(magnitude * one for one in (1, 2, 5, 10) if magnitude * one >= rough)
    count = int(length_ms / step) + 1
    return tuple(
        Tick(round(one * step, 6), round(100 * one * step / length_ms, 2)) for one in range(count)
    )


def _in_order(spans: Sequence[Document]) -> Iterator[tuple[int, Document]]:
    """Each span once, with its depth. One whose parent is not there, or is itself, is a root."""
    ids = {span.get("span_id") for span in spans}
    children: dict[object, list[Document]] = {}
    for span in spans:
        parent = span.get("parent_id")
        if parent not in ids or parent == span.get("span_id"):
            parent = None
        children.setdefault(parent, []).append(span)
    seen: set[int] = set()
    # What is left after the roots are spans that are each other's parents.
    for root in (*children.get(None, ()), *spans):
        stack = [(0, root)]
        while stack:
            depth, span = stack.pop()
            if id(span) in seen:
                continue
            seen.add(id(span))
            yield depth, span
            below = sorted(children.get(span.get("span_id"), ()), key=_start_ms, reverse=True)
            stack += [(min(depth + 1, MOST_DEPTH), child) for child in below]


def _row(span: Document, depth: int, length_ms: float) -> Row:
    start_ms, duration_ms = _start_ms(span), _number(span.get("duration_ms"))
    end_ms = length_ms if duration_ms is None else start_ms + duration_ms
    left = _percent(start_ms, length_ms)
    width = max(_percent(end_ms, length_ms) - left, NARROWEST)
    attributes = span.get("attributes") or {}
    told_by = TOLD_BY_OF.get(str(span.get("name")), TOLD_BY)
    return Row(
        name=_text(span.get("name")) or "?",
        detail=next((_text(attributes[one]) for one in told_by if attributes.get(one)), ""),
        depth=depth,
        start_ms=start_ms,
        duration_ms=duration_ms,
        left=min(left, 100 - NARROWEST),
        width=round(min(width, 100 - min(left, 100 - NARROWEST)), 2),
        status=_span_status(span),
        error=_text(span.get("error") or _refusal(span)),
        attributes=tuple(
            (_text(name), _text(value))
            for name, value in list(attributes.items())[:MOST_ATTRIBUTES]
        ),
    )


def _refusal(span: Document) -> str:
    attributes = span.get("attributes") or {}
    told = (attributes.get(name) for name in ("refused", "reason"))
    return ": ".join(str(one) for one in told if one) if attributes.get("refused") else ""


def _length_ms(trace: Document, spans: Sequence[Document]) -> float:
    """As long as it says, or as its last span that has ended, whichever is longer."""
    ends = (_start_ms(span) + (_number(span.get("duration_ms")) or 0) for span in spans)
    return max(_number(trace.get("duration_ms")) or 0.0, *ends, 0.0)


def _start_ms(span: Document) -> float:
    return _number(span.get("start_ms")) or 0.0


def _percent(at_ms: float, length_ms: float) -> float:
    return round(min(max(100 * at_ms / length_ms, 0.0), 100.0), 2) if length_ms > 0 else 0.0


def _number(value: object) -> float | None:
    """A time in milliseconds; None for what is none."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return None
    return float(value) if math.isfinite(value) and value >= 0 else None


def _text(value: object) -> str:
    text = "" if value is None else str(value)
    return text if len(text) <= MOST_CHARACTERS else text[:MOST_CHARACTERS] + "…"


def _time(value: object) -> datetime | None:
    if isinstance(value, datetime):
        return value
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        return None
