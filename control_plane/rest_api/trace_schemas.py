"""The shapes of traces, as they are answered and as OpenAPI shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Literal

from pydantic import BaseModel, Field


class Span(BaseModel):
    """One piece of work."""

    span_id: str
    parent_id: str | None = Field(description="Null where the parent is not in this trace here.")
    name: str = Field(examples=["attempt"])
    start_ms: float = Field(description="From the trace's start.")
    duration_ms: float | None = Field(description="Null while it is under way.")
    status: Literal["ok", "error", "refused"]
    error: str | None
    attributes: dict[str, str | int | float | bool] = Field(
        examples=[{"release": "1.1.0", "instance": "triton-0", "ending": "success"}]
    )


class TraceSummary(BaseModel):
    """One trace, as far as this control plane saw it."""

    trace_id: str
    correlation_id: str
    request_id: str | None = Field(description="Of the request or job, once it has one.")
    name: str = Field(examples=["detect"])
    engines: list[str] = Field(description="Those that were asked.")
    started_at: datetime
    duration_ms: float = Field(description="So far, where it is not complete.")
    status: Literal["ok", "error", "refused"]
    error: str | None
    refusal: str | None = Field(description="What the caller got wrong, where it was refused.")
    is_sampled: bool = Field(description="Whether it is exported whatever becomes of it.")
    is_complete: bool = Field(description="Whether nothing of it is under way here.")


class Trace(TraceSummary):
    """With its spans, in the order in which they began."""

    parent_id: str | None = Field(description="The caller's span that it belongs to, if any.")
    spans_left_out: int = Field(description="Spans that there was no room for.")
    spans: list[Span]


class Traces(BaseModel):
    traces: list[TraceSummary]
