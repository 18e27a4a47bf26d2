"""How long jobs of each priority wait while more come than the fleet can do."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

from control_plane.core.detections import Priority
from tests.integration.faults.load import quantile
from tests.integration.faults.shown import Figure, Shown
from tests.integration.queue_faults.assembly import Place, opened
from tests.integration.queue_faults.checking import Expected, all_jobs, check, wait_settled
from tests.integration.queue_faults.notes import Notes
from tests.integration.queue_faults.plan import plain_jobs
from tests.integration.queue_faults.processes import supervised
from tests.integration.queue_faults.programs import submit, work
from tests.integration.queue_faults.running import SEED
from tests.integration.queue_faults.stage import Backend, Servers, staged
from tests.integration.running import wait_until

SHARES = {Priority.HIGH: 3, Priority.NORMAL: 4, Priority.LOW: 3}
"""Of what comes. High alone is less than its share of the fleet; all of it is too much."""

WORKERS = 2
CONCURRENCY = 2
TAKES_S = 0.2
OVERLOAD = 1.5

LEAST_LOW = 0.05
"""Of what is done while more comes than can be done; by its weight it is about a seventh."""


def share_by_priority(
    backend: Backend, servers: Servers, folder: Path, *, jobs: int, takes_s: float = TAKES_S
) -> Shown:
    """takes_s: how long the fleet takes for a job, so many at a time as all workers have."""
    planned = plain_jobs(SHARES, jobs, seed=SEED)
    capacity_per_s = WORKERS * CONCURRENCY / takes_s
    per_s = OVERLOAD * capacity_per_s
    patience_s = 120 + 2 * jobs / capacity_per_s
    with staged(backend, servers, folder) as stage, ExitStack() as stack:
        place = replace(stage.place, takes_s=takes_s, concurrency=CONCURRENCY)
        stack.enter_context(supervised(work, count=WORKERS, then=(place,)))
        submitter = stack.enter_context(supervised(submit, then=(place, planned, per_s, "", 0)))
        wait_until(lambda: submitter.is_done, timeout_s=patience_s, what="all accepted")
        asyncio.run(wait_settled(place, jobs, is_sent=False, timeout_s=patience_s))
        notes = Notes(folder)
        accepted = notes.accepted()
        expected = Expected({accepted[one.number]: one for one in planned}, {})
        figures = asyncio.run(check(place, expected, is_sent=False))
        waits_s = asyncio.run(_waits_s(place, notes))
    lost = next(one for one in figures if one.name == "lost")
    return Shown(
        f"{backend.value}: {OVERLOAD:g} times as many jobs as can be done, of all priorities",
        (Figure("accepted", len(accepted)), lost, *_compared(waits_s)),
        notes.refused(),
    )


Wait = tuple[float, float]
"""When a job was accepted, and how long it waited for the fleet."""


async def _waits_s(place: Place, notes: Notes) -> dict[Priority, list[Wait]]:
    asked_at_s = notes.first_asked_at_s()
    waits: dict[Priority, list[Wait]] = {priority: [] for priority in Priority}
    async with opened(place) as parts:
        async for job in all_jobs(parts.jobs):
            waits[job.priority].append(
                (job.created_at_s, asked_at_s[job.job_id] - job.created_at_s)
            )
    return waits


def _compared(waits: Mapping[Priority, Sequence[Wait]]) -> tuple[Figure, ...]:
    over_s = max(at_s for found in waits.values() for at_s, _ in found)
    p95_s = {
        priority: quantile(sorted(wait_s for _, wait_s in found), 0.95)
        for priority, found in waits.items()
    }
    done = {
        priority: sum(at_s + wait_s <= over_s for at_s, wait_s in found)
        for priority, found in waits.items()
    }
    return (
        *(Figure(f"p95 of {one.value}", p95_s[one], "s") for one in Priority),
        Figure("high to low", p95_s[Priority.HIGH] / p95_s[Priority.LOW], at_most=0.1),
        Figure(
            "low's share of what was done meanwhile",
            done[Priority.LOW] / max(1, sum(done.values())),
            at_least=LEAST_LOW,
        ),
    )
