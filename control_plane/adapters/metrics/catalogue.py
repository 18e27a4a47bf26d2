"""Every metric of Tidegate: its name, kind, labels and meaning. docs/metrics.md is made of it.

What the instances measure of themselves is not in it, for that is Triton's (``tritons.py``).
"""

from __future__ import annotations

from collections.abc import Mapping

from control_plane.adapters.metrics.family import Family, Kind

REQUESTS = Family(
    "tidegate_requests_total",
    Kind.COUNTER,
    "Inference requests: outcome is success, shed (not let in for want of room), or an error's "
    "code. release is the one that answered, else the first that was asked; empty where the "
    "request was never routed.",
    ("engine", "release", "outcome"),
)
REQUEST_DURATION = Family(
    "tidegate_request_duration_seconds",
    Kind.HISTOGRAM,
    "How long requests took that were let in, retries and fallbacks included; without those that "
    "the caller called off or got wrong.",
    ("engine", "release"),
)
CALL_DURATION = Family(
    "tidegate_engine_call_duration_seconds",
    Kind.HISTOGRAM,
    "How long each try at an instance took, however it ended.",
    ("engine", "release", "instance"),
)
ATTEMPTS = Family(
    "tidegate_attempts_total",
    Kind.COUNTER,
    "Tries at instances; outcome is how the try ended. A hedge that lost is cancelled.",
    ("engine", "outcome"),
)
CONFIDENCE = Family(
    "tidegate_confidence",
    Kind.HISTOGRAM,
    "Mean confidence of answers: all of those that a rollout compares, up to ten a second of the "
    "stable release otherwise.",
    ("engine", "release"),
)
DRIFT = Family(
    "tidegate_confidence_drift",
    Kind.GAUGE,
    "How far the confidences of the last 15 minutes, of all control planes, lie from the stable "
    "release's, and the stable release's from its first ones: the population stability index; "
    "missing with few samples.",
    ("engine", "release"),
)
RETRY_BUDGET = Family(
    "tidegate_retry_budget_remaining",
    Kind.GAUGE,
    "How many tries could be made again now.",
    ("engine",),
)
ADMISSION_LIMIT = Family(
    "tidegate_admission_limit", Kind.GAUGE, "Requests let in at once at most, now.", ("engine",)
)
ADMISSION_IN_FLIGHT = Family(
    "tidegate_admission_in_flight", Kind.GAUGE, "Requests that are let in now.", ("engine",)
)
ADMITTED = Family(
    "tidegate_admitted_total", Kind.COUNTER, "Requests that were let in.", ("engine", "priority")
)
SHED = Family(
    "tidegate_shed_total",
    Kind.COUNTER,
    "Requests that were not let in for want of room.",
    ("engine", "priority"),
)
CACHE = Family(
    "tidegate_result_cache_lookups_total",
    Kind.COUNTER,
    "Results looked up for photos that come again: hit, miss, or shared with a request under way. "
    "What is not asked of an instance is not in tidegate_requests_total.",
    ("result",),
)
CACHE_ERRORS = Family(
    "tidegate_result_cache_errors_total",
    Kind.COUNTER,
    "Reads and writes of the cache of results that failed.",
)

HEALTH = Family(
    "tidegate_instance_health",
    Kind.GAUGE,
    "0 healthy, 1 degraded, 2 unknown, 3 draining, 4 unhealthy, 5 isolated. It takes requests "
    "below 2.",
    ("instance",),
)
IN_FLIGHT = Family(
    "tidegate_instance_in_flight", Kind.GAUGE, "Calls and streams under way.", ("instance",)
)
BREAKER = Family(
    "tidegate_breaker_state",
    Kind.GAUGE,
    "0 closed, 1 half open, 2 open, 3 isolated; the worst of the engine's releases there.",
    ("instance", "engine"),
)
READY_ON = Family(
    "tidegate_release_ready_instances",
    Kind.GAUGE,
    "On how many instances the release takes requests.",
    ("engine", "release"),
)
PANICS = Family(
    "tidegate_panic_picks_total",
    Kind.COUNTER,
    "Requests sent in disregard of breakers and health, because too many instances were out.",
    ("engine", "release"),
)
SCRAPE_UP = Family(
    "tidegate_triton_scrape_up",
    Kind.GAUGE,
    "Whether the instance's own metrics were to be had; while they are not, tidegate_triton_* of "
    "it is missing.",
    ("instance",),
)
SCRAPE_LEFT_OUT = Family(
    "tidegate_triton_series_left_out",
    Kind.GAUGE,
    "Series of the instance that are more than are taken.",
    ("instance",),
)

WEIGHT = Family(
    "tidegate_route_weight",
    Kind.GAUGE,
    "The share of the engine's requests that goes to the release, 0 to 1.",
    ("engine", "release"),
)
ROLLOUT_STATE = Family(
    "tidegate_rollout_state",
    Kind.GAUGE,
    "1 for the state of the engine's latest rollout, 0 for the others.",
    ("engine", "state"),
)
ROLLOUT_STEP = Family(
    "tidegate_rollout_step", Kind.GAUGE, "The step that the latest rollout is in.", ("engine",)
)
EVIDENCE = Family(
    "tidegate_rollout_evidence",
    Kind.GAUGE,
    "Evidence that the target is worse, as a natural logarithm, of a rollout under way. Worse is "
    "what reaches the threshold.",
    ("engine", "test"),
)
EVIDENCE_THRESHOLD = Family(
    "tidegate_rollout_evidence_threshold",
    Kind.GAUGE,
    "What the evidence must reach, as a natural logarithm.",
    ("engine", "test"),
)
EVIDENCE_UP = Family(
    "tidegate_rollout_evidence_up", Kind.GAUGE, "Whether the evidence was to be had of the store."
)
UNCOUNTED = Family(
    "tidegate_analysis_dropped_total",
    Kind.COUNTER,
    "Requests that the analysis of rollouts left out, because too many waited to be counted.",
)

