"""What each part is told, from the settings. Nothing is built here."""

from __future__ import annotations

from control_plane.adapters.photos import PhotoLimits
from control_plane.adapters.stores import Bounds
from control_plane.core.admission import AdmissionOptions
from control_plane.core.balancing import LoadOptions, PolicyName, PoolOptions
from control_plane.core.breaker import BreakerOptions
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.health import HealthOptions, ProbeOptions
from control_plane.core.mend_ledger import MendOptions
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudgetOptions
from control_plane.loops.watch import WatchTimes
from control_plane.rest_api.server import HttpLimits
from control_plane.rest_api.services import RestLimits
from control_plane.services.calling import CallTimes
from control_plane.services.gateway import GatewayOptions
from control_plane.services.measuring import MeasuringOptions
from control_plane.services.mending import MendTimes
from control_plane.services.probing import ProbeTimes
from control_plane.services.reconciling import ReconcileTimes
from control_plane.services.rollout_requests import PlanDefaults
from control_plane.services.rollout_tally import TallyOptions
from control_plane.services.shadowing import ShadowOptions
from control_plane.settings import AdmissionSettings, Settings

SLOW_SHARE = 0.8
"""Of a try's time, what only a slow call takes. Far enough above the half that admission lets
queueing take (``LimitOptions.longest_s``): an overload is not to look like a slow instance."""

UNITS_OF_KEY = 4
"""How many units of a routing key there is room for in the store, on average."""

UNNAMED = ""
"""No engine's name: what holds for every engine that the settings do not name."""


def pool_options(settings: Settings, engine: str = UNNAMED) -> PoolOptions:
    """How an engine's instances are chosen among: what is fast and slow is its own measure."""
    breakers, try_s = settings.breakers, call_times(settings).of_try(engine)
    return PoolOptions(
        policy=PolicyName(settings.fleet.balancing),
        load=LoadOptions(fault_counts_as_s=try_s),
        breaker=BreakerOptions(
            consecutive_failures=breakers.consecutive_failures,
            failure_ratio=breakers.failure_ratio,
            min_calls=breakers.min_calls,
            slow_call_s=breakers.slow_call_s or SLOW_SHARE * try_s,
            slow_ratio=breakers.slow_ratio,
            first_open_s=breakers.first_open_s,
            longest_open_s=breakers.longest_open_s,
        ),
        most_ejected_share=breakers.most_ejected_share,
    )


def pool_options_by_engine(settings: Settings) -> dict[str, PoolOptions]:
    """Of the engines that the settings name."""
    return {engine: pool_options(settings, engine) for engine in settings.requests.engines}


def call_times(settings: Settings) -> CallTimes:
    requests = settings.requests
    return CallTimes(
        engine_s=requests.engine_timeout_s,
        try_s=requests.try_timeout_s,
        by_engine={
            name: engine.timeout_s
            for name, engine in requests.engines.items()
            if engine.timeout_s is not None
        },
        hedge_after_s={
            name: engine.hedge_after_s
            for name, engine in requests.engines.items()
            if engine.hedge_after_s is not None
        },
    )


def gateway_options(settings: Settings) -> GatewayOptions:
    retries = settings.retries
    return GatewayOptions(
        call_times(settings),
        RetryOptions(max_attempts=retries.max_attempts),
        RetryBudgetOptions(ratio=retries.budget_ratio, floor_per_s=retries.budget_floor_per_s),
        _admission_options(settings.admission),
    )


def _admission_options(admission: AdmissionSettings) -> AdmissionOptions:
    return AdmissionOptions(
        LimitOptions(
            initial=admission.initial_limit,
            min_limit=admission.min_limit,
            max_limit=admission.max_limit,
            tolerance=admission.tolerance,
            patience_s=admission.patience_s,
        ),
        low_percent=admission.low_percent,
        normal_percent=admission.normal_percent,
    )


