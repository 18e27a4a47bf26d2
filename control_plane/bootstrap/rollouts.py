"""What moves releases: following the store, leading, judging, and what people say."""

from __future__ import annotations

import os
import secrets
import socket
from collections.abc import Mapping
from dataclasses import dataclass

from control_plane.adapters.clock import MonotonicClock, SystemCalendar
from control_plane.adapters.stores import SqlStore
from control_plane.bootstrap.instances import Instances
from control_plane.bootstrap.options import call_times, plan_defaults
from control_plane.core.analysis import AnalysisOptions
from control_plane.loops.catalogue import CatalogueLoop
from control_plane.loops.follow import Follow, FollowTimes
from control_plane.loops.lead import Lead
from control_plane.loops.measure import MeasureLoop
from control_plane.loops.reconcile import ReconcileLoop
from control_plane.loops.registry import RegistryLoop
from control_plane.loops.rollout import RolloutLoop
from control_plane.ports import ReleaseRegistry
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.holding import Holding
from control_plane.services.judging import Judging
from control_plane.services.leading import Leading
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_requests import PlanRequest
from control_plane.services.rollouts import Rollouts
from control_plane.settings import Settings


@dataclass(frozen=True, slots=True)
class RolloutParts:
    """Commands, the loops of every plane, and the one that leads when it may."""

    rollouts: Rollouts
    follow: Follow
    catalogue: CatalogueLoop
    measure: MeasureLoop
    lead: Lead


def name_plane() -> str:
    """This control plane's name: where it runs, and another one after each start."""
    return f"{socket.gethostname()[:80]}-{os.getpid()}-{secrets.token_hex(4)}"


def make_measuring(plane: str, board: Board, clock: MonotonicClock) -> Measuring:
    return Measuring(plane=plane, table=lambda: board.table, clock=clock)


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
    holding: Holding,
    clock: MonotonicClock,
    calendar: SystemCalendar,
) -> RolloutParts:
    judging = Judging(
        store=store,
        measuring=measuring,
        options=AnalysisOptions(),
        try_s=call_times(settings).of_try,
    )
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
    duties = (
        ReconcileLoop(leading, instances.reconciler, fleet=instances.fleet, board=board),
        RolloutLoop(
            leading, judging.assess, board=board, evidence=store, clock=clock, calendar=calendar
        ),
        RegistryLoop(
            registry=registry,
            catalogue=catalogue,
            board=board,
            rollouts=rollouts,
            plan=plan_defaults(settings).plan(PlanRequest()),
            interval_s=settings.registry.poll_interval_s,
        ),
    )
    return RolloutParts(
        rollouts=rollouts,
        follow=Follow(
            plane,
            board=board,
            store=store,
            planes=store,
            fleet=instances.fleet,
            times=FollowTimes(interval_s=settings.leader.follow_interval_s),
            clock=clock,
            holding=holding,
        ),
        catalogue=CatalogueLoop(catalogue, interval_s=settings.rollouts.catalogue_interval_s),
        measure=MeasureLoop(measuring=measuring, store=store),
        lead=Lead(plane, leases=store, duties=duties, ttl_s=settings.leader.lease_s, clock=clock),
    )
