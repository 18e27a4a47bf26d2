"""How an engine's last minutes went, step by step and by release: what a chart is drawn of.

A step is a whole number of the windows' slots, so long that there are ``MOST_STEPS`` at most, and
begins at a multiple of its length: a chart that is drawn again a moment later has the same steps
and one more. The step that is not over yet is drawn once it has lasted a slot, its rates by the
time that it has lasted so far. What lies before the counting began is left out, not drawn as 0.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import ceil

from control_plane.core.traffic.histogram import Distribution
from control_plane.core.traffic.window import SLOT_S, SLOTS, Counted, Slots

MOST_STEPS = 90
LONGEST_S = SLOTS * SLOT_S
"""How far back the windows go."""


@dataclass(frozen=True, slots=True)
class Curve:
    """One release, a number for each step; None where a step has no latency."""

    requests_per_s: tuple[float, ...]
    errors_per_s: tuple[float, ...]
    p50_ms: tuple[float | None, ...]
    p95_ms: tuple[float | None, ...]
    p99_ms: tuple[float | None, ...]


@dataclass(frozen=True, slots=True)
class Curves:
    """An engine's releases over the same steps.

    step_s: how long a step is. began_s: when each began, by the monotonic clock.
    confidences: over all the steps.
    """

    step_s: float
    began_s: tuple[float, ...]
    releases: Mapping[str, Curve]
    confidences: Mapping[str, Distribution]


def step_slots(span_s: float) -> int:
    """How many slots one step of a chart over that span has."""
    return max(1, ceil(span_s / SLOT_S / MOST_STEPS))


def draw(releases: Mapping[str, Slots], *, now_s: float, span_s: float, counted_s: float) -> Curves:
    """The curves of an engine's releases.

    span_s: how far back, up to ``LONGEST_S``. counted_s: when the counting began.
    """
    slots = step_slots(span_s)
    step_s = slots * SLOT_S
    last = int(now_s // step_s)
    if now_s - last * step_s < SLOT_S:
        last -= 1
    first = max(last - int(span_s // step_s) + 1, int(counted_s // step_s))
    steps = range(first, last + 1)
    lasted_s = [
        max(min((step + 1) * step_s, now_s) - max(step * step_s, counted_s), 0.0) for step in steps
    ]
    curves: dict[str, Curve] = {}
    confidences: dict[str, Distribution] = {}
    for version, seen in releases.items():
        if not version:  # what was never routed
            continue
        found = [Counted() for _ in steps]
        whole = Counted()
        for number, counted in seen.items():
            step = number // slots
            if first <= step <= last:
                found[step - first].merge(counted)
                whole.merge_confidences(counted)
        curves[version] = _curve(found, lasted_s)
        confidences[version] = whole.confidence_distribution()
    return Curves(step_s, tuple(step * step_s for step in steps), curves, confidences)


def _curve(steps: Sequence[Counted], lasted_s: Sequence[float]) -> Curve:
    percentiles = [one.percentiles_ms(0.5, 0.95, 0.99) for one in steps]
    return Curve(
        requests_per_s=_rates([one.requests for one in steps], lasted_s),
        errors_per_s=_rates([one.errors for one in steps], lasted_s),
        p50_ms=tuple(p50 for p50, _, _ in percentiles),
        p95_ms=tuple(p95 for _, p95, _ in percentiles),
        p99_ms=tuple(p99 for _, _, p99 in percentiles),
    )


def _rates(counts: Sequence[int], lasted_s: Sequence[float]) -> tuple[float, ...]:
    return tuple(
        count / lasted if lasted > 0 else 0.0
        for count, lasted in zip(counts, lasted_s, strict=True)
    )