def health_options(settings: Settings) -> HealthOptions:
    health = settings.health
    return HealthOptions(
        failed_looks=health.failed_looks,
        good_looks=health.good_looks,
        failed_probes=health.failed_probes,
        good_probes=health.good_probes,
    )


def probe_options(settings: Settings) -> ProbeOptions:
    health = settings.health
    return ProbeOptions(interval_s=health.probe_interval_s, doubt_s=health.probe_doubt_s)


def probe_times(settings: Settings) -> ProbeTimes:
    """A probe may take as long as a try of its engine, or an engine that is slow is never fit."""
    times, least_s = call_times(settings), settings.health.probe_timeout_s
    return ProbeTimes(
        timeout_s=max(least_s, times.of_try(UNNAMED)),
        slow_s=settings.health.slow_probe_s,
        by_engine={name: max(least_s, times.of_try(name)) for name in settings.requests.engines},
    )


def mend_options(settings: Settings) -> MendOptions:
    mending = settings.mending
    return MendOptions(
        first_s=mending.first_wait_s,
        most_s=mending.longest_wait_s,
        limit=mending.limit,
        lasting_s=mending.lasting_s,
    )


def mend_times(settings: Settings) -> MendTimes:
    return MendTimes(
        drain_s=settings.requests.engine_timeout_s, load_s=settings.fleet.load_timeout_s
    )


def watch_times(settings: Settings) -> WatchTimes:
    fleet = settings.fleet
    return WatchTimes(interval_s=fleet.observe_interval_s, observe_s=fleet.observe_timeout_s)


def reconcile_times(settings: Settings) -> ReconcileTimes:
    """A proof is given up after as many probes as take an engine out, and one more."""
    probes = settings.health.failed_probes + 1
    return ReconcileTimes(
        load_s=settings.fleet.load_timeout_s,
        prove_s=probes * (probe_times(settings).timeout_s + settings.health.probe_doubt_s),
    )


def plan_defaults(settings: Settings) -> PlanDefaults:
    rollouts = settings.rollouts
    return PlanDefaults(
        steps_percent=rollouts.steps_percent,
        min_step_s=rollouts.min_step_s,
        max_step_s=rollouts.max_step_s,
        min_samples=rollouts.min_samples,
        shadow_percent=rollouts.shadow_percent,
        max_prepare_s=rollouts.max_prepare_s,
    )


def measuring_options(settings: Settings) -> MeasuringOptions:
    analysis = settings.analysis
    return MeasuringOptions(
        max_waiting=analysis.max_waiting,
        baseline_s=analysis.baseline_window_s,
        tally=TallyOptions(max_keys=analysis.max_keys),
    )


def store_bounds(settings: Settings) -> Bounds:
    """A key may be counted once in each step and by each plane, and is told apart only later: a
    store that was full in the first steps would leave nothing to judge the next ones by."""
    return Bounds(keyed_units=UNITS_OF_KEY * settings.analysis.max_keys)


def shadow_options(settings: Settings) -> ShadowOptions:
    shadow = settings.analysis.shadow
    return ShadowOptions(
        concurrency=shadow.concurrency,
        max_waiting=shadow.max_waiting,
        max_bytes=shadow.max_bytes,
    )


def photo_limits(settings: Settings) -> PhotoLimits:
    photos = settings.photos
    return PhotoLimits(photos.max_bytes, photos.max_pixels, photos.max_full_pixels)


def http_limits(settings: Settings) -> HttpLimits:
    return HttpLimits(
        max_requests=settings.http.max_requests, max_connections=settings.http.max_connections
    )


def rest_limits(settings: Settings) -> RestLimits:
    return RestLimits(
        max_bytes=settings.photos.max_bytes,
        timeout_s=settings.requests.timeout_s,
        max_timeout_s=settings.requests.max_timeout_s,
        body_timeout_s=settings.http.body_timeout_s,
        max_deadline_s=settings.jobs.max_deadline_s,
    )
