"""What a message from the queue orders: to look at a job, or to do what another service asks."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from control_plane.core.jobs.job import JobRequest


@dataclass(frozen=True, slots=True)
class JobReference:
    """Look at a job that the store has: what the control planes and workers send themselves."""

    job_id: str


@dataclass(frozen=True, slots=True)
class ForeignOrder:
    """A request that another service has put straight on the broker, every value checked.

    idempotency_key: its own, or None; then the message's id tells repeats.
    deadline_at: aware; None: as long as jobs are given by default.
    """

    request: JobRequest
    idempotency_key: str | None = None
    deadline_at: datetime | None = None


OrderMessage = JobReference | ForeignOrder
