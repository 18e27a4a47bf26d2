"""What several control planes have counted, made one: what all callers got, whoever served them.

Each plane tells what it counted slot by slot (``window``), the last one again and again while it
is counted on, and what is told of a slot replaces what was told of it before. So nothing counts
twice, a word that is lost is made good by the next, and what a plane has counted stays until it
is too old, also when the plane has gone: those requests were served.

Every plane numbers its slots by its own clock. When a slot began is told as an age by the clock
of the store that lies between, and it is added to the slot here that it shares most time with.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from control_plane.core.traffic.window import SLOT_S, SLOTS, Counted, Slots

LONGEST_S = SLOTS * SLOT_S


@dataclass(frozen=True, slots=True)
class SlotCounts:
    """What one plane counted in one slot, by engine and release."""

    engines: Mapping[str, Mapping[str, Counted]] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ToldSlot:
    """A slot as it is told to others. number: by the plane's own clock.

    began_ago_s: how long ago it began. told_ago_s: how long ago that was said.
    """

    plane: str
    number: int
    began_ago_s: float
    told_ago_s: float
    counts: SlotCounts


@dataclass(frozen=True, slots=True)
class HeardPlane:
    """Another plane. told_ago_s: how long ago it last said something."""

    plane: str
    told_ago_s: float


@dataclass(slots=True)
class _Plane:
    told_at_s: float
    slots: dict[int, tuple[float, SlotCounts]] = field(default_factory=dict)


class OtherPlanes:
    """What the others have told. Bounded by time; planes are as many as there are."""

    def __init__(self) -> None:
        self._planes: dict[str, _Plane] = {}

    def take(self, told: Iterable[ToldSlot], now_s: float) -> None:
        """Takes in what was told lately and lets go of what is too old."""
        for one in told:
            told_at_s = now_s - one.told_ago_s
            plane = self._planes.setdefault(one.plane, _Plane(told_at_s))
            plane.told_at_s = max(plane.told_at_s, told_at_s)
            plane.slots[one.number] = now_s - one.began_ago_s, one.counts
        oldest_s = now_s - LONGEST_S - SLOT_S
        for plane in self._planes.values():
            for number in [n for n, (began_s, _) in plane.slots.items() if began_s < oldest_s]:
                del plane.slots[number]
        self._planes = {name: plane for name, plane in self._planes.items() if plane.slots}

    def heard(self, now_s: float) -> tuple[HeardPlane, ...]:
        """All of whom something still counts."""
        return tuple(
            HeardPlane(name, now_s - plane.told_at_s)
            for name, plane in sorted(self._planes.items())
        )

    def counted_s(self) -> float | None:
        """When the oldest slot began that any of them told of; None without one."""
        began = (began_s for plane in self._planes.values() for began_s, _ in plane.slots.values())
        return min(began, default=None)

    def engines(self) -> set[str]:
        return {
            engine
            for plane in self._planes.values()
            for _, counts in plane.slots.values()
            for engine in counts.engines
        }

    def slots(self, engine: str) -> dict[str, dict[int, Counted]]:
        """What they have counted of an engine, by release and slot here."""
        found: dict[str, dict[int, Counted]] = {}
        for plane in self._planes.values():
            for began_s, counts in plane.slots.values():
                number = int((began_s + SLOT_S / 2) // SLOT_S)
                for release, counted in counts.engines.get(engine, {}).items():
                    found.setdefault(release, {}).setdefault(number, Counted()).merge(counted)
        return found


def added_up(*parts: Mapping[str, Slots]) -> dict[str, dict[int, Counted]]:
    """By release and slot; the parts stay as they are, and what only one has is not copied."""
    whole: dict[str, dict[int, Counted]] = {}
    for part in parts:
        for release, slots in part.items():
            of = whole.setdefault(release, {})
            for number, counted in slots.items():
                known = of.get(number)
                if known is None:
                    of[number] = counted
                else:
                    both = of[number] = Counted()
                    both.merge(known)
                    both.merge(counted)
    return whole