ACCURACY = Family(
    "tidegate_accuracy",
    Kind.GAUGE,
    "How right the release is by the feedback in the state store: precision, recall, map50 and "
    "right_share are 0 to 1, count_error is in objects a photo, volume_error a share of the true "
    "volume. The same on every control plane; take it from any.",
    ("engine", "release", "metric"),
)
FEEDBACK = Family(
    "tidegate_feedback_photos",
    Kind.GAUGE,
    "Answers of the release that somebody has said the truth about, as far as they are kept. The "
    "same on every control plane.",
    ("engine", "release"),
)
ANSWERS_UNKEPT = Family(
    "tidegate_answers_not_kept_total",
    Kind.COUNTER,
    "Answers that no feedback can be given on, because too many waited to be stored.",
)

LEADER = Family(
    "tidegate_is_leader", Kind.GAUGE, "1 on the control plane that moves rollouts, 0 elsewhere."
)
STORE_AWAY = Family(
    "tidegate_store_away", Kind.GAUGE, "1 while this control plane cannot ask the store of state."
)
REVISION = Family(
    "tidegate_state_revision", Kind.GAUGE, "The revision of the state that is gone by."
)
COMPLAINTS = Family(
    "tidegate_complaints",
    Kind.GAUGE,
    "How many things are wrong with the catalogue or between control planes; the health has the "
    "words.",
)
TRACES = Family(
    "tidegate_traces_total",
    Kind.COUNTER,
    "Traces that were to be exported: sent, dropped for want of room, or failed because the "
    "collector did not take them.",
    ("outcome",),
)
BUILD = Family(
    "tidegate_build_info",
    Kind.GAUGE,
    "Always 1; the versions are the labels.",
    ("version", "python"),
)

FIGURES_UP = Family("tidegate_job_figures_up", Kind.GAUGE, "Whether the job store answers.")
QUEUE_UP = Family("tidegate_queue_up", Kind.GAUGE, "Whether the queue answers.")
QUEUE_DEPTH = Family(
    "tidegate_queue_depth",
    Kind.GAUGE,
    "Messages that wait in the queue, those for a later time too.",
    ("priority",),
)
OLDEST_AGE = Family(
    "tidegate_queue_oldest_age_seconds",
    Kind.GAUGE,
    "How long ago the oldest job that is due was accepted.",
    ("priority",),
)
DEAD_LETTERS = Family(
    "tidegate_dead_letters",
    Kind.GAUGE,
    "Jobs that failed and were neither replayed nor discarded.",
    ("reason",),
)
JOBS_WAITING = Family(
    "tidegate_jobs_waiting",
    Kind.GAUGE,
    "Queued jobs, those that wait for their next attempt too.",
    ("priority",),
)
JOBS = Family("tidegate_jobs", Kind.GAUGE, "Jobs that are not finished.", ("state",))
UNDELIVERED = Family(
    "tidegate_jobs_undelivered", Kind.GAUGE, "Results that were given up on their way."
)
SENDING = Family(
    "tidegate_jobs_sending",
    Kind.GAUGE,
    "Results that are to be sent, or wait for their next try.",
)
JOB_ATTEMPTS = Family(
    "tidegate_job_deliveries_total",
    Kind.COUNTER,
    "Messages that this process took off the queue, by what became of them.",
    ("ending",),
)
JOBS_IN_HAND = Family(
    "tidegate_jobs_in_hand", Kind.GAUGE, "Messages that this process is working on."
)

GROUPS: Mapping[str, tuple[Family, ...]] = {
    "Requests": (
        REQUESTS,
        REQUEST_DURATION,
        CALL_DURATION,
        ATTEMPTS,
        CONFIDENCE,
        DRIFT,
        RETRY_BUDGET,
        ADMISSION_LIMIT,
        ADMISSION_IN_FLIGHT,
        ADMITTED,
        SHED,
        CACHE,
        CACHE_ERRORS,
    ),
    "Instances": (HEALTH, IN_FLIGHT, BREAKER, READY_ON, PANICS, SCRAPE_UP, SCRAPE_LEFT_OUT),
    "Releases and rollouts": (
        WEIGHT,
        ROLLOUT_STATE,
        ROLLOUT_STEP,
        EVIDENCE,
        EVIDENCE_THRESHOLD,
        EVIDENCE_UP,
        UNCOUNTED,
    ),
    "Accuracy": (ACCURACY, FEEDBACK, ANSWERS_UNKEPT),
    "Jobs": (
        QUEUE_DEPTH,
        OLDEST_AGE,
        DEAD_LETTERS,
        JOBS_WAITING,
        JOBS,
        UNDELIVERED,
        SENDING,
        JOB_ATTEMPTS,
        JOBS_IN_HAND,
        FIGURES_UP,
        QUEUE_UP,
    ),
    "The control plane": (LEADER, STORE_AWAY, REVISION, COMPLAINTS, TRACES, BUILD),
}

FAMILIES: tuple[Family, ...] = tuple(family for group in GROUPS.values() for family in group)
