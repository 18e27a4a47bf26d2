"""One job as its page shows it: how it stands, what was found, and what may be done.

Pure: a job goes in, values to be written by a template come out.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from control_plane.core.detections import EngineFailure
from control_plane.core.jobs import Handover, Job
from control_plane.core.jobs.answers import answer_of
from control_plane.rest_api.dashboard.jobs_view import (
    JobOffer,
    JobRow,
    offers_of,
    show_row,
    time_of,
    unicode_of,
)

MAX_RAW_CHARACTERS = 2000


@dataclass(frozen=True, slots=True)
class EngineOutcome:
    """What one engine came to: findings in words, or why it gave none."""

    engine: str
    is_error: bool
    words: str
    release: str
    instance: str


@dataclass(frozen=True, slots=True)
class HandoverView:
    """The delivery of the result. state: waiting, delivered or given up."""

    state: str
    attempts: int
    due_at: datetime | None
    delivered_at: datetime | None
    error: str


@dataclass(frozen=True, slots=True)
class JobPage:
    """One job with everything. photo: where it is."""

    row: JobRow
    correlation_id: str | None
    photo: str
    due_at: datetime
    deadline_at: datetime
    published_at: datetime | None
    error_at: datetime | None
    worker: str | None
    claim_expires_at: datetime | None
    handover: HandoverView | None
    outcomes: tuple[EngineOutcome, ...]
    engines_left: tuple[str, ...]
    releases: tuple[tuple[str, str], ...]
    metadata: tuple[tuple[str, str], ...]
    idempotency_key: str | None
    raw: str | None
    offers: tuple[JobOffer, ...]


def show_job_page(job: Job) -> JobPage:
    request, claim, answer = job.request, job.claim, answer_of(job)
    outcomes = [
        EngineOutcome(name, False, findings_in_words(one.findings), one.release, one.instance)
        for name, one in answer.results.items()
    ] + [_failed(name, failure) for name, failure in answer.errors.items()]
    return JobPage(
        row=show_row(job),
        correlation_id=request.correlation_id if request else None,
        photo=_photo_of(job),
        due_at=time_of(job.due_at_s),
        deadline_at=time_of(job.deadline_at_s),
        published_at=None if job.published_at_s is None else time_of(job.published_at_s),
        error_at=time_of(job.error.at_s) if job.error else None,
        worker=claim.worker if claim else None,
        claim_expires_at=time_of(claim.expires_at_s) if claim else None,
        handover=_handover(job.handover) if job.handover else None,
        outcomes=tuple(outcomes),
        engines_left=job.engines_left,
        releases=tuple(request.releases.items()) if request else (),
        metadata=tuple(request.metadata.items()) if request else (),
        idempotency_key=job.idempotency_key,
        raw=None if job.raw is None else unicode_of(job.raw[:MAX_RAW_CHARACTERS]),
        offers=offers_of(job),
    )


def findings_in_words(findings: Mapping[str, object]) -> str:
    """What one engine found. Of engines that are not known here, what is said plainly."""
    counts = findings.get("counts")
    if isinstance(counts, Mapping):
        words = (
            f"{count} {str(name).replace('_', ' ')}" for name, count in counts.items() if count
        )
        return ", ".join(words) or "nothing found"
    volume = findings.get("volume_m3")
    if isinstance(volume, int | float):
        return f"{volume:.2f} m³"
    plain = (f"{k} {v}" for k, v in findings.items() if isinstance(v, str | int | float))
    return ", ".join(plain)[:200] or "answered"


def _failed(engine: str, failure: EngineFailure) -> EngineOutcome:
    words = f"{failure.message} ({failure.code.value})" if failure.message else failure.code.value
    return EngineOutcome(engine, True, unicode_of(words), "", "")


def _handover(handover: Handover) -> HandoverView:
    state = "given up" if handover.is_given_up else "waiting"
    delivered_at_s, due_at_s = handover.delivered_at_s, handover.due_at_s
    return HandoverView(
        state="delivered" if delivered_at_s is not None else state,
        attempts=handover.attempts,
        due_at=None if due_at_s is None else time_of(due_at_s),
        delivered_at=None if delivered_at_s is None else time_of(delivered_at_s),
        error=unicode_of(handover.error or ""),
    )


def _photo_of(job: Job) -> str:
    if job.request is None:
        return "not known: the message could not be read"
    return "came with the job" if job.is_uploaded else unicode_of(job.request.photo_url or "")
