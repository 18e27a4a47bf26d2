"""What each instance should have: the releases wanted of the fleet, and those not yet let go.

A release that is not wanted any more is kept where it is until nobody can be using it: as long
as a routing table that some control plane may still follow names it, or a request to it is
under way there. Kept means not taken away; what is lost meanwhile is not loaded again.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

from control_plane.core.catalogue import Release
from control_plane.core.reconcile.facts import Fleet, ReleaseKey, key_of


class Reason(StrEnum):
    """Why an instance has a release.

    CANARY: the target of a rollout, whatever its kind. DRAINING: only until its requests are over.
    """

    STABLE = "stable"
    CANARY = "canary"
    FALLBACK = "fallback"
    DRAINING = "draining"


@dataclass(frozen=True, slots=True)
class Wanted:
    """A release that an instance should have."""

    release: Release
    reason: Reason


Desired = Mapping[str, tuple[Wanted, ...]]
"""What each instance should have, by the instance's name."""


def desired_of(
    wanted: Iterable[Wanted],
    *,
    known: Iterable[Release],
    fleet: Fleet,
    routed: Collection[ReleaseKey],
) -> dict[str, tuple[Wanted, ...]]:
    """What each instance should have.

    wanted: of every instance (``Goal.wanted`` of every engine).
    known: every release that may be on an instance: the whole catalogue.
    routed: what is named by any table that a control plane may still follow, the present one too.
    """
    goals = tuple(wanted)
    names = {key_of(goal.release) for goal in goals}
    spare = {key: release for release in known if (key := key_of(release)) not in names}
    still_routed = spare.keys() & routed
    desired = {}
    for name, facts in fleet.items():
        in_flight = (key for key, count in facts.in_flight.items() if count > 0)
        used = still_routed.union(spare.keys() & in_flight)
        draining = (one for key, one in spare.items() if key in used) if used else ()
        desired[name] = (*goals, *(Wanted(one, Reason.DRAINING) for one in draining))
    return desired
