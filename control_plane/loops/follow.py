"""Following the state store: what another control plane has written holds here a moment later.

    revision changed? ──► read ──► put on the board
    time to report?   ──► say which releases are routed and in flight here; read what others say

The store is asked for one number, ten times a second; that is what "within 250 ms" rests on.
While the store is away everything goes on by what was last read.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import structlog

from control_plane.core.state import PlaneReport
from control_plane.ports import Clock, Planes, StateStore, StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet
from control_plane.services.holding import Holding

log = structlog.get_logger(__name__)

REPORTS_IN_TTL = 8
"""A plane that misses so many reports in a row is taken for gone."""


@dataclass(frozen=True, slots=True)
class FollowTimes:
    """interval_s: between two questions for the revision; report_s: between two reports."""

    interval_s: float = 0.1
    report_s: float = 0.5


class Follow:
    """Keeps the board true. ``run`` never ends.

    plane: this control plane's name, another one after each start.
    """

    def __init__(
        self,
        plane: str,
        *,
        board: Board,
        store: StateStore,
        planes: Planes,
        fleet: Fleet,
        times: FollowTimes,
        clock: Clock,
        holding: Holding | None = None,
    ) -> None:
        self._plane = plane
        self._holding = holding
        self._board = board
        self._store = store
        self._planes = planes
        self._fleet = fleet
        self._times = times
        self._clock = clock
        self._report_at_s = float("-inf")
        self._is_away = False

    @property
    def is_away(self) -> bool:
        """Whether the store did not answer when it was asked last."""
        return self._is_away

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self.follow()
            await asyncio.sleep(self._times.interval_s)

    async def follow(self) -> None:
        """One round. A store that is away is told of once."""
        try:
            if await self._store.revision() != self._board.state.revision:
                await self._read()
            if self._holding is not None:
                await self._holding.follow()
            if self._clock.now_s() >= self._report_at_s:
                await self._report()
        except StoreUnavailable as error:
            if not self._is_away:
                log.warning("state store is away; going on by what was read", reason=str(error))
            self._is_away = True
            return
        if self._is_away:
            log.info("state store is back", revision=self._board.state.revision)
        self._is_away = False

    async def _read(self) -> None:
        """Go by what is stored now.

        One that is older than what was known before it was asked for is what a restored backup
        gives. Older than what this plane itself has written meanwhile is only a read that was
        overtaken.
        """
        known = self._board.state.revision
        state = await self._store.read()
        if state.revision < known:
            log.warning("the state store has gone back", revision=state.revision)
            self._board.go_to(state)
        self._board.put(state)
        self._report_at_s = float("-inf")  # others may wait to hear what is routed here

    async def _report(self) -> None:
        ttl_s = REPORTS_IN_TTL * self._times.report_s
        await self._planes.report(report_of(self._plane, self._board, self._fleet), ttl_s=ttl_s)
        reports = await self._planes.reports()
        self._board.reports = tuple(one for one in reports if one.plane != self._plane)
        self._report_at_s = self._clock.now_s() + self._times.report_s


def report_of(plane: str, board: Board, fleet: Fleet) -> PlaneReport:
    """What is routed and in flight here now."""
    return PlaneReport(
        plane=plane,
        revision=board.state.revision,
        routed=frozenset((one.engine, one.version) for one in board.table.releases()),
        in_flight={
            instance.name: {
                served: count for served, count in instance.in_flight_of.items() if count
            }
            for instance in fleet.instances
        },
        instances={instance.name: instance.url for instance in fleet.instances},
    )
