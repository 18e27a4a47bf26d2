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
from control_plane.core.reconcile.facts import Fleet, InstanceFacts, ReleaseKey, key_of


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
    goals, releases = tuple(wanted), tuple(known)
    names = {key_of(goal.release) for goal in goals}
    spare = [release for release in releases if key_of(release) not in names]
    return {
        name: (
            *goals,
            *(Wanted(one, Reason.DRAINING) for one in spare if _is_used(one, facts, routed)),
        )
        for name, facts in fleet.items()
    }


def _is_used(release: Release, facts: InstanceFacts, routed: Collection[ReleaseKey]) -> bool:
    key = key_of(release)
    return key in routed or facts.in_flight.get(key, 0) > 0
