"""Several processes at one database: of the same key there is one job, whoever is asked."""

from __future__ import annotations

import asyncio
from collections import Counter, defaultdict
from pathlib import Path

from control_plane.adapters.stores import SqlJobs, open_store
from control_plane.core.jobs import JobFilter
from tests.contract.jobs import adder

ENDS_WITHIN_S = 60
PROCESSES = 3
KEYS = [f"key-{n}" for n in range(20)]


async def test_processes_that_add_the_same_keys_at_once_have_the_same_jobs(
    location: str | Path,
) -> None:
    processes = [adder.start(location, KEYS) for _ in range(PROCESSES)]
    try:
        for one in processes:
            assert one.stdout is not None
            assert await asyncio.to_thread(one.stdout.readline) == "open\n"
        said = await asyncio.gather(
            *(asyncio.to_thread(one.communicate, "go\n", ENDS_WITHIN_S) for one in processes)
        )
    finally:
        for one in processes:
            one.kill()
            one.wait()
    assert [one.returncode for one in processes] == [0] * PROCESSES

    ids: defaultdict[str, set[str]] = defaultdict(set)
    new: Counter[str] = Counter()
    for line in "".join(out for out, _ in said).splitlines():
        key, job_id, is_new = line.split()
        ids[key].add(job_id)
        new[key] += is_new == "True"
    assert new == Counter(KEYS)
    assert [len(ids[key]) for key in KEYS] == [1] * len(KEYS)
    async with open_store(location) as store:
        found = await SqlJobs(store.database).find(JobFilter(), limit=1000)
    assert {job.job_id for job in found} == set().union(*ids.values())
    assert len(found) == len(KEYS)
