"""What ``/metrics`` is made of: which figure of which part is which metric."""

from __future__ import annotations

from control_plane import __version__
from control_plane.adapters.clock import MonotonicClock
from control_plane.adapters.metrics import catalogue as names
from control_plane.adapters.metrics.evidence import EvidenceMetrics
from control_plane.adapters.metrics.process import ProcessMetrics
from control_plane.adapters.metrics.readings import Readers, Readings
from control_plane.adapters.metrics.requests import RequestMetrics
from control_plane.adapters.metrics.tritons import TritonSeries
from control_plane.adapters.metrics_text import MetricsText
from control_plane.adapters.tracing.outcomes import Outcome
from control_plane.bootstrap.feedback import FeedbackParts
from control_plane.bootstrap.instances import Instances
from control_plane.bootstrap.jobs import JobParts
from control_plane.bootstrap.outside import Outside
from control_plane.bootstrap.requests import RequestPath
from control_plane.bootstrap.rollouts import RolloutParts
from control_plane.bootstrap.traffic import TrafficParts
from control_plane.services.board import Board
from control_plane.services.catalogue import Catalogue
from control_plane.services.figures import FleetFigures, RequestFigures, RolloutFigures
from control_plane.services.jobs.ending import Ending


def make_metrics(
    outside: Outside,
    board: Board,
    catalogue: Catalogue,
    instances: Instances,
    path: RequestPath,
    traffic: TrafficParts,
    rollouts: RolloutParts,
    jobs: JobParts,
    feedback: FeedbackParts,
    clock: MonotonicClock,
) -> MetricsText:
    engines, moving = catalogue.engines, RolloutFigures(board, outside.store)
    return MetricsText(
        [
            RequestMetrics(path.counts, moving.weights),
            Readings(_of_requests(RequestFigures(path.gateway, engines, outside.reuse))),
            Readings(_of_the_fleet(FleetFigures(instances.fleet, engines))),
            TritonSeries(
                outside.metrics,
                is_live=lambda name: instances.fleet.instance(name).is_live,
                releases=instances.known,
                now_s=clock.now_s,
            ),
            Readings(_of_rollouts(moving, path)),
            Readings({names.DRIFT: traffic.drifts}),
            EvidenceMetrics(moving.looks, clock.now_s),
            jobs.metrics,
            Readings(_of_work(jobs)),
            Readings(feedback.readers()),
            Readings(_of_the_plane(rollouts)),
            Readings(_of_traces(outside)),
            ProcessMetrics(__version__),
        ]
    )


def _of_requests(figures: RequestFigures) -> Readers:
    return {
        names.RETRY_BUDGET: figures.retry_budgets,
        names.ADMISSION_LIMIT: figures.limits,
        names.ADMISSION_IN_FLIGHT: figures.in_flight,
        names.ADMITTED: figures.admitted,
        names.SHED: figures.shed,
        names.CACHE: figures.reused,
        names.CACHE_ERRORS: figures.reuse_errors,
    }


def _of_the_fleet(figures: FleetFigures) -> Readers:
    return {
        names.HEALTH: figures.healths,
        names.IN_FLIGHT: figures.in_flight,
        names.BREAKER: figures.breakers,
        names.READY_ON: figures.ready,
        names.PANICS: figures.panics,
    }


def _of_rollouts(figures: RolloutFigures, path: RequestPath) -> Readers:
    return {
        names.WEIGHT: figures.weights,
        names.ROLLOUT_STATE: figures.states,
        names.ROLLOUT_STEP: figures.steps,
        names.UNCOUNTED: lambda: {(): path.measuring.dropped},
    }


def _of_work(jobs: JobParts) -> Readers:
    def endings() -> dict[tuple[str, ...], float]:
        seen = jobs.attempts.endings
        return {(ending.value,): seen.get(ending, 0) for ending in Ending}

    return {
        names.JOB_ATTEMPTS: endings,
        names.JOBS_IN_HAND: lambda: {(): jobs.work.in_hand},
    }


def _of_traces(outside: Outside) -> Readers:
    def outcomes() -> dict[tuple[str, ...], float]:
        seen = {} if outside.spans is None else outside.spans.outcomes
        return {(outcome.value,): seen.get(outcome, 0) for outcome in Outcome}

    return {names.TRACES: outcomes}


def _of_the_plane(rollouts: RolloutParts) -> Readers:
    now = rollouts.standings.now
    return {
        names.LEADER: lambda: {(): now().is_leading},
        names.STORE_AWAY: lambda: {(): now().is_store_away},
        names.REVISION: lambda: {(): now().revision},
        names.COMPLAINTS: lambda: {(): len(now().complaints)},
    }
