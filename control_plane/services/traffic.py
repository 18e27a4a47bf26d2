"""The last minutes' traffic, for people: figures by span and curves, of all control planes.

    counted here ──┐
                   ├──► added up ──► figures, curves, drift
    told by others ┘
      ▲
      └── exchange: every few seconds, by way of the store

A plane that is alone tells nobody. Percentiles are of the merged buckets, never means of
percentiles. While the store is away the others' words grow old, and after ``HEARD_S`` it is this
plane's own figures alone that are shown, and said so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, TypeVar

from control_plane.core.drift import Drift
from control_plane.core.traffic import (
    SLOT_S,
    SPANS_S,
    Counted,
    Curves,
    EngineSummary,
    HeardPlane,
    OtherPlanes,
    RequestCounts,
    SlotCounts,
    Slots,
    added_up,
    draw,
    summarise,
)
from control_plane.ports import Calendar, Clock, OwnSlot, TrafficShare
from control_plane.services.drift import ConfidenceDrift

KEEP_S = SPANS_S[-1] + 2 * SLOT_S
OVERLAP_S = 10.0
"""What was told so long before the last time it was asked is asked for again: a transaction may
have been slow, and hearing a slot twice changes nothing."""

HEARD_S = 20.0
FRESH_S = 1.0
MOST_MADE = 64

GONE_S = 15.0
"""A plane that said nothing for so long has gone; what it had counted still counts."""


Made = TypeVar("Made")


@dataclass(frozen=True, slots=True)
class PlaneView:
    """A plane whose counts are in the figures. told_ago_s: how old its last word is."""

    plane: str
    told_ago_s: float
    is_gone: bool


@dataclass(frozen=True, slots=True)
class EngineTrafficView:
    """One engine. drifts: of each release's confidence, over the longest span."""

    summary: EngineSummary
    drifts: Mapping[str, Drift]


@dataclass(frozen=True, slots=True)
class TrafficView:
    """planes: this one first. is_merged: False while what others counted cannot be had."""

    planes: tuple[PlaneView, ...]
    is_merged: bool
    engines: Mapping[str, EngineTrafficView]


@dataclass(frozen=True, slots=True)
class CurvesView:
    """An engine's curves. at: when each step began. is_merged: as in a TrafficView."""

    engine: str
    at: tuple[datetime, ...]
    curves: Curves
    is_merged: bool


class Traffic:
    """What the planes have counted of the last minutes.

    plane: this one's name. has_others: whether there is another plane.
    """

    def __init__(
        self,
        plane: str,
        *,
        counts: RequestCounts,
        share: TrafficShare,
        has_others: Callable[[], bool],
        drift: ConfidenceDrift,
        clock: Clock,
        calendar: Calendar,
    ) -> None:
        self._plane = plane
        self._counts = counts
        self._share = share
        self._has_others = has_others
        self._drift = drift
        self._clock = clock
        self._calendar = calendar
        self._others = OtherPlanes()
        self._heard_at_s: float | None = None
        self._made: dict[object, Any] = {}
        self._made_from_s = 0.0
        # The first slot that the others do not have as it is now.
        self._untold = 0

    async def exchange(self) -> None:
        """Tells the others what is new here, and hears what is new there.

        Raises StoreUnavailable.
        """
        if self._has_others():
            await self.tell()
        asked_s, heard_s = self._clock.now_s(), self._heard_at_s
        since_s = KEEP_S if heard_s is None else asked_s - heard_s + OVERLAP_S
        told = await self._share.told_slots(self._plane, since_s=since_s)
        self._others.take(told, self._clock.now_s())
        self._heard_at_s = asked_s
        self._made.clear()

    async def tell(self) -> None:
        """Tells what others do not have yet. Raises StoreUnavailable."""
        now_s = self._clock.now_s()
        last = int(now_s // SLOT_S)
        # The last one also when nothing was counted: it says that this plane is there.
        found: dict[int, dict[str, dict[str, Counted]]] = {last: {}}
        for engine in self._counts.engines():
            for release, slots in self._counts.slots(engine, now_s).items():
                for number, counted in slots.items():
                    if number >= self._untold:
                        of = found.setdefault(number, {}).setdefault(engine, {})
                        of[release] = counted
        slots_told = [
            OwnSlot(number, now_s - number * SLOT_S, SlotCounts(engines))
            for number, engines in sorted(found.items())
        ]
        await self._share.tell_slots(self._plane, slots_told, keep_s=KEEP_S)
        self._untold = last

    def summary(self) -> TrafficView:
        """By engine, with whose counts are in it."""
        return self._remembered("", self._summary)

    def _summary(self) -> TrafficView:
        now_s, is_merged = self._clock.now_s(), self._is_merged()
        engines = dict.fromkeys(self._counts.engines())
        if is_merged:
            engines |= dict.fromkeys(sorted(self._others.engines()))
        return TrafficView(
            planes=self._planes(now_s),
            is_merged=is_merged,
            engines={name: self._engine(name, now_s) for name in engines if name},
        )

    def drifts(self) -> Mapping[tuple[str, str], Drift]:
        """By engine and release."""
        return {
            (engine, release): drift
            for engine, view in self.summary().engines.items()
            for release, drift in view.drifts.items()
        }

    def curves(self, engine: str, span_s: float) -> CurvesView:
        """An engine without a request has no releases."""
        return self._remembered((engine, span_s), lambda: self._curves(engine, span_s))

    def _curves(self, engine: str, span_s: float) -> CurvesView:
        now_s = self._clock.now_s()
        curves = draw(
            self._slots(engine, now_s), now_s=now_s, span_s=span_s, counted_s=self._counted_s()
        )
        at = tuple(map(self._calendar.utc, curves.began_s))
        return CurvesView(engine, at, curves, self._is_merged())

    def _remembered(self, what: object, make: Callable[[], Made]) -> Made:
        """Made anew once in ``FRESH_S``, however many ask: adding up takes milliseconds."""
        now_s = self._clock.now_s()
        if now_s - self._made_from_s >= FRESH_S or len(self._made) >= MOST_MADE:
            self._made.clear()
        if not self._made:
            self._made_from_s = now_s
        made: Made
        if what in self._made:
            made = self._made[what]
        else:
            made = self._made[what] = make()
        return made

    def _engine(self, name: str, now_s: float) -> EngineTrafficView:
        summary = summarise(self._slots(name, now_s), now_s=now_s, counted_s=self._counted_s())
        return EngineTrafficView(summary, self._drift.of(name, summary.confidences))

    def _slots(self, engine: str, now_s: float) -> Mapping[str, Slots]:
        own = self._counts.slots(engine, now_s)
        return added_up(own, self._others.slots(engine)) if self._is_merged() else own

    def _counted_s(self) -> float:
        others_s = self._others.counted_s() if self._is_merged() else None
        own_s = self._counts.began_s
        return own_s if others_s is None else min(own_s, others_s)

    def _planes(self, now_s: float) -> tuple[PlaneView, ...]:
        heard: tuple[HeardPlane, ...] = self._others.heard(now_s) if self._is_merged() else ()
        return (
            PlaneView(self._plane, 0.0, is_gone=False),
            *(PlaneView(one.plane, one.told_ago_s, one.told_ago_s > GONE_S) for one in heard),
        )

    def _is_merged(self) -> bool:
        heard_s = self._heard_at_s
        return heard_s is not None and self._clock.now_s() - heard_s <= HEARD_S
