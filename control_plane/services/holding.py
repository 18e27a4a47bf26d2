"""Instances that operators hold back: stored, so that it outlives the control plane, and
followed by every plane.
"""

from __future__ import annotations

from collections.abc import Mapping

import structlog

from control_plane.core.health import IllegalEvent, State
from control_plane.core.state import AuditEntry, Change, Hold, HoldKind
from control_plane.ports import StaleRevision, StateStore, StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet

log = structlog.get_logger(__name__)

MOST_TRIES = 20

HELD: Mapping[HoldKind, State] = {
    HoldKind.DRAINED: State.DRAINING,
    HoldKind.ISOLATED: State.ISOLATED,
}


class Holding:
    """Writes holds down, and makes the fleet's health what is written."""

    def __init__(self, *, board: Board, store: StateStore, fleet: Fleet) -> None:
        self._board = board
        self._store = store
        self._fleet = fleet
        self._applied: Mapping[str, Hold] | None = None

    async def write(self, name: str, hold: Hold | None, entry: AuditEntry) -> None:
        """Write a hold down, or that it is over, together with who said so.

        While the store is away it holds on this plane alone, and until it stops: an operator who
        has to take an instance out is not kept from it.
        """
        for _ in range(MOST_TRIES):
            try:
                revision = await self._store.revision()
                change = Change(holds={name: hold}, audit=(entry,))
                self._board.put(await self._store.write(change, expected=revision))
            except StaleRevision:
                continue
            except StoreUnavailable as error:
                log.warning("not stored; it holds here only", instance=name, reason=str(error))
            return
        log.warning("not stored; it holds here only", instance=name, reason="others write too")

    def apply(self) -> None:
        """Hold back here what is held back, and nothing else, if that has changed."""
        holds = self._board.state.holds
        if holds == self._applied:
            return
        before, self._applied = self._applied or {}, dict(holds)
        for instance in self._fleet.instances:
            name = instance.name
            try:
                self._apply(name, holds.get(name), was_held=name in before)
            except IllegalEvent as error:
                log.warning("a hold cannot be followed", instance=name, reason=str(error))

    def _apply(self, name: str, hold: Hold | None, *, was_held: bool) -> None:
        state = self._fleet.health(name).state
        if hold is not None and state is not HELD[hold.kind]:
            act = self._fleet.drain if hold.kind is HoldKind.DRAINED else self._fleet.isolate
            act(name, hold.reason)
        elif hold is None and was_held and state is State.DRAINING:
            self._fleet.undrain(name, "undrained on another control plane")
        elif hold is None and was_held and state is State.ISOLATED:
            self._fleet.heal(name, "healed on another control plane")
