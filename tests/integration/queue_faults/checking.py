"""Accepted ids against final states: what a run has kept of its promises.

Nothing is taken from what the processes believed: the ledger of what was accepted, the rows of the
store, and the receipts of where results went are held against each other.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass

from control_plane.core.detections import DetectionStatus
from control_plane.core.jobs import Job, JobFilter, result_id_of
from control_plane.ports import JobStore
from tests.integration.faults.shown import Figure
from tests.integration.queue_faults.assembly import Parts, Place, opened
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import (
    ENDS,
    FAILURES,
    Kind,
    Planned,
    expected_results,
)

PAGE = 500
OPEN = (DetectionStatus.QUEUED, DetectionStatus.PROCESSING)
TO_THE_END = (Kind.PARTLY, Kind.FAILING, Kind.DEADLY)
"""What uses up all its attempts."""


@dataclass(frozen=True, slots=True)
class Expected:
    """jobs: by id, what was planned of them. messages: the ids of jobs that were made of what was
    put straight on the queue, and whether it could be read."""

    jobs: Mapping[str, Planned]
    messages: Mapping[str, bool]

    @property
    def ids(self) -> frozenset[str]:
        return frozenset(self.jobs) | frozenset(self.messages)


async def wait_settled(place: Place, count: int, *, is_sent: bool, timeout_s: float) -> None:
    """Until so many jobs are there, none is open, and no result is on its way.

    Does not raise: what is not settled by then is told by ``check``.
    """
    give_up_s = time.monotonic() + timeout_s
    async with opened(place) as parts:
        while time.monotonic() < give_up_s:
            figures = await parts.jobs.figures()
            if not any(figures.states.get(state) for state in OPEN):
                jobs = [job async for job in all_jobs(parts.jobs)]
                on_its_way = [
                    job for job in jobs if job.handover and job.handover.due_at_s is not None
                ]
                if len(jobs) >= count and not (is_sent and on_its_way):
                    return
            await asyncio.sleep(0.2)


async def all_jobs(store: JobStore) -> AsyncIterator[Job]:
    """Without their answers."""
    before: str | None = None
    while page := await store.find(JobFilter(before=before), limit=PAGE):
        for job in page:
            yield job
        before = page[-1].job_id


async def check(place: Place, expected: Expected, *, is_sent: bool) -> tuple[Figure, ...]:
    """Every promise as a figure with its bound."""
    async with opened(place) as parts:
        jobs = {job.job_id: job async for job in all_jobs(parts.jobs)}
        wrong = [one async for one in _wrong_results(parts, expected, jobs)]
    notes = Notes(place.folder)
    lost = expected.ids - set(jobs)
    still_open = [job for job in jobs.values() if not job.is_finished]
    wrong_ends = _wrong_ends(expected, jobs)
    ends = Counter(job.state.value for job in jobs.values())
    dead = sum(job.dead is not None for job in jobs.values())
    figures = [
        Figure("accepted", len(expected.ids)),
        Figure("completed", ends["completed"]),
        Figure("partial", ends["partial"]),
        Figure("dead letters", dead),
        Figure("lost", len(lost), at_most=0),
        Figure("never ended", len(still_open), at_most=0),
        Figure("never accepted", len(set(jobs) - expected.ids), at_most=0),
        Figure("accepted twice", notes.accepted_twice_as_another(), at_most=0),
        Figure("with another end", len(wrong_ends), at_most=0),
        Figure("with other results", len(wrong), at_most=0),
        Figure("asked again", _asked_again(place, notes, expected)),
        Figure("handed out for nothing", notes.takings() - sum(notes.executions().values())),
    ]
    if is_sent:
        figures += _sent(notes, jobs)
    return tuple(figures)


def _wrong_ends(expected: Expected, jobs: Mapping[str, Job]) -> list[str]:
    wrong = []
    for job_id, planned in expected.jobs.items():
        job = jobs.get(job_id)
        if job is not None and job.is_finished and (job.state, job.dead) != ENDS[planned.kind]:
            wrong.append(job_id)
    for job_id, is_readable in expected.messages.items():
        job = jobs.get(job_id)
        end = ENDS[Kind.PLAIN if is_readable else Kind.UNPROCESSABLE]
        if job is not None and job.is_finished and (job.state, job.dead) != end:
            wrong.append(job_id)
    return wrong


async def _wrong_results(
    parts: Parts, expected: Expected, jobs: Mapping[str, Job]
) -> AsyncIterator[str]:
    for job_id, planned in expected.jobs.items():
        if job_id not in jobs:
            continue
        job = await parts.jobs.get(job_id)
        assert job is not None
        found = {} if job.answer is None else job.answer.results
        stored = {engine: result.findings for engine, result in found.items()}
        if job.is_finished and stored != expected_results(planned.kind, job_id):
            yield job_id


def _asked_again(place: Place, notes: Notes, expected: Expected) -> int:
    """How often the fleet was asked for nothing, because nobody knew of the first time."""
    needs = {Kind.FLAKY: FAILURES + 1} | dict.fromkeys(TO_THE_END, place.max_attempts)
    needed = {job_id: needs.get(one.kind, 1) for job_id, one in expected.jobs.items()}
    return sum(
        max(0, times - needed.get(job_id, 1)) for job_id, times in notes.executions().items()
    )


def _sent(notes: Notes, jobs: Mapping[str, Job]) -> list[Figure]:
    """What the receiver of results saw."""
    receipts = notes.receipts()
    contents: dict[str, set[str]] = defaultdict(set)
    confirmed: set[str] = set()
    for receipt in receipts:
        contents[receipt.result_id].add(receipt.sha256)
        if receipt.answer < 300:
            confirmed.add(receipt.result_id)
    wanted = {result_id_of(job) for job in jobs.values() if job.handover is not None}
    two_contents = sum(len(found) > 1 for found in contents.values())
    return [
        Figure("results", len(wanted)),
        Figure("never arrived", len(wanted - confirmed), at_most=0),
        Figure("of nothing", len(set(contents) - wanted), at_most=0),
        Figure("with two contents", two_contents, at_most=0),
        Figure("sent again", len(receipts) - len(contents)),
    ]
