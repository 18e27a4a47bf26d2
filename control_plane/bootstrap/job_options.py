"""What each part of jobs is told, from the settings. Nothing is built here."""

from __future__ import annotations

from control_plane.adapters.stores.location import locate
from control_plane.core.detections import Priority
from control_plane.core.jobs import DrainOptions, JobRetryOptions
from control_plane.core.tracing import Propagation
from control_plane.loops.work import WorkOptions
from control_plane.services.jobs.adopting import AdoptionOptions
from control_plane.services.jobs.attempt import AttemptOptions
from control_plane.services.jobs.delivering import DeliveryOptions
from control_plane.services.jobs.desk import DeskOptions
from control_plane.services.jobs.intake import IntakeOptions
from control_plane.services.jobs.upkeep import UpkeepOptions
from control_plane.settings import Settings


def intake_options(settings: Settings) -> IntakeOptions:
    jobs = settings.jobs
    return IntakeOptions(
        deadline_s=jobs.deadline_s,
        max_deadline_s=jobs.max_deadline_s,
        max_waiting=jobs.max_waiting,
    )


def adoption_options(settings: Settings) -> AdoptionOptions:
    return AdoptionOptions(
        deadline_s=settings.jobs.deadline_s,
        max_deadline_s=settings.jobs.max_deadline_s,
        propagation=Propagation(settings.tracing.propagation),
    )


def desk_options(settings: Settings) -> DeskOptions:
    return DeskOptions(replay_deadline_s=settings.jobs.deadline_s)


def attempt_options(settings: Settings) -> AttemptOptions:
    jobs = settings.jobs
    return AttemptOptions(
        attempt_timeout_s=jobs.attempt_timeout_s,
        claim_s=jobs.claim_s,
        is_sent=settings.results.is_sent,
        store=store_shown(settings),
        retries=JobRetryOptions(
            max_attempts=jobs.max_attempts,
            first_s=jobs.first_retry_s,
            most_s=jobs.longest_retry_s,
        ),
    )


def drain_options(settings: Settings) -> DrainOptions:
    weights = settings.jobs.weights
    return DrainOptions(
        weights={
            Priority.HIGH: weights.high,
            Priority.NORMAL: weights.normal,
            Priority.LOW: weights.low,
        },
        ageing_s=settings.jobs.ageing_s,
    )


def work_options(settings: Settings) -> WorkOptions:
    return WorkOptions(concurrency=settings.jobs.concurrency)


def upkeep_options(settings: Settings) -> UpkeepOptions:
    return UpkeepOptions(
        keep_s=settings.jobs.keep_s,
        keep_dead_s=settings.jobs.keep_dead_s,
        max_attempts=settings.jobs.max_attempts,
        is_sent=settings.results.is_sent,
    )


def delivery_options(settings: Settings) -> DeliveryOptions:
    results = settings.results
    return DeliveryOptions(
        timeout_s=results.timeout_s,
        max_attempts=results.max_attempts,
        first_s=results.first_retry_s,
        most_s=results.longest_retry_s,
    )


def store_shown(settings: Settings) -> str:
    """Where the state is kept, for people: whole, so that two can be told apart, and without a
    password."""
    location = locate(settings.store_location)
    return str(location.path.absolute()) if location.is_sqlite else str(location)
