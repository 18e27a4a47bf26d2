"""What moves releases: following the store, leading, judging, and what people say."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Callable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.prometheus import Prometheus, open_client
from control_plane.adapters.stores import SqlFeedback, SqlStore
from control_plane.bootstrap.instances import Instances
from control_plane.bootstrap.options import (
    call_times,
    plan_defaults,
)
from control_plane.loops.catalogue import CatalogueLoop
from control_plane.loops.follow import Follow, FollowTimes
from control_plane.loops.lead import Lead
from control_plane.loops.measure import MeasureLoop
from control_plane.loops.reconcile import ReconcileLoop
from control_plane.loops.registry import RegistryLoop
from control_plane.loops.rollout import RolloutLoop
from control_plane.ports import ReleaseRegistry
from control_plane.services.accuracy_gate import AccuracyGates
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.fleet import Fleet
from control_plane.services.gates import Gates
from control_plane.services.holding import Holding
from control_plane.services.judging import Judging
from control_plane.services.leading import Leading
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_requests import PlanRequest
from control_plane.services.rollouts import Rollouts
from control_plane.services.standing import Standings
from control_plane.settings import Settings, analysis_by_engine, analysis_options, gates_of


@dataclass(frozen=True, slots=True)
class RolloutParts:
    """Commands, the loops of every plane, and the one that leads when it may."""

    rollouts: Rollouts
    follow: Follow
    catalogue: CatalogueLoop
    registry: RegistryLoop
    measure: MeasureLoop
    lead: Lead
    standings: Standings


def name_plane() -> str:
    """This control plane's name: where it runs, and another one after each start."""
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{secrets.token_hex(4)}"


async def make_gates(settings: Settings, stack: AsyncExitStack) -> Gates | None:
    """None where no Prometheus is asked."""
    prometheus = settings.analysis.prometheus
    if prometheus.url is None or not prometheus.queries:
        return None
    token = prometheus.token
    headers = None
    if token is not None:
        headers = {"authorization": f"Bearer {token.get_secret_value()}"}
    client = await stack.enter_async_context(open_client(headers))
    gates = Gates(
        gates_of(settings.analysis),
        Prometheus(prometheus.url, client),
        clock=MonotonicClock(),
        timeout_s=prometheus.timeout_s,
    )
    stack.push_async_callback(gates.close)
    return gates


def make_rollouts(
    settings: Settings,
    *,
    plane: str,
    store: SqlStore,
    board: Board,
    catalogue: Catalogue,
    registry: ReleaseRegistry,
    fallbacks: Mapping[str, str],
    instances: Instances,
    measuring: Measuring,
    gates: Gates | None,
    holding: Holding,
    is_queue_away: Callable[[], bool],
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> RolloutParts:
    judging = _judging(settings, store, measuring, gates, clock)
    leading = Leading(
        board=board,
        store=store,
        reconciler=instances.reconciler,
        engines=catalogue.engines,
        fallbacks=fallbacks,
        trial_for=judging.trial_for,
        clock=clock,
        calendar=calendar,
    )
    rollouts = Rollouts(
        board=board,
        store=store,
        audit=store,
        evidence=store,
        reconciler=instances.reconciler,
        engines=catalogue.engines,
        fallbacks=fallbacks,
        clock=clock,
        calendar=calendar,
    )
    registry_loop = _registry_loop(settings, registry, catalogue, board, rollouts)
    duties = (
        ReconcileLoop(leading, instances.reconciler, fleet=instances.fleet, board=board),
        RolloutLoop(
            leading, judging.assess, board=board, evidence=store, clock=clock, calendar=calendar
        ),
        registry_loop,
    )
    follow = Follow(
        plane,
        board=board,
        store=store,
        planes=store,
        fleet=instances.fleet,
        times=FollowTimes(interval_s=settings.leader.follow_interval_s),
        clock=clock,
        holding=holding,
    )
    lead = Lead(plane, leases=store, duties=duties, ttl_s=settings.leader.lease_s, clock=clock)
    return RolloutParts(
        rollouts=rollouts,
        follow=follow,
        catalogue=CatalogueLoop(catalogue, interval_s=settings.rollouts.catalogue_interval_s),
        registry=registry_loop,
        measure=MeasureLoop(measuring=measuring, store=store),
        lead=lead,
        standings=_standings(
            plane, board, catalogue, instances.fleet, follow, lead, is_queue_away, calendar
        ),
    )


def _registry_loop(
    settings: Settings,
    registry: ReleaseRegistry,
    catalogue: Catalogue,
    board: Board,
    rollouts: Rollouts,
) -> RegistryLoop:
    return RegistryLoop(
        registry=registry,
        catalogue=catalogue,
        board=board,
        rollouts=rollouts,
        plan=plan_defaults(settings).plan(PlanRequest()),
        interval_s=settings.registry.poll_interval_s,
    )


def _standings(
    plane: str,
    board: Board,
    catalogue: Catalogue,
    fleet: Fleet,
    follow: Follow,
    lead: Lead,
    is_queue_away: Callable[[], bool],
    calendar: SystemCalendar,
) -> Standings:
    return Standings(
        plane,
        board=board,
        lease=lambda: lead.held,
        is_store_away=lambda: follow.is_away,
        is_queue_away=is_queue_away,
        instances={one.name: one.url for one in fleet.instances},
        complaints=lambda: catalogue.complaints,
        calendar=calendar,
    )


def _judging(
    settings: Settings,
    store: SqlStore,
    measuring: Measuring,
    gates: Gates | None,
    clock: MonotonicClock,
) -> Judging:
    options, by_engine = analysis_options(settings.analysis), analysis_by_engine(settings.analysis)
    return Judging(
        store=store,
        measuring=measuring,
        options=options,
        by_engine=by_engine,
        try_s=call_times(settings).of_try,
        gates=gates,
        accuracy=AccuracyGates(
            SqlFeedback(store.database),
            alpha=lambda engine: by_engine.get(engine, options).alpha,
            clock=clock,
        ),
        max_keys=settings.analysis.max_keys,
    )
