"""Jobs as protobuf: filters read and checked, jobs and figures written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, replace
from datetime import UTC, datetime
from typing import TypeVar

from google.protobuf.timestamp_pb2 import Timestamp

from control_plane.core.detections import ALIASES, DetectionStatus, Priority
from control_plane.core.identifiers import check_job_id
from control_plane.core.jobs import (
    FINISHED,
    Claim,
    DeadReason,
    Handover,
    Job,
    JobError,
    JobFigures,
    JobFilter,
)
from control_plane.core.redaction import without_secrets
from control_plane.errors import ErrorCode, InvalidArgument
from control_plane.grpc_api.protos import operations_pb2 as pb

MAX_RAW_CHARACTERS = 2000

Word = TypeVar("Word")

STATES: Mapping[DetectionStatus, pb.JobState] = {
    DetectionStatus.QUEUED: pb.JOB_STATE_QUEUED,
    DetectionStatus.PROCESSING: pb.JOB_STATE_PROCESSING,
    DetectionStatus.COMPLETED: pb.JOB_STATE_COMPLETED,
    DetectionStatus.PARTIAL: pb.JOB_STATE_PARTIAL,
    DetectionStatus.FAILED: pb.JOB_STATE_FAILED,
}
PRIORITIES: Mapping[Priority, pb.JobPriority] = {
    Priority.HIGH: pb.JOB_PRIORITY_HIGH,
    Priority.NORMAL: pb.JOB_PRIORITY_NORMAL,
    Priority.LOW: pb.JOB_PRIORITY_LOW,
}
REASONS: Mapping[DeadReason, pb.DeadReason] = {
    DeadReason.UNPROCESSABLE: pb.DEAD_REASON_UNPROCESSABLE,
    DeadReason.FAILED: pb.DEAD_REASON_FAILED,
}
_STATE_OF: Mapping[int, DetectionStatus] = {number: state for state, number in STATES.items()}
_PRIORITY_OF: Mapping[int, Priority] = {number: priority for priority, number in PRIORITIES.items()}
_REASON_OF: Mapping[int, DeadReason] = {number: reason for reason, number in REASONS.items()}


def read_filter(asked: pb.JobFilter, before: str = "") -> JobFilter:
    """before: the id of a job, or "". Raises InvalidArgument, and NOT_FOUND for no such id."""
    return JobFilter(
        states=frozenset(_known(_STATE_OF, one, "states") for one in asked.states) or None,
        priority=_known(_PRIORITY_OF, asked.priority, "priority") if asked.priority else None,
        dead=_reason(asked.dead),
        is_dead=True if asked.dead else None,
        is_undelivered=True if asked.undelivered else None,
        engine=ALIASES.get(asked.engine, asked.engine) or None,
        code=_code(asked.code),
        correlation_id=asked.correlation_id or None,
        created_after_s=_seconds(asked, "created_after"),
        created_before_s=_seconds(asked, "created_before"),
        before=check_job_id(before, "before") if before else None,
    )


def read_dead_filter(asked: pb.JobFilter, *, is_all: bool) -> JobFilter:
    """Dead letters alone. Raises InvalidArgument where neither some nor all are chosen."""
    if asked.states:
        raise InvalidArgument("states means nothing here: dead letters failed", field="states")
    if asked.undelivered:
        raise InvalidArgument(
            "undelivered means nothing here: ResendJobs sends results again", field="undelivered"
        )
    # Any dead letter at all: is_dead is then all that it says, which is a choice too.
    return replace(_chosen(asked, "dead letter", is_all=is_all), is_dead=True)


def read_undelivered_filter(asked: pb.JobFilter, *, is_all: bool) -> JobFilter:
    """Those alone whose result was given up. Raises InvalidArgument where none are chosen."""
    return replace(_chosen(asked, "result", is_all=is_all), is_undelivered=True)


def _chosen(asked: pb.JobFilter, what: str, *, is_all: bool) -> JobFilter:
    wanted = read_filter(asked)
    if not is_all and all(getattr(wanted, one.name) is None for one in fields(wanted)):
        raise InvalidArgument(
            f"no {what} is chosen: say which, or all of them with all", field="all"
        )
    return wanted


def write_job(job: Job) -> pb.Job:
    request = job.request
    message = pb.Job(
        id=job.job_id,
        state=STATES[job.state],
        priority=PRIORITIES[job.priority],
        dead=REASONS[job.dead] if job.dead else pb.DEAD_REASON_UNSPECIFIED,
        is_uploaded=job.is_uploaded,
        routing_key=_unicode(job.routing_key),
        idempotency_key=job.idempotency_key or "",
        created_at=_time(job.created_at_s),
        updated_at=_time(job.updated_at_s),
        due_at=_time(job.due_at_s),
        deadline_at=_time(job.deadline_at_s),
        published_at=_time(job.published_at_s),
        run=job.run,
        attempts=job.attempts,
        raw=_told(job.raw)[:MAX_RAW_CHARACTERS],
    )
    if job.claim is not None:
        message.claim.CopyFrom(_write_claim(job.claim))
    if job.error is not None:
        message.error.CopyFrom(_write_error(job.error))
    if job.handover is not None:
        message.handover.CopyFrom(_write_handover(job.handover))
    if request is not None:
        message.correlation_id = request.correlation_id
        message.engines.extend(request.engines)
        message.photo_url = _told(request.photo_url)
        message.photo_id = request.photo_id or ""
        message.releases.update(request.releases)
        message.metadata.update(request.metadata)
    return message


def write_figures(figures: JobFigures, depths: Mapping[Priority, int] | None) -> pb.JobFigures:
    """depths: of the queue; None when it does not answer."""
    return pb.JobFigures(
        waiting={one.value: figures.waiting.get(one, 0) for one in Priority},
        queue={} if depths is None else {one.value: depths.get(one, 0) for one in Priority},
        oldest_age_s={one.value: figures.oldest_age_s.get(one, 0.0) for one in Priority},
        states={
            one.value: figures.states.get(one, 0) for one in DetectionStatus if one not in FINISHED
        },
        dead={one.value: figures.dead.get(one, 0) for one in DeadReason},
        undelivered=figures.undelivered,
    )


def _write_claim(claim: Claim) -> pb.JobClaim:
    return pb.JobClaim(
        worker=claim.worker, attempt=claim.attempt, expires_at=_time(claim.expires_at_s)
    )


def _write_error(error: JobError) -> pb.JobError:
    return pb.JobError(
        code=error.code.value,
        message=_told(error.message),
        at=_time(error.at_s),
        field=_unicode(error.field),
    )


def _write_handover(handover: Handover) -> pb.JobHandover:
    return pb.JobHandover(
        run=handover.run,
        attempts=handover.attempts,
        due_at=_time(handover.due_at_s),
        delivered_at=_time(handover.delivered_at_s),
        is_given_up=handover.is_given_up,
        error=_told(handover.error),
    )


def _reason(number: int) -> DeadReason | None:
    if number in (pb.DEAD_REASON_UNSPECIFIED, pb.DEAD_REASON_ANY):
        return None
    return _known(_REASON_OF, number, "dead")


def _known(words: Mapping[int, Word], number: int, name: str) -> Word:
    if number not in words:
        raise InvalidArgument(f"{name}: {number} is unknown", field=name)
    return words[number]


def _code(text: str) -> ErrorCode | None:
    if not text:
        return None
    try:
        return ErrorCode(text)
    except ValueError:
        raise InvalidArgument(
            f"unknown code {text[:80]!r}; known: {', '.join(ErrorCode)}", field="code"
        ) from None


def _seconds(asked: pb.JobFilter, name: str) -> float | None:
    if not asked.HasField(name):
        return None
    at: Timestamp = getattr(asked, name)
    return float(at.seconds) + at.nanos / 1e9


def _time(at_s: float | None) -> datetime | None:
    return None if at_s is None else datetime.fromtimestamp(at_s, UTC)


def _told(text: str | None) -> str:
    """Without what opens a door: the address of a photo is often signed."""
    return _unicode(without_secrets(text or ""))


def _unicode(text: str | None) -> str:
    """protobuf takes no lone surrogates, which JSON may carry in."""
    return (text or "").encode("utf-8", "replace").decode()
