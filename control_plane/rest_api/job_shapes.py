"""Jobs as REST shows them."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

from control_plane.core.answer_document import write_answer
from control_plane.core.jobs import Handover, Job
from control_plane.core.jobs.answers import answer_of
from control_plane.core.redaction import without_secrets
from control_plane.rest_api import job_schemas as schemas
from control_plane.rest_api.schemas import Detection

MAX_RAW_CHARACTERS = 2000


def show_job(job: Job) -> schemas.Job:
    return schemas.Job(**_fields(job))


def show_whole(job: Job) -> schemas.WholeJob:
    raw = _told(job.raw)
    if raw is not None and len(raw) > MAX_RAW_CHARACTERS:
        raw = raw[:MAX_RAW_CHARACTERS] + "…"
    document = write_answer(answer_of(job))
    return schemas.WholeJob(**_fields(job), answer=Detection(**document), raw=raw)


def _fields(job: Job) -> dict[str, Any]:
    request = job.request
    return {
        "id": job.job_id,
        "state": job.state,
        "priority": job.priority,
        "dead": job.dead and job.dead.value,
        "correlation_id": request and request.correlation_id,
        "engines": list(request.engines) if request else [],
        "photo_url": request and _told(request.photo_url),
        "photo_id": request and request.photo_id,
        "is_uploaded": job.is_uploaded,
        "releases": dict(request.releases) if request else {},
        "metadata": dict(request.metadata) if request else {},
        "routing_key": _unicode(job.routing_key),
        "idempotency_key": job.idempotency_key,
        "created_at": _time(job.created_at_s),
        "updated_at": _time(job.updated_at_s),
        "due_at": _time(job.due_at_s),
        "deadline_at": _time(job.deadline_at_s),
        "published_at": _time(job.published_at_s),
        "run": job.run,
        "attempts": job.attempts,
        "claim": job.claim
        and schemas.JobClaim(
            worker=job.claim.worker,
            attempt=job.claim.attempt,
            expires_at=datetime.fromtimestamp(job.claim.expires_at_s, UTC),
        ),
        "error": job.error
        and schemas.JobError(
            code=job.error.code.value,
            message=_told(job.error.message) or "",
            at=datetime.fromtimestamp(job.error.at_s, UTC),
            field=_unicode(job.error.field),
        ),
        "handover": job.handover and _show_handover(job.handover),
    }


def _show_handover(handover: Handover) -> schemas.JobHandover:
    state: Any = "given_up" if handover.is_given_up else "waiting"
    return schemas.JobHandover(
        run=handover.run,
        state="delivered" if handover.delivered_at_s is not None else state,
        attempts=handover.attempts,
        due_at=_time(handover.due_at_s),
        delivered_at=_time(handover.delivered_at_s),
        error=_told(handover.error),
    )


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _told(text: str | None) -> str | None:
    """Without what opens a door: the address of a photo is often signed."""
    return _unicode(text and without_secrets(text))


def _unicode(text: str | None) -> str | None:
    """JSON may carry lone surrogates in; out they go with marks in their places."""
    return text and text.encode("utf-8", "replace").decode()
