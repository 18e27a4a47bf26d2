"""A job as a row: its documents, and beside them what jobs are searched by.

The document has the word; the other columns follow from it and are never read back. Each time
that upkeep asks for is a column that is empty where it does not apply, so that an index on what
is not empty stays as small as what there is to do, however many jobs have been finished.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from control_plane.adapters.stores.documents import UnreadableDocument, from_json, to_json
from control_plane.core.answer_document import read_answer, write_answer
from control_plane.core.detections import DetectionAnswer, DetectionStatus
from control_plane.core.jobs import Job
from control_plane.ports import Due

Row = Mapping[str, Any]

DUE_COLUMNS: Mapping[Due, str] = {
    Due.UNPUBLISHED: "unpublished_since_s",
    Due.STRANDED: "claim_expires_at_s",
    Due.OVERDUE: "open_until_s",
    Due.FORGOTTEN: "published_due_at_s",
    Due.UNDELIVERED: "handover_due_at_s",
}
"""Since when each has been true of a job."""


def columns_of(job: Job) -> dict[str, Any]:
    """Everything but what may be large. Raises ValueError for what cannot be stored."""
    is_queued = job.state is DetectionStatus.QUEUED
    published_at_s = job.published_at_s
    return {
        "job_id": job.job_id,
        "state": job.state.value,
        "priority": job.priority.value,
        "created_at_s": job.created_at_s,
        "updated_at_s": job.updated_at_s,
        "key_digest": None if job.idempotency_key is None else digest(job.idempotency_key),
        "correlation_digest": None if job.request is None else digest(job.request.correlation_id),
        "dead": None if job.dead is None else job.dead.value,
        "error_code": None if job.error is None else job.error.code.value,
        "is_undelivered": True if job.handover is not None and job.handover.is_given_up else None,
        "queued_due_at_s": job.due_at_s if is_queued else None,
        "unpublished_since_s": job.updated_at_s if is_queued and published_at_s is None else None,
        "published_due_at_s": (
            max(job.due_at_s, published_at_s) if is_queued and published_at_s is not None else None
        ),
        "claim_expires_at_s": None if job.claim is None else job.claim.expires_at_s,
        "open_until_s": None if job.is_finished else job.deadline_at_s,
        "handover_due_at_s": None if job.handover is None else job.handover.due_at_s,
        "finished_at_s": job.updated_at_s if _may_go(job) and not _is_kept(job) else None,
        "dead_since_s": job.updated_at_s if _may_go(job) and _is_kept(job) else None,
        "document": to_json(replace(job, answer=None, raw=None)),
    }


def _may_go(job: Job) -> bool:
    """Whether it can be forgotten some time: not while its result is still on its way."""
    return job.is_finished and (job.handover is None or job.handover.due_at_s is None)


def _is_kept(job: Job) -> bool:
    """Whether it waits for a person: a dead letter, or a result that did not arrive."""
    return job.dead is not None or (job.handover is not None and job.handover.is_given_up)


def engines_of(job: Job) -> frozenset[str]:
    """What it is found by, as digests."""
    return frozenset(map(digest, job.request.engines)) if job.request is not None else frozenset()


def digest(text: str) -> str:
    """What is looked for by equality: of any length and any characters, in columns that bear
    neither."""
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()


def answer_text(answer: DetectionAnswer | None) -> str | None:
    """Raises ValueError for what cannot be stored."""
    if answer is None:
        return None
    return json.dumps(write_answer(answer), allow_nan=False, separators=(",", ":"))


def raw_text(raw: str | None) -> str | None:
    """As JSON, which is ASCII: it may be anything that somebody sent."""
    return None if raw is None else json.dumps(raw)


def job_of(row: Row) -> Job:
    """What was stored; without ``answer`` and ``raw`` in the row, without these.

    Raises UnreadableDocument.
    """
    job = from_json(Job, row["document"])
    answer, raw = row.get("answer"), row.get("raw")
    if answer is None and raw is None:
        return job
    try:
        return replace(
            job,
            answer=None if answer is None else read_answer(json.loads(answer)),
            raw=None if raw is None else json.loads(raw),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise UnreadableDocument(
            f"the answer of job {job.job_id} cannot be read: {error!r:.200}"
        ) from None
