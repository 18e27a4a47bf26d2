"""Jobs as their page shows them: the queues, the list, and what may be done.

Pure: values of the services go in, values to be written by a template come out.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import Job, JobFigures
from control_plane.rest_api.jobs import Act

MOST_ACTED_ON = 1000
"""At once, by a page: who has more does it again, or uses the command line."""

MOST_READ = 200
"""Of the dead letters that are read to say how many there are of each kind."""

LATELY_S = 300
MOST_COUNTED = 200
"""Of the jobs that are looked at to say how many came lately."""


@dataclass(frozen=True, slots=True)
class QueueRow:
    """One priority. in_queue: messages; None while the queue does not answer.

    oldest_age_s: of those that are due; None where none is.
    """

    priority: str
    waiting: int
    in_queue: int | None
    oldest_age_s: float | None


@dataclass(frozen=True, slots=True)
class Lately:
    """Of the jobs that were accepted in the last minutes. is_more: and there were more.

    per_minute: accepted; of more than are counted, over the time in which the counted ones came.
    """

    accepted: int
    finished: int
    failed: int
    per_minute: float
    is_more: bool


@dataclass(frozen=True, slots=True)
class QueuesView:
    """is_queue_away: the broker does not answer, so nothing is known of what lies in it."""

    rows: tuple[QueueRow, ...]
    in_hand: int
    dead: Mapping[str, int]
    undelivered: int
    sending: int
    is_queue_away: bool
    lately: Lately | None

    @property
    def waiting(self) -> int:
        return sum(row.waiting for row in self.rows)

    @property
    def dead_count(self) -> int:
        return sum(self.dead.values())


@dataclass(frozen=True, slots=True)
class JobOffer:
    action: Act
    label: str
    consequence: str
    is_dangerous: bool


@dataclass(frozen=True, slots=True)
class JobRow:
    """One line of the list.

    state: a word; what it was made of is in the fields beside it. remedy: of a dead letter.
    """

    job_id: str
    state: str
    priority: str
    dead: str | None
    is_undelivered: bool
    engines: tuple[str, ...]
    created_at: datetime
    updated_at: datetime
    attempts: int
    run: int
    error_code: str
    error: str
    remedy: str


REMEDIES: Mapping[str, str] = {
    "photo_unavailable": "replay it once the photo's store is back",
    "photo_not_found": "put the photo there and replay, or discard",
    "photo_forbidden": "allow its place in photos.* and replay, or discard",
    "photo_too_large": "raise photos.max_bytes and replay, or discard",
    "photo_invalid": "discard it: it is no photo that can be read",
    "invalid_argument": "mend its sender, and discard it",
    "message_too_large": "mend its sender, and discard it",
    "conflict": "mend its sender, whose key was another's, and discard it",
    "unknown_engine": "load the engine and replay, or discard",
    "unknown_release": "load the release and replay, or discard",
    "deadline_exceeded": "see its last error, then replay: it has all of its time again",
    "backend_unavailable": "replay it once the engines are well",
    "backend_fault": "replay it once the engines are well",
    "release_not_ready": "replay it once the release is ready",
}
"""What has to be different before another try can end otherwise, by the last error's code."""

OFFERS: Mapping[Act, JobOffer] = {
    Act.REPLAY: JobOffer(
        Act.REPLAY,
        "Replay",
        "It waits in the queue again, with all its attempts and a new deadline.",
        is_dangerous=False,
    ),
    Act.DISCARD: JobOffer(
        Act.DISCARD,
        "Discard",
        "It is a dead letter no longer and cannot be replayed: its photo, if it came with the "
        "job, is removed. The job stays failed.",
        is_dangerous=True,
    ),
    Act.RESEND: JobOffer(
        Act.RESEND,
        "Send its result again",
        "Its result is delivered again to where results are sent.",
        is_dangerous=False,
    ),
}


def show_queues(
    figures: JobFigures, depths: Mapping[Priority, int] | None, lately: Lately | None = None
) -> QueuesView:
    """depths: None while the queue does not answer."""
    rows = []
    for priority in Priority:
        # Nothing due has no age; the store says 0 then.
        age_s = figures.oldest_age_s.get(priority, 0.0)
        rows.append(
            QueueRow(
                priority.value,
                figures.waiting.get(priority, 0),
                None if depths is None else depths.get(priority, 0),
                age_s if age_s > 0 else None,
            )
        )
    return QueuesView(
        rows=tuple(rows),
        in_hand=figures.states.get(DetectionStatus.PROCESSING, 0),
        dead={reason.value: count for reason, count in figures.dead.items() if count},
        undelivered=figures.undelivered,
        sending=figures.sending,
        is_queue_away=depths is None,
        lately=lately,
    )


def count_lately(jobs: Sequence[Job]) -> Lately:
    """jobs: those that were accepted in the last ``LATELY_S``, the latest ``MOST_COUNTED``."""
    is_more = len(jobs) >= MOST_COUNTED
    states = Counter(job.state for job in jobs)
    failed = states[DetectionStatus.FAILED]
    done = states[DetectionStatus.COMPLETED] + states[DetectionStatus.PARTIAL]
    return Lately(
        accepted=len(jobs),
        finished=done + failed,
        failed=failed,
        per_minute=60 * len(jobs) / (_took_s(jobs) if is_more else LATELY_S),
        is_more=is_more,
    )


def _took_s(jobs: Sequence[Job]) -> float:
    """From the first to the last of them; what came at once came within a second."""
    return max(jobs[0].created_at_s - jobs[-1].created_at_s, 1.0)


def show_row(job: Job) -> JobRow:
    code = job.error.code.value if job.error else ""
    return JobRow(
        job_id=job.job_id,
        state="discarded" if job.is_discarded else job.state.value,
        priority=job.priority.value,
        dead=job.dead.value if job.dead else None,
        is_undelivered=job.handover is not None and job.handover.is_given_up,
        engines=job.request.engines if job.request else (),
        created_at=time_of(job.created_at_s),
        updated_at=time_of(job.updated_at_s),
        attempts=job.attempts,
        run=job.run,
        error_code=code,
        error=unicode_of(job.error.message) if job.error else "",
        remedy=remedy_of(job),
    )


def offers_of(job: Job) -> tuple[JobOffer, ...]:
    """What may be done to it now. What cannot be read would fail again, so it is not replayed."""
    actions = []
    if job.dead is not None:
        actions += [Act.REPLAY] if job.request is not None else []
        actions.append(Act.DISCARD)
    if job.handover is not None and job.handover.is_given_up:
        actions.append(Act.RESEND)
    return tuple(OFFERS[action] for action in actions)


def remedy_of(job: Job) -> str:
    """What to do about a dead letter; empty for any other job."""
    if job.dead is None:
        return ""
    if job.request is None:
        return "mend its sender, and discard it: it cannot be read"
    code = job.error.code.value if job.error else ""
    return REMEDIES.get(code, "see its last error, then replay or discard it")


def time_of(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def unicode_of(text: str) -> str:
    """JSON may carry lone surrogates in, and a page cannot be written with them."""
    return text.encode("utf-8", "replace").decode()
