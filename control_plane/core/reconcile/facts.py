"""What is known of each instance: seen, proved, in flight, and whether it may be touched.

Nothing here is remembered from what was done: Triton answers OK to loads that it has not
carried out, drops a twin silently with a version it pins, and forgets everything when it is
restarted. So an action counts when its effect has been observed, and a proof only as long as
what was proved is still there.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from control_plane.core.catalogue import Release
from control_plane.core.loading import Observation
from control_plane.core.reconcile.actions import Action, takes_away

ReleaseKey = tuple[str, str]
"""An engine and one of its releases, by name."""


def key_of(release: Release) -> ReleaseKey:
    return release.engine, release.version


@dataclass(frozen=True, slots=True)
class InstanceFacts:
    """One instance.

    observed: None when the last look had no answer. Its twins must have been asked for over all
        releases of the catalogue: one that is not wanted and not asked for is never seen.
    proved: releases that have answered their golden input since they were seen to serve here
        (``keep_proofs``); one of an engine without a golden input is proved when it serves.
    in_flight: requests under way here by release, of all control planes.
    under_way: what is being done there now, by a plan or by a mend, all of it until its end.
    refused: releases that could not be loaded or proved here when it was last tried, and why.
    is_held_back: an operator has it drained or isolated: nothing is changed there.
    resting: actions that have failed there a moment ago; they are tried again after a while.
    """

    observed: Observation | None = None
    proved: frozenset[ReleaseKey] = frozenset()
    in_flight: Mapping[ReleaseKey, int] = field(default_factory=dict)
    under_way: tuple[Action, ...] = ()
    refused: Mapping[ReleaseKey, str] = field(default_factory=dict)
    is_held_back: bool = False
    resting: tuple[Action, ...] = ()

    @property
    def can_be_changed(self) -> bool:
        """Whether it answers and nobody holds it back. What rests there is done later."""
        return self.observed is not None and not self.is_held_back

    def is_serving(self, release: Release) -> bool:
        return self.observed is not None and self.observed.is_serving(release)

    def is_ready(self, release: Release) -> bool:
        """Whether it serves here, has proved it, and goes on serving: only then may it be routed.

        What is being taken away counts as gone already: between the decision and the next look
        a rollout could come to want it again, and find it there.
        """
        return (
            key_of(release) in self.proved
            and self.is_serving(release)
            and not any(takes_away(action, release) for action in self.under_way)
        )


Fleet = Mapping[str, InstanceFacts]
"""Every instance, by name."""


def keep_proofs(
    proved: Collection[ReleaseKey], known: Iterable[Release], observed: Observation
) -> frozenset[ReleaseKey]:
    """The proofs that a look leaves standing: what does not serve now has to prove itself anew."""
    return frozenset(
        key
        for release in known
        if (key := key_of(release)) in proved and observed.is_serving(release)
    )


def routable(known: Iterable[Release], fleet: Fleet) -> frozenset[ReleaseKey]:
    """The releases that are ready on at least one instance.

    What an operator drains or isolates takes no requests, so it does not count.
    """
    takers = [facts for facts in fleet.values() if not facts.is_held_back]
    proved = frozenset[ReleaseKey]().union(*(facts.proved for facts in takers))
    return frozenset(
        key
        for release in known
        if (key := key_of(release)) in proved and any(facts.is_ready(release) for facts in takers)
    )
