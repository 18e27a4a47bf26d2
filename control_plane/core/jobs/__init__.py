"""Detections that nobody waits for: what a job is, what moves it, and what comes next."""

from control_plane.core.jobs.drain import DEFAULT_WEIGHTS, Drain, DrainOptions
from control_plane.core.jobs.job import (
    Claim,
    Handover,
    Job,
    JobError,
    JobFigures,
    JobFilter,
    JobRequest,
)
from control_plane.core.jobs.settling import (
    Bury,
    Finish,
    JobRetryOptions,
    Outcome,
    Retry,
    Return,
    settle_answer,
    settle_claim,
    settle_error,
)
from control_plane.core.jobs.states import (
    FINISHED,
    TRANSITIONS,
    DeadReason,
    IllegalJobEvent,
    JobEvent,
    next_state,
)
from control_plane.core.jobs.transitions import (
    AlreadyFinished,
    ClaimedElsewhere,
    ClaimLost,
    NotDue,
)

__all__ = [
    "DEFAULT_WEIGHTS",
    "FINISHED",
    "TRANSITIONS",
    "AlreadyFinished",
    "Bury",
    "Claim",
    "ClaimLost",
    "ClaimedElsewhere",
    "DeadReason",
    "Drain",
    "DrainOptions",
    "Finish",
    "Handover",
    "IllegalJobEvent",
    "Job",
    "JobError",
    "JobEvent",
    "JobFigures",
    "JobFilter",
    "JobRequest",
    "JobRetryOptions",
    "NotDue",
    "Outcome",
    "Retry",
    "Return",
    "next_state",
    "settle_answer",
    "settle_claim",
    "settle_error",
]
