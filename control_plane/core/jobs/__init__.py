"""Detections that nobody waits for: what a job is, what moves it, and what comes next."""

from control_plane.core.jobs.answers import answer_of, detection_id_of, result_id_of
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
from control_plane.core.jobs.orders import ForeignOrder, JobReference, OrderMessage
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
    "ForeignOrder",
    "Handover",
    "IllegalJobEvent",
    "Job",
    "JobError",
    "JobEvent",
    "JobFigures",
    "JobFilter",
    "JobReference",
    "JobRequest",
    "JobRetryOptions",
    "NotDue",
    "OrderMessage",
    "Outcome",
    "Retry",
    "Return",
    "answer_of",
    "detection_id_of",
    "next_state",
    "result_id_of",
    "settle_answer",
    "settle_claim",
    "settle_error",
]
