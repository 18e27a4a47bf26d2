"""The last minutes' traffic of all planes, and the drift of confidences."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.stores import SqlStore
from control_plane.bootstrap.requests import RequestPath
from control_plane.loops.traffic import TrafficLoop
from control_plane.services.board import Board
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.traffic import Traffic


@dataclass(frozen=True, slots=True)
class TrafficParts:
    """What is shown, and what keeps it true, on every plane."""

    traffic: Traffic
    loop: TrafficLoop

    def drifts(self) -> dict[tuple[str, ...], float]:
        """The index by engine and release, of those that have enough samples."""
        return {
            served: drift.index
            for served, drift in self.traffic.drifts().items()
            if drift.index is not None
        }


def make_traffic(
    plane: str,
    store: SqlStore,
    board: Board,
    path: RequestPath,
    drift: ConfidenceDrift,
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> TrafficParts:
    traffic = Traffic(
        plane,
        counts=path.counts,
        share=store,
        has_others=lambda: bool(board.reports),
        drift=drift,
        clock=clock,
        calendar=calendar,
    )
    return TrafficParts(traffic, TrafficLoop(traffic, drift))
