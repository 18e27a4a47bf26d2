"""A trace as a person takes it in at a glance: what was done when, where, and what went wrong.

Every line is one span, under the one it belongs to, with a bar where it lies in the whole. What
failed is told by its mark and its words; the colour only repeats them.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any

from cli.fleet_picture import time_of
from cli.printing import listed, table
from control_plane.core.printable import printable

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.table import Table
    from rich.text import Text

Trace = Mapping[str, Any]
Span = Mapping[str, Any]

WELL, FAILED, OPEN = "█", "▒", "░"
FAILURE = "✗"
MOST_LABEL, LEAST_BARS, MOST_BARS, TIME = 26, 16, 60, 9
FACTS = 30
"""Cells that are left for what is told beside a bar, where there is little room."""

TOLD = frozenset(
    {"engine", "release", "instance", "hedge", "ending", "edge", "engines", "priority"}
)
"""Attributes that are told in words of their own, or say nothing new."""


def trace_picture(trace: Trace, now: datetime, *, width: int) -> RenderableType:
    """One trace. now: aware. width: of the terminal."""
    from rich.console import Group
    from rich.text import Text

    spans = list(in_tree(trace["spans"]))
    parts: list[RenderableType] = [*_head(trace, now), Text("")]
    parts += _rows(spans, float(trace["duration_ms"]), width)
    if left_out := trace.get("spans_left_out"):
        parts.append(Text(f"and {left_out} more, which there was no room for"))
    failures = [span for _, span in spans if span["error"]]
    refused = [span for _, span in spans if "refused" in span["attributes"]]
    if failures or refused:
        parts.append(Text(""))
    parts += [
        Text(printable(f"{FAILURE} {label_of(one)}{_where(one)}: {one['error']}"), style="red")
        for one in failures
    ]
    parts += [
        Text(printable(f"{FAILURE} {label_of(one)} refused: {_refusal(one)}"), style="yellow")
        for one in refused
    ]
    return Group(*parts)


def traces_table(traces: Iterable[Trace], now: datetime) -> Table:
    """One line for each."""
    return table(
        ["when", "trace", "what", "engines", "took", "ended"],
        [
            [
                time_of(one["started_at"], now),
                printable(str(one["correlation_id"])),
                printable(str(one["name"])),
                listed(one["engines"]),
                took(float(one["duration_ms"])),
                _ended(one),
            ]
            for one in traces
        ],
    )


def in_tree(spans: Sequence[Span]) -> Iterator[tuple[int, Span]]:
    """Each span with its depth: after its parent, and before who began after it."""
    children: dict[str | None, list[Span]] = {}
    for span in spans:
        children.setdefault(span["parent_id"], []).append(span)
    # A stack, not a recursion: nobody bounds the depth of what a server says.
    waiting = [(0, span) for span in reversed(children.pop(None, []))]
    while waiting:
        depth, span = waiting.pop()
        yield depth, span
        below = children.pop(span["span_id"], [])
        waiting += [(depth + 1, one) for one in reversed(below)]


def bar_of(span: Span, whole_ms: float, cells: int) -> str:
    """Where it lies in the whole, in so many cells; at least one of them is filled."""
    start_ms, lasted_ms = float(span["start_ms"]), span["duration_ms"]
    end_ms = whole_ms if lasted_ms is None else start_ms + float(lasted_ms)
    scale = cells / whole_ms if whole_ms > 0 else 0.0
    first = min(max(0, math.floor(start_ms * scale)), cells - 1)
    last = min(max(first + 1, math.ceil(end_ms * scale)), cells)
    mark = OPEN if lasted_ms is None else FAILED if span["error"] else WELL
    return (" " * first + mark * (last - first)).ljust(cells)


def label_of(span: Span) -> str:
    """What it is called: the engine where there is one, and a hedge is one by name."""
    attributes = span["attributes"]
    name = str(span["name"])
    if name == "attempt" and attributes.get("hedge"):
        return "hedge"
    if name in ("engine", "cache") and "engine" in attributes:
        return f"{name} {attributes['engine']}"
    return name


def facts_of(span: Span) -> str:
    """Who did it and how it ended, in the fewest words."""
    attributes = span["attributes"]
    where = [str(attributes[name]) for name in ("release", "instance") if name in attributes]
    ending = attributes.get("ending")
    ended = [str(ending)] if ending not in (None, "success") else []
    rest = [
        f"{name.removesuffix('_s')} {value} s" if name.endswith("_s") else f"{name} {value}"
        for name, value in attributes.items()
        if name not in TOLD and value is not False
    ]
    place = [" on ".join(where)] if where else []
    return ", ".join([*ended, *place, *rest])


def took(milliseconds: float | None) -> str:
    """In three digits, as far as that goes."""
    if milliseconds is None:
        return "…"
    if milliseconds >= 10_000:
        return f"{milliseconds / 1000:.1f} s"
    digits = 0 if milliseconds >= 100 else 1 if milliseconds >= 10 else 2
    return f"{milliseconds:.{digits}f} ms"


def _head(trace: Trace, now: datetime) -> list[RenderableType]:
    from rich.text import Text

    is_bad = trace["status"] == "error"
    is_well = trace["status"] == "ok" and trace["is_complete"]
    first = Text.assemble(
        (printable(str(trace["name"])), "bold"),
        f"   {took(float(trace['duration_ms']))}   ",
        (_ended(trace), "bold red" if is_bad else "green" if is_well else "yellow"),
        f"   {time_of(trace['started_at'], now)}",
    )
    ids = [("correlation", trace["correlation_id"]), ("trace", trace["trace_id"])]
    if trace.get("request_id"):
        ids.append(("request", trace["request_id"]))
    if trace.get("parent_id"):
        ids.append(("caller's span", trace["parent_id"]))
    lines = [Text(printable(f"{name} {value}"), style="dim") for name, value in ids]
    return [first, *lines]


def _ended(trace: Trace) -> str:
    if trace["status"] == "error":
        return f"error: {printable(str(trace['error']))[:60]}"
    if trace["status"] == "refused":
        return f"refused: {printable(str(trace['refusal']))[:60]}"
    return "ok" if trace["is_complete"] else "under way"


def _rows(spans: Sequence[tuple[int, Span]], whole_ms: float, width: int) -> list[Text]:
    from rich.text import Text

    labels = [printable(f"{'  ' * depth}{label_of(span)}") for depth, span in spans]
    label = min(max(map(len, labels), default=0), MOST_LABEL)
    cells = min(max(width - label - TIME - FACTS - 6, LEAST_BARS), MOST_BARS)
    room = max(0, width - label - cells - TIME - 6)
    rows = []
    for (_, span), text in zip(spans, labels, strict=True):
        is_bad = bool(span["error"])
        style = "red" if is_bad else "yellow" if span["duration_ms"] is None else "green"
        rows.append(
            Text.assemble(
                f"{_cut(text, label):<{label}} ",
                (bar_of(span, whole_ms, cells), style),
                f" {took(span['duration_ms']):>{TIME}} ",
                (FAILURE if is_bad else " ", "bold red"),
                f" {_cut(printable(facts_of(span)), room)}".rstrip(),
                no_wrap=True,
            )
        )
    return rows


def _refusal(span: Span) -> str:
    attributes = span["attributes"]
    return f"{attributes['refused']}: {attributes.get('reason', '')}"


def _where(span: Span) -> str:
    instance = span["attributes"].get("instance")
    return "" if instance is None else f" on {instance}"


def _cut(text: str, room: int) -> str:
    return text if len(text) <= room else text[: max(0, room - 1)] + "…"
