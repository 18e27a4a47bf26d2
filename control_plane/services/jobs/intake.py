"""Takes jobs in."""

from __future__ import annotations

from dataclasses import dataclass

from control_plane.core.detections import Priority
from control_plane.core.jobs import JobRequest


@dataclass(frozen=True, slots=True)
class Submission:
    request: JobRequest
    priority: Priority
    photo: bytes | None = None
    idempotency_key: str | None = None
    deadline_s: float | None = None
