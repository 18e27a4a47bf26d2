"""Spans: one piece of work each, and what one process recorded of a trace.

They are changed by whoever does the work, in one event loop; what is read of them later is made
of them by ``views`` and ``finished``.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

Attribute = str | int | float | bool

MAX_ATTRIBUTES = 24
MAX_TEXT = 240
"""Characters of an attribute: some are a caller's own words, of any length."""


class SpanKind(StrEnum):
    """As OpenTelemetry has it: what the span is to the one that it belongs to."""

    SERVER = "server"
    CLIENT = "client"
    PRODUCER = "producer"
    CONSUMER = "consumer"
    INTERNAL = "internal"


@dataclass(slots=True, eq=False)
class Span:
    """One piece of work. Times are readings of the monotonic clock.

    parent_id: "" where there is none. error: "" where it went well.
    is_minor: whether a failure of it is no failure of the whole: there may have been another try.
    """

    name: str
    span_id: str
    parent_id: str
    kind: SpanKind
    started_s: float
    ended_s: float | None = None
    error: str = ""
    is_minor: bool = False
    attributes: dict[str, Attribute] = field(default_factory=dict)

    def put(self, attributes: Mapping[str, Attribute | None]) -> None:
        """Adds to what is told of it, as far as there is room; what is None is not told."""
        own = self.attributes
        for name, value in attributes.items():
            if value is None or (len(own) >= MAX_ATTRIBUTES and name not in own):
                continue
            if isinstance(value, str) and len(value) > MAX_TEXT:
                own[name] = value[:MAX_TEXT]
            else:
                own[name] = value


@dataclass(slots=True, eq=False)
class Recording:
    """What one process recorded of a trace, from one beginning here to its end.

    A trace may have several: a job that is worked on where it was accepted, a caller who asks twice
    within one trace of his own.

    subject: the request's or the job's id; "" until there is one.
    state: other vendors', passed on. max_spans: what is more is counted in ``left_out``.
    """

    trace_id: str
    correlation_id: str
    is_sampled: bool
    started_s: float
    max_spans: int
    state: str = ""
    subject: str = ""
    ended_s: float | None = None
    left_out: int = 0
    spans: list[Span] = field(default_factory=list)

    def begin(self, span: Span) -> Span:
        if len(self.spans) < self.max_spans:
            self.spans.append(span)
        else:
            self.left_out += 1
        return span

    @property
    def is_open(self) -> bool:
        return self.ended_s is None

    @property
    def error(self) -> str:
        """Why the whole failed, in whole or in part; "" where it did not."""
        for one in self.spans:
            if one.error and not one.is_minor:
                return one.error
        return ""

    def lasted_s(self, now_s: float) -> float:
        return (now_s if self.ended_s is None else self.ended_s) - self.started_s
