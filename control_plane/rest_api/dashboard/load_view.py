"""An instance's load by its own word, of which only that is shown that it says.

A Triton without a GPU says nothing of one, and not every build has the figures of the processor;
what is not known is left out and never made a 0 of.
"""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.rest_api.dashboard import words
from control_plane.services.status import LoadView

STALE_S = 10.0


@dataclass(frozen=True, slots=True)
class LoadFigure:
    """value, note: in words. share_bp: of what there is, in basis points; None for no share."""

    name: str
    value: str
    note: str = ""
    share_bp: int | None = None


@dataclass(frozen=True, slots=True)
class LoadPanel:
    """queues: a release and how long requests waited there. reason: why there are no figures.

    missing: in words, what the instance does not say. read_ago: empty for what was just read.
    """

    figures: tuple[LoadFigure, ...]
    queues: tuple[tuple[str, float], ...]
    missing: str
    read_ago: str
    reason: str


def show_load(load: LoadView | None, reason: str = "") -> LoadPanel:
    if load is None:
        return LoadPanel((), (), "", "", reason or "its metrics have not been read")
    shares = [
        ("Processors", load.cpu_utilization, "of the machine"),
        ("GPU", load.gpu_utilization, "busy"),
    ]
    memories = [
        ("Memory", load.cpu_memory_used_bytes, load.cpu_memory_total_bytes),
        ("GPU memory", load.gpu_memory_used_bytes, load.gpu_memory_total_bytes),
    ]
    figures = [LoadFigure("Pending", words.count(load.pending), "whoever sent them")]
    figures += [
        LoadFigure(name, words.percent(share), note, _bp(share))
        for name, share, note in shares
        if share is not None
    ]
    figures += [_memory(name, used, total) for name, used, total in memories if used is not None]
    missing = [name for name, share, _ in shares if share is None]
    return LoadPanel(
        tuple(figures),
        tuple(sorted(load.queue_ms.items())),
        f"It does not say of itself: {', '.join(missing)}." if missing else "",
        words.span(load.scraped_ago_s) if load.scraped_ago_s > STALE_S else "",
        "",
    )


def _memory(name: str, used: int, total: int | None) -> LoadFigure:
    if not total:
        return LoadFigure(name, words.size(used))
    return LoadFigure(name, words.size(used), f"of {words.size(total)}", _bp(used / total))


def _bp(share: float) -> int:
    return round(10_000 * min(max(share, 0.0), 1.0))
