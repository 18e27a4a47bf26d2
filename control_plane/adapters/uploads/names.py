"""The name of an upload: the job's id, and nothing that a caller has chosen."""

from __future__ import annotations

from control_plane.core.detections import UUID
from control_plane.errors import ControlPlaneError, ErrorCode


def name_of(job_id: str) -> str:
    """Raises ValueError for what is no job's id, and could be a way to another folder."""
    if UUID.fullmatch(job_id) is None:
        raise ValueError(f"not the id of a job: {job_id[:80]!r}")
    return job_id.lower()


def missing() -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.PHOTO_NOT_FOUND, "the photo that came with the job is no longer kept"
    )


def unkept(why: str) -> ControlPlaneError:
    return ControlPlaneError(ErrorCode.PHOTO_UNAVAILABLE, f"the photo cannot be kept: {why}")


def unreadable(why: str) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.PHOTO_UNAVAILABLE, f"the photo that came with the job cannot be read: {why}"
    )
