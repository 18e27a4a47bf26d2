"""What an operator does to an instance: drain, undrain, isolate, heal.

Decides whether that may be done now; what follows from it is for the fleet and its health. What
is held back stays so over restarts, and on every control plane (``holding``).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from typing import Protocol

import structlog

from control_plane.core.catalogue import Release
from control_plane.core.health import State
from control_plane.core.routing import RoutingTable
from control_plane.core.state import AuditEntry, Hold, HoldKind
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.services.fleet import Fleet
from control_plane.services.holding import Holding
from control_plane.services.status import check_instance

log = structlog.get_logger(__name__)

DEFAULT_REASON = "asked by an operator"
WHO = "operator"
MAX_REASON_CHARACTERS = 200


class Action(StrEnum):
    """DRAIN: finish what is in flight, take nothing new. UNDRAIN: be judged by looks again.

    ISOLATE: the same as DRAIN for one that is not trusted, until HEAL: be believed well again.
    """

    DRAIN = "drain"
    UNDRAIN = "undrain"
    ISOLATE = "isolate"
    HEAL = "heal"


LEADS_TO: Mapping[Action, State] = {
    Action.DRAIN: State.DRAINING,
    Action.ISOLATE: State.ISOLATED,
}
"""What takes an instance out of service, and the state it is in then."""

HOLDS: Mapping[Action, HoldKind] = {
    Action.DRAIN: HoldKind.DRAINED,
    Action.ISOLATE: HoldKind.ISOLATED,
}


class Mending(Protocol):
    """What mends the engines of the fleet."""

    def heal(self, name: str) -> None:
        """Forget what was tried on an instance, and with it what was given up there."""
        ...


class Operations:
    """The actions of an operator on the instances of a fleet, by name.

    holding: where it is written down, if anywhere. mending: told of a heal, where something mends.
    """

    def __init__(
        self,
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        mending: Mending | None = None,
        holding: Holding | None = None,
    ) -> None:
        self._fleet = fleet
        self._holding = holding
        self._table = table
        self._mending = mending
        self._apply = {
            Action.DRAIN: fleet.drain,
            Action.UNDRAIN: fleet.undrain,
            Action.ISOLATE: fleet.isolate,
            Action.HEAL: self._heal,
        }

    async def act(
        self, action: Action, name: str, *, reason: str = "", force: bool = False, who: str = WHO
    ) -> None:
        """Do it. What is draining or isolated already stays so, and its first reason with it.

        reason: why, for the history; DEFAULT_REASON when empty. who: asks for it, as he says.
        force: take it out even if nothing is left then for some release.

        Raises ControlPlaneError: NOT_FOUND for an instance nobody knows, INVALID_ARGUMENT for
        a reason that cannot be shown, CONFLICT where the action makes no sense in the state the
        instance is in, or would take the last place where a routed release takes requests.
        """
        check_instance(self._fleet, name)
        reason = check_reason(reason)
        leads_to = LEADS_TO.get(action)
        if leads_to is not None:
            if self._fleet.health(name).state is leads_to:
                return
            if not force:
                self._check_not_last(action, name)
        was = self._fleet.health(name).state
        self._apply[action](name, reason)
        if self._holding is not None:
            kind = HOLDS.get(action)
            entry = AuditEntry(
                who,
                action.value,
                reason,
                instance=name,
                before={"health": was.value},
                after={"health": self._fleet.health(name).state.value},
            )
            hold = Hold(kind, reason) if kind is not None else None
            await self._holding.write(name, hold, entry)
        log.info("operator acted", action=action, instance=name, reason=reason, force=force)

    def _heal(self, name: str, reason: str) -> None:
        heal(self._fleet, self._mending, name, reason)

    def _check_not_last(self, action: Action, name: str) -> None:
        only_there = [
            f"{release.engine} {release.version}"
            for release in self._table().releases()
            if self._is_last(name, release)
        ]
        if only_there:
            raise ControlPlaneError(
                ErrorCode.CONFLICT,
                f"{name!r} is the last instance that takes requests for {', '.join(only_there)}; "
                f"to {action} it all the same, force it",
                field="force",
            )

    def _is_last(self, name: str, release: Release) -> bool:
        """Whether no other instance answers for a release as well as this one does.

        One whose breaker is not closed is a last resort, as one is that does not answer looks:
        among such ones any other is as good, but none is as good as one that is well.
        """
        served = (release.engine, release.version)
        ready = {one.name for one in self._fleet.ready_on(*served)}
        well = {one for one in ready if served not in self._fleet.breakers(one)}
        last_resorts = {one.name for one in self._fleet.last_resorts(*served)}
        return (well or ready | last_resorts) == {name}


def heal(fleet: Fleet, mending: Mending | None, name: str, reason: str) -> None:
    """Believe on this plane that an instance is well, and mend there again what was given up.

    Raises IllegalEvent.
    """
    fleet.heal(name, reason)
    if mending is not None:
        mending.heal(name)


def check_reason(reason: str) -> str:
    """The reason as it is kept. Raises InvalidArgument."""
    reason = reason.strip()
    if len(reason) > MAX_REASON_CHARACTERS:
        raise InvalidArgument(
            f"reason has {len(reason)} characters; the limit is {MAX_REASON_CHARACTERS}",
            field="reason",
        )
    if not reason.isprintable():
        # It is shown on terminals, where a control character is a command.
        raise InvalidArgument(
            "reason must be one line of printable characters, without control characters",
            field="reason",
        )
    return reason or DEFAULT_REASON
