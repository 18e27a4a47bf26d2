"""What an engine is to serve, and the routing table that gives it traffic.

A *goal* puts together what is known of one engine: its releases, which one is stable, the
rollout under way, the release to fall back to. From it follow the releases that its instances
should have (``Goal.wanted``, which the reconciler works towards) and its route (``routes_of``).

The rule that no failure, restart or order of events may break: *a route never names a release
that is not ready on at least one instance.* So routes are a function of what was observed, not
of what was done: a target that is ready nowhere any more is out of the next table, and back in
it with the same salt, and so the same callers, when it is ready again. The stable release alone
is always named: an engine without it has nobody else to send its callers to, and they are told
that it is not ready.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass

from control_plane.core.catalogue import Engine
from control_plane.core.reconcile import Reason, ReleaseKey, Wanted
from control_plane.core.rollout.rollout import Rollout
from control_plane.core.routing import ALL_BP, Route, RoutingTable, Shadow, Trial


@dataclass(frozen=True, slots=True)
class Goal:
    """One engine as it should be.

    stable: its stable release now (``Rollout.stable_now`` of its last rollout).
    rollout: the one under way, or the last; None if there was none.
    fallback: the release that answers when no other one can.
    trial: what the rollout's present step, or its shadow, is measured by.
    """

    engine: Engine
    stable: str
    rollout: Rollout | None = None
    fallback: str | None = None
    trial: Trial | None = None

    @property
    def wanted(self) -> tuple[Wanted, ...]:
        """The releases that every instance should have, and why, stable first."""
        reasons = {self.stable: Reason.STABLE}
        if self.fallback is not None:
            reasons.setdefault(self.fallback, Reason.FALLBACK)
        if self.rollout is not None and self.rollout.wants_target:
            reasons.setdefault(self.rollout.target, Reason.CANARY)
        return tuple(
            Wanted(self.engine.releases[version], reason) for version, reason in reasons.items()
        )


def routes_of(
    goals: Iterable[Goal], routable: Collection[ReleaseKey], previous: RoutingTable
) -> RoutingTable:
    """The routing table for these goals; the previous one itself if nothing changes.

    routable: the releases that are ready on at least one instance (``reconcile.routable``).
    """
    routes = {goal.engine.name: _route(goal, routable) for goal in goals}
    if routes == previous.routes:
        return previous
    return RoutingTable(previous.revision + 1, routes)


def _route(goal: Goal, routable: Collection[ReleaseKey]) -> Route:
    name = goal.engine.name
    fallback = goal.fallback if (name, goal.fallback) in routable else None
    target = _target(goal, routable)
    weight_bp = target.traffic.weight_bp if target is not None else 0
    shadow_bp = target.traffic.shadow_bp if target is not None else 0
    named = [goal.stable, fallback, target.target if target is not None else None]
    return Route(
        engine=name,
        salt=target.rollout_id if target is not None else name,
        stable=goal.stable,
        weights_bp=_weights(goal.stable, target.target if target else None, weight_bp),
        serving={version: goal.engine.releases[version] for version in named if version},
        known=frozenset(goal.engine.releases),
        canary=target.target if target is not None and weight_bp else None,
        fallback=fallback,
        shadow=Shadow(target.target, shadow_bp) if target is not None and shadow_bp else None,
        trial=goal.trial if target is not None else None,
    )


def _target(goal: Goal, routable: Collection[ReleaseKey]) -> Rollout | None:
    """The rollout, if its target is to have traffic and can take it."""
    rollout = goal.rollout
    if rollout is None or not rollout.traffic.is_any:
        return None
    return rollout if (rollout.engine, rollout.target) in routable else None


def _weights(stable: str, target: str | None, weight_bp: int) -> Mapping[str, int]:
    """Stable first, so that the target's share counts from the top of the range and grows down."""
    shares = {stable: ALL_BP - weight_bp}
    if target is not None:
        shares[target] = weight_bp
    return {release: share for release, share in shares.items() if share}
