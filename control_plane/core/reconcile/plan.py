"""From what is desired and what was observed to the next actions on each instance.

The version-policy transaction, forwards and backwards. Between two lines lies a look: what a
line needs is taken from what was observed, never from the OK of the line before.

    widen the components' policies ─► load the twin ─► prove ─► the route may name it
    the route names it no more, no request in flight ─► unload the twin ─► narrow ─► gone

There is no undo. A rollout that fails or is rolled back does not want its target any more, and
the same comparison then leads backwards, from wherever the way forwards has got to. A
crash, a lost action and a restarted Triton are no cases of their own either.

One instance at a time: an action may cost requests of the engines that use what it touches, so
it needs each of these engines for itself over the fleet, if the engine is served there. An
instance that has just started has nothing to lose and is filled without waiting. A new
release comes to an instance after the engine's stable one: an instance that a new release
has brought down first gets back what callers need.

What no release of the catalogue pins was not loaded by us and stays as it is.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from control_plane.core.catalogue import Release
from control_plane.core.loading import LoadTwin, Observation, plan_loads
from control_plane.core.mending import UnloadComponent, UnloadTwin
from control_plane.core.reconcile.actions import (
    Action,
    NarrowVersions,
    Prove,
    engines_touched,
)
from control_plane.core.reconcile.desired import Desired, Reason, Wanted
from control_plane.core.reconcile.facts import Fleet, InstanceFacts, key_of


def plan_fleet(
    desired: Desired, *, known: Iterable[Release], fleet: Fleet
) -> dict[str, tuple[Action, ...]]:
    """The next actions on each instance that has any; in order, each idempotent.

    known: every release that may be on an instance: the whole catalogue.

    On the same facts the plan is the same. It is empty when nothing is left to do, and where
    what is left has to wait. What was observed of an instance must be from after the end of
    what was last done there.
    """
    releases = tuple(known)
    taken = {
        engine: name
        for name, facts in fleet.items()
        for action in facts.under_way
        for engine in engines_touched(action, releases)
    }
    plans: dict[str, tuple[Action, ...]] = {}
    for name in sorted(name for name, facts in fleet.items() if not facts.under_way):
        allowed = []
        for action in plan_instance(desired.get(name, ()), known=releases, facts=fleet[name]):
            engines = engines_at_risk(action, releases, fleet[name])
            if all(taken.get(engine, name) == name for engine in engines):
                taken.update(dict.fromkeys(engines, name))
                allowed.append(action)
        if allowed:
            plans[name] = tuple(allowed)
    return plans


def plan_instance(
    wanted: Sequence[Wanted], *, known: Sequence[Release], facts: InstanceFacts
) -> tuple[Action, ...]:
    """What one instance needs next, whatever goes on elsewhere."""
    observed = facts.observed
    if observed is None or facts.is_held_back:
        return ()
    coming = [goal.release for goal in wanted if _may_come(goal, wanted, facts)]
    loads = (
        action
        for action in plan_loads(coming, observed)
        if not (isinstance(action, LoadTwin) and not observed.has_components(action.release))
    )
    proofs = (
        Prove(release)
        for release in coming
        if observed.is_serving(release) and key_of(release) not in facts.proved
    )
    actions = (*loads, *proofs, *_removals(wanted, known, observed))
    return tuple(action for action in actions if action not in facts.resting)


def spare_versions(
    wanted: Iterable[Wanted], known: Iterable[Release], observed: Observation
) -> dict[str, frozenset[int]]:
    """The versions that are ready and can go: pinned by what we know, by nothing that is here.

    A twin that is still there keeps what it pins, wanted or not: narrowing a version away
    takes the twin down. A model that is about to be widened keeps all it has: narrowing it by
    the same look would undo that.
    """
    releases = tuple(known)
    needed = _versions(goal.release.pins for goal in wanted)
    pinned = _versions(observed.twin_pins.values())
    none: frozenset[int] = frozenset()
    spare: dict[str, frozenset[int]] = {}
    for model, ready in sorted(observed.ready_versions.items()):
        unused = ready - needed.get(model, none) - pinned.get(model, none)
        # Mostly there is none, and the long catalogue has not to be looked through.
        if unused and needed.get(model, none) <= ready:
            ours = frozenset(release.pins.get(model) for release in releases)
            if unused & ours:
                spare[model] = unused & ours
    return spare


def spare_twins(
    wanted: Iterable[Wanted], known: Iterable[Release], observed: Observation
) -> tuple[Release, ...]:
    """The releases whose twins are ready and can go."""
    unused = observed.twin_pins.keys() - {goal.release.model_name for goal in wanted}
    if not unused:
        return ()
    return tuple(release for release in known if release.model_name in unused)


def engines_at_risk(
    action: Action, known: Sequence[Release], facts: InstanceFacts
) -> frozenset[str]:
    """The engines it touches that have something to lose there.

    A proof disturbs nobody, but it is a part of bringing a new release to an engine that works:
    until it is over, that release comes to no other instance.
    """
    is_used = facts.is_ready if isinstance(action, Prove) else facts.is_serving
    used = frozenset(release.engine for release in known if is_used(release))
    return engines_touched(action, known) & used


def _may_come(goal: Wanted, wanted: Iterable[Wanted], facts: InstanceFacts) -> bool:
    """Whether it is to be loaded here now.

    A new release waits for stable, unless stable was refused here: it may be the cure.
    """
    if goal.reason is not Reason.CANARY:
        return goal.reason is not Reason.DRAINING
    return all(
        facts.is_ready(other.release) or key_of(other.release) in facts.refused
        for other in wanted
        if other.reason is Reason.STABLE and other.release.engine == goal.release.engine
    )


def _removals(
    wanted: Sequence[Wanted], known: Sequence[Release], observed: Observation
) -> list[Action]:
    """Twins first; a version can go once no twin that was observed pins it."""
    removals: list[Action] = [UnloadTwin(twin) for twin in spare_twins(wanted, known, observed)]
    for model, versions in spare_versions(wanted, known, observed).items():
        left = tuple(sorted(observed.ready_versions[model] - versions))
        removals.append(NarrowVersions(model, left) if left else UnloadComponent(model))
    return removals


def _versions(pins: Iterable[Mapping[str, int]]) -> dict[str, frozenset[int]]:
    """The versions that are pinned, by component."""
    found: dict[str, set[int]] = {}
    for one in pins:
        for component, version in one.items():
            found.setdefault(component, set()).add(version)
    return {component: frozenset(versions) for component, versions in found.items()}
