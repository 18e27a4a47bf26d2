"""A result on its way to where results are sent: what each try makes of it.

    due ──begin──► out ──arrived──► delivered
     ▲              │ └─give_up───► undelivered: waits for a person, who may have it sent again
     └──put_off─────┘                    │
     └────────────────── resend ─────────┘

Whoever begins a try moves the next one so far ahead that it is his alone until then; one that
is not heard of any more is followed by another.
"""

from __future__ import annotations

from dataclasses import replace

from control_plane.core.jobs.job import Handover, Job
from control_plane.core.jobs.transitions import NotDue
from control_plane.errors import ControlPlaneError, ErrorCode


class NoHandover(Exception):
    """Nothing of this run is to be sent any more: it was delivered, given up, or replayed."""


def begin(job: Job, now_s: float, *, hold_s: float) -> Job:
    """A try that is this deliverer's for ``hold_s``. Raises NoHandover; NotDue."""
    handover = job.handover
    if handover is None or handover.due_at_s is None:
        raise NoHandover
    if handover.due_at_s > now_s:
        raise NotDue(handover.due_at_s - now_s)
    begun = replace(handover, attempts=handover.attempts + 1, due_at_s=now_s + hold_s)
    return replace(job, handover=begun)


def arrived(job: Job, now_s: float, *, run: int) -> Job:
    """The receiver has confirmed; that counts, whatever became of the job's other tries.

    Raises NoHandover where the run is over, or that is known already.
    """
    handover = job.handover
    if handover is None or handover.run != run or handover.delivered_at_s is not None:
        raise NoHandover
    over = replace(handover, due_at_s=None, delivered_at_s=now_s, error=None)
    return replace(job, handover=over)


def put_off(job: Job, now_s: float, *, run: int, wait_s: float, error: str) -> Job:
    """Another try later. Raises NoHandover."""
    on_its_way = _on_its_way(job, run)
    return replace(job, handover=replace(on_its_way, due_at_s=now_s + wait_s, error=error))


def give_up(job: Job, _now_s: float, *, run: int, error: str) -> Job:
    """No more tries. Raises NoHandover."""
    return replace(job, handover=replace(_on_its_way(job, run), due_at_s=None, error=error))


def resend(job: Job, now_s: float) -> Job:
    """A result that was given up is due again, with all its tries.

    Raises ControlPlaneError(CONFLICT) for any other.
    """
    if job.handover is None or not job.handover.is_given_up:
        raise ControlPlaneError(
            ErrorCode.CONFLICT, "the job has no result that was given up on its way"
        )
    return replace(job, handover=Handover(job.handover.run, due_at_s=now_s))


def _on_its_way(job: Job, run: int) -> Handover:
    handover = job.handover
    if handover is None or handover.run != run or handover.due_at_s is None:
        raise NoHandover
    return handover
