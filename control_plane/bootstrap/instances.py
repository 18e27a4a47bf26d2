"""What looks after the instances: the fleet and its pools, watches, probes, scrapes, mender."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.triton import TritonInstance
from control_plane.adapters.triton_metrics import TritonMetrics
from control_plane.bootstrap.options import (
    health_options,
    mend_options,
    mend_times,
    pool_options,
    pool_options_by_engine,
    probe_options,
    probe_times,
    reconcile_times,
    watch_times,
)
from control_plane.core.catalogue import Release
from control_plane.core.mend_ledger import MendLedger
from control_plane.loops.probe import InstanceProbe
from control_plane.loops.scrape import InstanceScrape
from control_plane.loops.watch import InstanceWatch
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from control_plane.services.mending import Mender
from control_plane.services.probing import Prober
from control_plane.services.reconciling import Reconciler
from control_plane.settings import Settings

Known = Callable[[], Iterable[Release]]


@dataclass(frozen=True, slots=True)
class Instances:
    """The fleet and the loops that keep what is believed of it true, on every plane.

    known: every release that may be on an instance.
    """

    fleet: Fleet
    known: Known
    watches: tuple[InstanceWatch, ...]
    probes: tuple[InstanceProbe, ...]
    scrapes: tuple[InstanceScrape, ...]
    reconciler: Reconciler
    mender: Mender | None


def make_rng() -> random.Random:
    return random.Random()  # noqa: S311  jitter and choices, no secret


def make_instances(
    settings: Settings,
    *,
    catalogue: Catalogue,
    board: Board,
    tritons: Mapping[str, TritonInstance],
    metrics: Mapping[str, TritonMetrics],
    clock: MonotonicClock,
) -> Instances:
    fleet = _fleet(settings, catalogue, tritons, clock)
    for instance in fleet.instances:
        if instance.name not in metrics:
            fleet.load_lost(instance.name, "its metrics_url is not set")
    prober = Prober(catalogue.goldens, times=probe_times(settings), clock=clock)
    mender = (
        _mender(settings, catalogue, fleet, prober, clock) if settings.mending.enabled else None
    )

    def known() -> tuple[Release, ...]:
        """Every release that may be on an instance: of the catalogue, and what is routed."""
        found = {(one.engine, one.version): one for one in board.table.releases()}
        found |= {(one.engine, one.version): one for one in catalogue.releases()}
        return tuple(found.values())

    return Instances(
        fleet=fleet,
        known=known,
        watches=_watches(settings, known, board, tritons, fleet, clock),
        probes=tuple(
            InstanceProbe(
                instance.name,
                fleet=fleet,
                prober=prober,
                releases=known,
                options=probe_options(settings),
                clock=clock,
            )
            for instance in fleet.instances
        ),
        scrapes=tuple(
            InstanceScrape(
                name,
                metrics=page,
                fleet=fleet,
                releases=known,
                interval_s=settings.fleet.scrape_interval_s,
                timeout_s=settings.fleet.observe_timeout_s,
                clock=clock,
            )
            for name, page in metrics.items()
        ),
        reconciler=Reconciler(
            fleet=fleet,
            controls=tritons,
            specs=catalogue.specs,
            probed=catalogue.goldens,
            times=reconcile_times(settings),
            clock=clock,
            rng=make_rng(),
            mender=mender,
        ),
        mender=mender,
    )


def _fleet(
    settings: Settings,
    catalogue: Catalogue,
    tritons: Mapping[str, TritonInstance],
    clock: MonotonicClock,
) -> Fleet:
    weights = {instance.name: instance.weight for instance in settings.instances}
    return Fleet(
        (
            Instance(name, triton.url, triton, weight=weights.get(name, 1.0))
            for name, triton in tritons.items()
        ),
        options=pool_options(settings),
        by_engine=pool_options_by_engine(settings),
        clock=clock,
        rng=make_rng(),
        health=health_options(settings),
        probed=catalogue.goldens,
    )


def _mender(
    settings: Settings,
    catalogue: Catalogue,
    fleet: Fleet,
    prober: Prober,
    clock: MonotonicClock,
) -> Mender:
    return Mender(
        fleet=fleet,
        prober=prober,
        ledger=MendLedger(mend_options(settings)),
        specs=catalogue.specs,
        times=mend_times(settings),
        clock=clock,
        rng=make_rng(),
    )


def _watches(
    settings: Settings,
    known: Known,
    board: Board,
    tritons: Mapping[str, TritonInstance],
    fleet: Fleet,
    clock: MonotonicClock,
) -> tuple[InstanceWatch, ...]:
    return tuple(
        InstanceWatch(
            name,
            control=triton,
            fleet=fleet,
            known=known,
            routed=lambda: board.table.releases(),
            times=watch_times(settings),
            clock=clock,
            rng=make_rng(),
        )
        for name, triton in tritons.items()
    )
