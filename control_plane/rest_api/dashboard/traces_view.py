"""Requests as their page shows them: the filters of its address, and a line for each trace.

Pure: documents as ``GET /api/v1/traces/{id}`` has them go in.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime
from typing import Any

from control_plane.core.detections import ALIASES
from control_plane.rest_api.dashboard import words
from control_plane.rest_api.dashboard.jobs_view import unicode_of
from control_plane.rest_api.dashboard.waterfall import OK, status_of

FIELDS = ("engine", "failed", "slower_than_ms")
ONLY_FAILED = "true"
MOST_PLACES = 3
STATUS: Mapping[str, tuple[str, str]] = {
    "ok": ("ok", "good"),
    "error": ("failed", "bad"),
    "refused": ("refused", "warn"),
}
"""Of each status its word and its tone."""


@dataclass(frozen=True, slots=True)
class TracesQuery:
    """chosen: word for word, without what is empty. problem: why it means nothing, or empty."""

    chosen: dict[str, str] = field(default_factory=dict)
    engine: str | None = None
    is_error: bool | None = None
    slower_than_s: float | None = None
    problem: str = ""

    @property
    def is_filtered(self) -> bool:
        return bool(self.chosen)

    @property
    def is_only_failed(self) -> bool:
        """Whether nothing but that was asked for."""
        return set(self.chosen) == {"failed"}


@dataclass(frozen=True, slots=True)
class TraceRow:
    """link: the id by which its own page is found.

    places: who answered, as ``1.1.0 on triton-0``; empty where nobody did.
    """

    trace_id: str
    link: str
    correlation_id: str
    name: str
    engines: tuple[str, ...]
    started_at: datetime
    duration_ms: float
    word: str
    tone: str
    error: str
    places: tuple[str, ...]


def read_query(pairs: Iterable[tuple[str, str]]) -> TracesQuery:
    """pairs: of the address. It never raises: what is wrong is told on the page."""
    said = {name: value.strip() for name, value in pairs if value.strip()}
    read = TracesQuery({name: said[name] for name in FIELDS if name in said})
    engine, failed, slower = (read.chosen.get(name) for name in FIELDS)
    if failed not in (None, ONLY_FAILED):
        return replace(read, problem=f"unknown failed {failed[:80]!r}; known: {ONLY_FAILED}")
    slower_ms = None if slower is None else _milliseconds(slower)
    if slower is not None and slower_ms is None:
        problem = f"slower_than_ms is {slower[:80]!r}; it must be a number of milliseconds"
        return replace(read, problem=problem)
    return replace(
        read,
        engine=ALIASES.get(engine, engine) if engine else None,
        is_error=True if failed else None,
        slower_than_s=None if slower_ms is None else slower_ms / 1000,
    )


def show_row(trace: Mapping[str, Any]) -> TraceRow:
    status = status_of(trace)
    word, tone = STATUS[status]
    if status == OK and not trace["is_complete"]:
        word, tone = "under way", "info"
    return TraceRow(
        trace_id=trace["trace_id"],
        # A caller may use one correlation id, or one trace, for many requests.
        link=unicode_of(trace["request_id"] or trace["correlation_id"]),
        correlation_id=unicode_of(trace["correlation_id"]),
        name=trace["name"],
        engines=tuple(map(unicode_of, trace["engines"])),
        started_at=trace["started_at"],
        duration_ms=trace["duration_ms"],
        word=word,
        tone=tone,
        error=unicode_of(trace["error"] or _reason(trace["spans"])),
        places=_places(trace["spans"]),
    )


def nothing_in_words(query: TracesQuery, kept: int | None) -> str:
    """Why the list is empty. kept: how many there are; None where nothing is recorded."""
    if kept is None:
        return "Tracing is off (tracing.enabled): no request is recorded, so none can be shown."
    if not kept:
        return "Nothing kept yet: no request has come since this control plane started."
    if query.is_only_failed:
        return f"None of the {words.count(kept)} kept failed."
    return f"None of the {words.count(kept)} kept is like that."


def _places(spans: Sequence[Mapping[str, Any]]) -> tuple[str, ...]:
    """Where it was worked on, each once, the first ones."""
    told = (span["attributes"] for span in spans)
    named = (
        " on ".join(str(one[name]) for name in ("release", "instance") if one.get(name))
        for one in told
        if one.get("instance")
    )
    return tuple(dict.fromkeys(map(unicode_of, named)))[:MOST_PLACES]


def _reason(spans: Sequence[Mapping[str, Any]]) -> str:
    """Why it was refused; empty where it was not."""
    return next(
        (str(one["attributes"]["reason"]) for one in spans if one["attributes"].get("reason")), ""
    )


def _milliseconds(text: str) -> float | None:
    try:
        value = float(text)
    except ValueError:
        return None
    return value if math.isfinite(value) and value >= 0 else None
