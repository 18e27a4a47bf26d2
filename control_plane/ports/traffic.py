"""What the control planes tell each other of the last minutes' traffic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from control_plane.core.drift import Reference
from control_plane.core.traffic import SlotCounts, ToldSlot


@dataclass(frozen=True, slots=True)
class OwnSlot:
    """A slot of this plane. number: by its own clock; began_ago_s: how long ago it began."""

    number: int
    began_ago_s: float
    counts: SlotCounts


class TrafficShare(Protocol):
    """The slots of all planes. Time is the store's. Raises StoreUnavailable."""

    async def tell_slots(self, plane: str, slots: Sequence[OwnSlot], *, keep_s: float) -> None:
        """Says what a plane counted in these slots; what it said of them before is replaced.

        keep_s: those of any plane that began longer ago are taken away.
        """
        ...

    async def told_slots(self, plane: str, *, since_s: float) -> tuple[ToldSlot, ...]:
        """What planes other than this one have said in the last ``since_s`` seconds."""
        ...


class References(Protocol):
    """How sure each engine's stable release was at first, once for all planes.

    Raises StoreUnavailable.
    """

    async def references(self) -> Mapping[str, Reference]:
        """By engine."""
        ...

    async def freeze(self, engine: str, reference: Reference) -> None:
        """Keeps it, unless there is one of the same release: the first one stays."""
        ...
