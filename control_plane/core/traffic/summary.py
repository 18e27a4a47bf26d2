"""An engine's last minutes as figures: in all and by release, over each span."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from control_plane.core.traffic.histogram import Distribution
from control_plane.core.traffic.window import SPANS_S, Counted, Figures, Slots, covered_s, spans


@dataclass(frozen=True, slots=True)
class EngineSummary:
    """An engine's last minutes by the span in seconds: in all, and of each release.

    confidences: of each release, over the longest span.
    """

    total: Mapping[int, Figures]
    releases: Mapping[str, Mapping[int, Figures]]
    confidences: Mapping[str, Distribution]


def summarise(releases: Mapping[str, Slots], *, now_s: float, counted_s: float) -> EngineSummary:
    """releases: what was never routed is of the release "", and counts in the total alone.

    counted_s: when the counting began.
    """
    in_all = tuple(Counted() for _ in SPANS_S)
    found: dict[str, Mapping[int, Figures]] = {}
    confidences: dict[str, Distribution] = {}
    for version, slots in releases.items():
        parts = spans(slots, now_s)
        for whole, part in zip(in_all, parts, strict=True):
            whole.merge(part)
        if version:
            found[version] = _figures(parts, now_s, counted_s)
            confidences[version] = parts[-1].confidence_distribution()
    return EngineSummary(_figures(in_all, now_s, counted_s), found, confidences)


def _figures(parts: Sequence[Counted], now_s: float, counted_s: float) -> dict[int, Figures]:
    return {
        span_s: part.figures(covered_s(span_s, now_s, counted_s))
        for span_s, part in zip(SPANS_S, parts, strict=True)
    }
