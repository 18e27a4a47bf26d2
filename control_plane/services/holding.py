"""What operators do to instances, for all planes: who is held back is stored, and outlives the
control plane; that one was healed is read in the audit by those that were not asked.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import replace

import structlog

from control_plane.core.health import IllegalEvent, State
from control_plane.core.state import AuditEntry, Change, Hold, HoldKind
from control_plane.ports import AuditLog, StaleRevision, StateStore, StoreUnavailable
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet

log = structlog.get_logger(__name__)

MOST_TRIES = 20

MOST_HEARD = 200
"""Entries of the audit read at once, far more than are written between two looks."""

HEAL = "heal"
PLANE = "plane"
"""Where an entry says on which plane it was said."""

HELD: Mapping[HoldKind, State] = {
    HoldKind.DRAINED: State.DRAINING,
    HoldKind.ISOLATED: State.ISOLATED,
}


class Holding:
    """Writes down what an operator does, and does here what was said on another plane.

    plane: this control plane's name. heal: what a heal does here, by the instance's name.
    """

    def __init__(
        self,
        *,
        plane: str,
        board: Board,
        store: StateStore,
        audit: AuditLog,
        fleet: Fleet,
        heal: Callable[[str, str], None],
    ) -> None:
        self._plane = plane
        self._board = board
        self._store = store
        self._audit = audit
        self._fleet = fleet
        self._heal = heal
        # By instance, what was applied here last, or said here since; none was held before that.
        self._applied: dict[str, Hold | None] = {}
        self._writing: Counter[str] = Counter()
        # The last entry of the audit that was read for heals; None before the first look.
        self._heard: int | None = None
        self._heard_revision = -1

    async def write(self, name: str, hold: Hold | None, entry: AuditEntry) -> None:
        """Write a hold down, or that it is over, together with who said so.

        While the store is away it holds on this plane alone, and until it stops: an operator who
        has to take an instance out is not kept from it.
        """
        entry = replace(entry, after={**entry.after, PLANE: self._plane})
        # What is said here now comes after all that was read so far, be it applied yet or not.
        self._applied[name] = self._board.state.holds.get(name)
        self._writing[name] += 1
        try:
            await self._write(name, hold, entry)
        finally:
            self._writing[name] -= 1

    async def _write(self, name: str, hold: Hold | None, entry: AuditEntry) -> None:
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

    async def follow(self) -> None:
        """Do here what was said on any plane since the last look. Raises StoreUnavailable."""
        if self._board.state.revision != self._heard_revision:
            revision = self._board.state.revision
            await self._hear()
            self._heard_revision = revision
        self.apply()

    async def _hear(self) -> None:
        """Heal what was healed on another plane, as whoever leads has to."""
        records = await self._audit.entries(limit=MOST_HEARD)
        heard, self._heard = self._heard, records[0].number if records else 0
        names = {instance.name for instance in self._fleet.instances}
        for record in reversed(records):
            entry = record.entry
            is_new = heard is not None and record.number > heard
            is_elsewhere = entry.after.get(PLANE) != self._plane
            if is_new and is_elsewhere and entry.action == HEAL and entry.instance in names:
                try:
                    self._heal(entry.instance, f"{entry.reason} (on another control plane)")
                except IllegalEvent as error:
                    log.warning("a heal cannot be followed", reason=str(error))

    def apply(self) -> None:
        """Hold back here what is held back, and nothing else, where that has changed.

        An instance that an operator is acting on here stays as he has it until that is written:
        what is stored of it is older than his word.
        """
        for instance in self._fleet.instances:
            name = instance.name
            hold, before = self._board.state.holds.get(name), self._applied.get(name)
            if hold == before or self._writing[name]:
                continue
            self._applied[name] = hold
            try:
                self._apply(name, hold, was_held=before is not None)
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
