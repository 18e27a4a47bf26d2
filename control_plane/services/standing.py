"""What one control plane is among the others, as a value to be shown.

Whether it leads, which state it goes by and whether it hears the store, and what is wrong with
the catalogue of releases: what an operator asks when a rollout does not move.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from control_plane.core.state import Lease
from control_plane.ports import Calendar
from control_plane.services.board import Board


@dataclass(frozen=True, slots=True)
class Standing:
    """One control plane now.

    plane: its name, another one after each start. others: those that it hears of.
    epoch, led_since: of its lease; None while it does not lead.
    revision: of the state that it goes by. is_store_away: whether it cannot ask for a newer one.
    is_queue_away: whether the queue of jobs does not answer.
    complaints: what is wrong with the catalogue, or between the planes, each in a sentence.
    """

    plane: str
    others: tuple[str, ...] = ()
    epoch: int | None = None
    led_since: datetime | None = None
    revision: int = 0
    is_store_away: bool = False
    is_queue_away: bool = False
    complaints: tuple[str, ...] = ()

    @property
    def is_leading(self) -> bool:
        return self.epoch is not None


class Standings:
    """Tells the standing of this plane.

    lease: the one that is held, and since when by the monotonic clock; None while none is.
    is_store_away, is_queue_away: as it was at the latest question to each.
    instances: where each instance is, by its name. complaints: of the catalogue.
    """

    def __init__(
        self,
        plane: str,
        *,
        board: Board,
        lease: Callable[[], tuple[Lease, float] | None],
        is_store_away: Callable[[], bool],
        is_queue_away: Callable[[], bool],
        instances: Mapping[str, str],
        complaints: Callable[[], Sequence[str]],
        calendar: Calendar,
    ) -> None:
        self._plane = plane
        self._board = board
        self._lease = lease
        self._is_store_away = is_store_away
        self._is_queue_away = is_queue_away
        self._instances = instances
        self._complaints = complaints
        self._calendar = calendar

    def now(self) -> Standing:
        held = self._lease()
        return Standing(
            plane=self._plane,
            others=tuple(sorted(report.plane for report in self._board.reports)),
            epoch=held[0].epoch if held else None,
            led_since=self._calendar.utc(held[1]) if held else None,
            revision=self._board.state.revision,
            is_store_away=self._is_store_away(),
            is_queue_away=self._is_queue_away(),
            complaints=(*self._complaints(), *self._differences()),
        )

    def _differences(self) -> list[str]:
        """Of planes that were given other instances: the one that leads knows only its own."""
        return [
            f"control plane {report.plane} has other instances: "
            + ", ".join(
                f"{name} at {report.instances.get(name, 'none')}, here at "
                f"{self._instances.get(name, 'none')}"
                for name in sorted({*report.instances, *self._instances})
                if report.instances.get(name) != self._instances.get(name)
            )
            + "; only those of the one that leads are looked after"
            for report in self._board.reports
            if report.instances and report.instances != self._instances
        ]
