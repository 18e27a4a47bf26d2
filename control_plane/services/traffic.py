"""The last minutes' traffic, for people: figures by span, and curves."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from control_plane.core.traffic import Curves, EngineSummary, RequestCounts, draw
from control_plane.ports import Calendar, Clock


@dataclass(frozen=True, slots=True)
class CurvesView:
    """An engine's curves. at: when each step began. is_merged: whether other planes are in it."""

    engine: str
    at: tuple[datetime, ...]
    curves: Curves
    is_merged: bool


class Traffic:
    """What this control plane has counted of the last minutes."""

    def __init__(self, counts: RequestCounts, clock: Clock, calendar: Calendar) -> None:
        self._counts = counts
        self._clock = clock
        self._calendar = calendar

    def summary(self) -> Mapping[str, EngineSummary]:
        """By engine."""
        return self._counts.summary(self._clock.now_s())

    def curves(self, engine: str, span_s: float) -> CurvesView:
        """An engine without a request has no releases."""
        now_s = self._clock.now_s()
        curves = draw(
            self._counts.slots(engine, now_s),
            now_s=now_s,
            span_s=span_s,
            counted_s=self._counts.began_s,
        )
        at = tuple(map(self._calendar.utc, curves.began_s))
        return CurvesView(engine, at, curves, is_merged=False)
