"""What one attempt asks: the job's photo, then the engines that have not answered yet.

It always comes to a verdict, within the attempt's time and the job's; what the verdict means is
the core's.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import structlog

from control_plane.core.deadline import Deadline
from control_plane.core.detections import DetectionAnswer, DetectionRequest
from control_plane.core.jobs import Job, JobRequest
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock, PhotoSource, Uploads
from control_plane.services.photo_fetch import fetch_photo
from control_plane.services.tracing import span

log = structlog.get_logger(__name__)

LOADING_GRACE_S = 5.0
"""What lies beyond an attempt's time and is cut: everything within keeps that time by itself."""

Verdict = DetectionAnswer | ControlPlaneError


class Detects(Protocol):
    """What an attempt asks of the detection service."""

    async def detect(self, request: DetectionRequest) -> DetectionAnswer: ...


@dataclass(frozen=True, slots=True)
class Finding:
    """timeout_s: of one attempt, photo included."""

    uploads: Uploads
    photos: PhotoSource
    detection: Detects
    clock: Clock
    timeout_s: float

    async def find_out(self, job: Job, asked: JobRequest, loaded: Callable[[], None]) -> Verdict:
        """What the engines that are left say. loaded: told when the photo is here."""
        limit_s = min(self.timeout_s, job.deadline_at_s - job.updated_at_s)
        deadline = Deadline.after(self.clock.now_s(), limit_s)
        try:
            async with asyncio.timeout(limit_s + LOADING_GRACE_S):
                request = await self._request(job, asked, deadline)
                loaded()
                return await self.detection.detect(request)
        except ControlPlaneError as refusal:
            return refusal
        except TimeoutError:
            return ControlPlaneError(
                ErrorCode.DEADLINE_EXCEEDED, f"the attempt took longer than {limit_s:.3g} s"
            )
        except Exception as error:  # one job's oddity must not end the worker
            log.exception("an attempt failed unexpectedly", job_id=job.job_id)
            return ControlPlaneError(
                ErrorCode.INTERNAL, f"the attempt failed unexpectedly: {type(error).__name__}"
            )

    async def _request(self, job: Job, asked: JobRequest, deadline: Deadline) -> DetectionRequest:
        """What is asked of the engines, with the photo. Raises ControlPlaneError."""
        if asked.photo_url is None:
            with span("photo", scheme="upload") as traced:
                async with asyncio.timeout(deadline.remaining_s(self.clock.now_s())):
                    photo = await self.uploads.get(job.job_id)
                traced.put(bytes=len(photo))
        else:
            photo = await fetch_photo(self.photos, asked.photo_url, deadline, self.clock)
        left = job.engines_left
        return DetectionRequest(
            photo=photo,
            engines=left,
            request_id=job.job_id,
            correlation_id=asked.correlation_id,
            deadline=deadline,
            photo_id=asked.photo_id,
            priority=job.priority,
            releases={name: one for name, one in asked.releases.items() if name in left},
            # Without one the request's id is hashed, which is the job's.
            routing_key=asked.routing_key,
        )
