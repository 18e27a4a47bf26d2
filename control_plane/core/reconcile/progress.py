"""How far the fleet has got with one release: what a rollout has to know of the models."""

from __future__ import annotations

from collections.abc import Sequence

from control_plane.core.catalogue import Release
from control_plane.core.reconcile.desired import Desired, Reason
from control_plane.core.reconcile.facts import Fleet, key_of
from control_plane.core.reconcile.plan import spare_twins, spare_versions


def is_ready_everywhere(release: Release, fleet: Fleet) -> bool:
    """Whether it is ready on every instance that can be changed, and on at least one.

    One that is down or held back is brought up to date when it comes back; no rollout waits.
    """
    can_have_it = [facts for facts in fleet.values() if facts.can_be_changed]
    return bool(can_have_it) and all(facts.is_ready(release) for facts in can_have_it)


def lacking(release: Release, fleet: Fleet) -> str:
    """The instances that can be changed and where it is not ready, "" when there is none."""
    return ", ".join(
        name
        for name, facts in sorted(fleet.items())
        if facts.can_be_changed and not facts.is_ready(release)
    )


def refusal(release: Release, fleet: Fleet) -> str:
    """Why an instance would not have it, "" when none has refused it."""
    key = key_of(release)
    said = (
        f"{name}: {facts.refused[key]}"
        for name, facts in sorted(fleet.items())
        if key in facts.refused
    )
    return next(said, "")


def is_gone(release: Release, desired: Desired, known: Sequence[Release], fleet: Fleet) -> bool:
    """Whether no request to it is under way, and nothing is left of it that could be taken away.

    What another release needs too does not count, and an instance that is down or held back is
    cleaned up when it comes back: a rollback is over without it.
    """
    key = key_of(release)
    for name, facts in fleet.items():
        if facts.observed is None or facts.is_held_back:
            continue
        goals = desired.get(name, ())
        if any(key_of(goal.release) == key and goal.reason is Reason.DRAINING for goal in goals):
            return False
        if key in map(key_of, spare_twins(goals, known, facts.observed)):
            return False
        spare = spare_versions(goals, known, facts.observed)
        if any(version in spare.get(model, ()) for model, version in release.pins.items()):
            return False
    return True
