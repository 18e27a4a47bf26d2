"""The figures of the fleet, the request path and the rollouts, read when somebody looks.

Each is a mapping from what it is a figure of (an instance, an engine and its release …) to a
number, so that whoever shows them needs to know nothing of where they come from. None of them
waits, but for the evidence of rollouts, which is in the store.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from control_plane.core.breaker import State as BreakerState
from control_plane.core.catalogue import Engine
from control_plane.core.health import State as HealthState
from control_plane.core.rollout import Assessment
from control_plane.core.rollout import State as RolloutState
from control_plane.core.routing import ALL_BP
from control_plane.ports import EvidenceLog
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway
from control_plane.services.result_cache import ResultReuse

Figures = dict[tuple[str, ...], float]

BREAKER_NUMBERS: Mapping[BreakerState, int] = {
    BreakerState.CLOSED: 0,
    BreakerState.HALF_OPEN: 1,
    BreakerState.OPEN: 2,
    BreakerState.ISOLATED: 3,
}
HEALTH_NUMBERS: Mapping[HealthState, int] = {
    HealthState.HEALTHY: 0,
    HealthState.DEGRADED: 1,
    HealthState.UNKNOWN: 2,
    HealthState.DRAINING: 3,
    HealthState.UNHEALTHY: 4,
    HealthState.ISOLATED: 5,
}
"""The higher, the worse, in both; what takes requests is below 2."""


class RequestFigures:
    """By engine. engines: as they are now. reuse: None where no results are kept."""

    def __init__(
        self, gateway: Gateway, engines: Mapping[str, Engine], reuse: ResultReuse | None
    ) -> None:
        self._gateway = gateway
        self._engines = engines
        self._reuse = reuse

    def retry_budgets(self) -> Figures:
        return {(name,): self._gateway.retry_budget(name) for name in self._engines}

    def limits(self) -> Figures:
        return {(name,): self._gateway.admission(name).limit for name in self._engines}

    def in_flight(self) -> Figures:
        return {(name,): self._gateway.admission(name).in_flight for name in self._engines}

    def admitted(self) -> Figures:
        """By engine and priority."""
        return {
            (name, priority.value): count
            for name in self._engines
            for priority, count in self._gateway.admission(name).admitted.items()
        }

    def shed(self) -> Figures:
        """By engine and priority."""
        return {
            (name, priority.value): count
            for name in self._engines
            for priority, count in self._gateway.admission(name).shed.items()
        }

    def reused(self) -> Figures:
        """How often it was looked for a result, by what came of it."""
        if self._reuse is None:
            return {}
        seen = self._reuse.statistics()
        return {("hit",): seen.hits, ("miss",): seen.misses, ("shared",): seen.shared}

    def reuse_errors(self) -> Figures:
        return {} if self._reuse is None else {(): self._reuse.statistics().errors}


class FleetFigures:
    """By instance, and by engine and release. engines: as they are now."""

    def __init__(self, fleet: Fleet, engines: Mapping[str, Engine]) -> None:
        self._fleet = fleet
        self._engines = engines

    def healths(self) -> Figures:
        """``HEALTH_NUMBERS``, by instance."""
        fleet = self._fleet
        return {
            (one.name,): HEALTH_NUMBERS[fleet.health(one.name).state] for one in fleet.instances
        }

    def in_flight(self) -> Figures:
        return {(one.name,): one.in_flight for one in self._fleet.instances}

    def breakers(self) -> Figures:
        """``BREAKER_NUMBERS``, by instance and engine: the worst of its releases there."""
        found: Figures = {}
        for instance in self._fleet.instances:
            name = instance.name
            found |= {(name, engine): 0 for engine, _ in sorted(instance.serving)}
            for (engine, _), state in self._fleet.breakers(name).items():
                number = BREAKER_NUMBERS[state]
                found[name, engine] = max(number, found.get((name, engine), 0))
        return found

    def ready(self) -> Figures:
        """On how many instances each release takes requests, by engine and release."""
        return {served: len(self._fleet.ready_on(*served)) for served in self._served()}

    def panics(self) -> Figures:
        """By engine and release, of those that had an instance."""
        return {
            served: pool.panics
            for served in self._served()
            if (pool := self._fleet.pool(*served)) is not None
        }

    def _served(self) -> list[tuple[str, str]]:
        return [
            (engine.name, version)
            for engine in self._engines.values()
            for version in engine.releases
        ]


class RolloutFigures:
    """By engine, as the state has it that this control plane goes by."""

    def __init__(self, board: Board, evidence: EvidenceLog) -> None:
        self._board = board
        self._evidence = evidence

    def weights(self) -> Figures:
        """The share of each release, 0 to 1, by engine and release; the shadow's is 0."""
        return {
            (engine, release): route.weights_bp.get(release, 0) / ALL_BP
            for engine, route in self._board.table.routes.items()
            for release in route.serving
        }

    def states(self) -> Figures:
        """1 for the state of the latest rollout and 0 for each other one, by engine and state."""
        return {
            (engine, state.value): rollout.state is state
            for engine, here in self._board.state.engines.items()
            if (rollout := here.rollout) is not None
            for state in RolloutState
        }

    def steps(self) -> Figures:
        return {
            (engine,): rollout.step
            for engine, here in self._board.state.engines.items()
            if (rollout := here.rollout) is not None
        }

    async def looks(self) -> Mapping[str, Assessment]:
        """The latest look at the step that each rollout under way is in, by engine.

        Raises StoreUnavailable.
        """
        under_way = {
            engine: rollout
            for engine, here in self._board.state.engines.items()
            if (rollout := here.rollout) is not None and not rollout.is_finished
        }
        found = await asyncio.gather(
            *(self._evidence.assessments(one.rollout_id, limit=1) for one in under_way.values())
        )
        return {
            engine: latest[-1]
            for (engine, rollout), latest in zip(under_way.items(), found, strict=True)
            if latest and latest[-1].step == rollout.step
        }
