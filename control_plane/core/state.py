"""What is stored of engines, rollouts and routes: the desired side of everything, as one value.

A *state* has a revision that grows with every write. Who writes says which revision the change
was decided on (compare-and-set), so no change is lost and none is made on what is no longer so.
What is seen of the instances is never stored: it is looked at again.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

from control_plane.core.catalogue import Engine
from control_plane.core.rollout import Goal, Rollout
from control_plane.core.routing import RoutingTable, Trial


@dataclass(frozen=True, slots=True)
class EngineState:
    """One engine's part.

    stable: its stable release. rollout: the one under way, or the last; None if there was none.
    trial: what the rollout's present step, or its shadow, is measured by.
    """

    stable: str
    rollout: Rollout | None = None
    trial: Trial | None = None


class HoldKind(StrEnum):
    """What an operator did to an instance."""

    DRAINED = "drained"
    ISOLATED = "isolated"


@dataclass(frozen=True, slots=True)
class Hold:
    """An instance that an operator holds back, and why."""

    kind: HoldKind
    reason: str


@dataclass(frozen=True, slots=True)
class State:
    """Everything, as of one revision. Revision 0 is a store that nothing was ever written to."""

    revision: int = 0
    engines: Mapping[str, EngineState] = field(default_factory=dict)
    table: RoutingTable = field(default_factory=RoutingTable)
    holds: Mapping[str, Hold] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """Who did what to what, why, and how it was before and after.

    who: a person as he says, or ``tidegate`` for what was decided by rule.
    action: ``promote``, ``roll_back``, ``pause``, ``step``, ``register``, ``drain`` …
    engine, rollout_id, instance: what it was done to; empty where it does not apply.
    before, after: JSON objects with the fields that changed.
    """

    who: str
    action: str
    reason: str = ""
    engine: str = ""
    rollout_id: str = ""
    instance: str = ""
    before: Mapping[str, Any] = field(default_factory=dict)
    after: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class AuditRecord:
    """An entry as it was stored. number: grows; at_s: seconds since the epoch, by the store."""

    number: int
    at_s: float
    entry: AuditEntry


@dataclass(frozen=True, slots=True)
class Change:
    """One write: all of it or nothing.

    engines, holds: only what changes; a hold that is None is taken away.
    table: None if the routes stay.
    audit: what is written down with it.
    """

    engines: Mapping[str, EngineState] = field(default_factory=dict)
    table: RoutingTable | None = None
    holds: Mapping[str, Hold | None] = field(default_factory=dict)
    audit: tuple[AuditEntry, ...] = ()


@dataclass(frozen=True, slots=True)
class Lease:
    """The right to lead until it expires. epoch: greater with every new leader (fencing)."""

    holder: str
    epoch: int
    expires_in_s: float


@dataclass(frozen=True, slots=True)
class PlaneReport:
    """What the other control planes have to know of one.

    plane: its name, another one after each start.
    revision: of the state it follows. routed: the releases that its routing table names.
    in_flight: requests under way, by instance, by (engine, release).
    instances: where each instance is, by its name; all planes are to have the same.
    """

    plane: str
    revision: int
    routed: frozenset[tuple[str, str]] = frozenset()
    in_flight: Mapping[str, Mapping[tuple[str, str], int]] = field(default_factory=dict)
    instances: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class KeyedUnit:
    """One request with a routing key that a plane has counted (``Tally.observe`` said so).

    digest: of the key, as the tally knows it (64 bits, unsigned). step: the number of the step.
    """

    digest: int
    step: int
    weight_bp: int
    confidence_centre: float
    is_canary: bool
    is_error: bool
    is_slow: bool
    confidence_bucket: int | None


def goals_of(
    state: State, engines: Mapping[str, Engine], fallbacks: Mapping[str, str]
) -> tuple[Goal, ...]:
    """Each engine as it should be. Engines that the state does not know yet have no goal.

    engines: the catalogue. fallbacks: the release that an engine falls back to, by engine.

    The routes remember what the releases they name pin, so that one that has been struck from
    the catalogue is served until the traffic has left it. A rollout to a target that is in
    neither wants nothing.
    """
    goals = []
    for name, engine in engines.items():
        here, route = state.engines.get(name), state.table.routes.get(name)
        if here is None:
            continue
        if route is not None:
            engine = replace(engine, releases={**route.serving, **engine.releases})
        stable = here.stable if here.stable in engine.releases else engine.stable
        rollout = here.rollout
        if rollout is not None and rollout.target not in engine.releases:
            rollout = None
        fallback = fallbacks.get(name)
        goals.append(Goal(engine, stable, rollout, fallback, here.trial))
    return tuple(goals)
