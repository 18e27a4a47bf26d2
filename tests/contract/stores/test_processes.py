"""Several processes at one database: they start together, write together, and die."""

from __future__ import annotations

import asyncio
import itertools
import signal
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO

import pytest

from control_plane.adapters.stores import SqlStore, open_store
from tests.contract.stores import plane
from tests.contract.stores.plane import COUNTED, count_one
from tests.servers.postgres import PostgresServer

ENDS_WITHIN_S = 60


@contextmanager
def running(
    location: str | Path, *planes: tuple[str, int | str]
) -> Iterator[list[subprocess.Popen[str]]]:
    processes = [plane.start(location, name, times) for name, times in planes]
    try:
        yield processes
    finally:
        for process in processes:
            process.kill()
            process.communicate()


def lines(process: subprocess.Popen[str]) -> IO[str]:
    assert process.stdout is not None
    return process.stdout


async def check_whole(store: SqlStore, least: int) -> int:
    """Revision, state, routes, rollouts and audit are of the same writes; how many those were."""
    state = await store.read()
    written = int(state.holds[COUNTED].reason)
    assert written >= least
    assert state.revision == state.table.revision == written
    actions = [record.entry.action for record in await store.entries(limit=100_000)]
    assert actions == [str(n) for n in range(written, 0, -1)]
    told = await store.rollouts(limit=100_000)
    assert [int(one.rollout_id.split("-")[1]) for one in told] == list(range(written, 0, -1))
    for engine, kept in state.engines.items():
        assert kept.rollout == (await store.rollouts(engine=engine, limit=1))[0]
    return written


async def test_processes_that_start_together_count_each_write_once(location: str | Path) -> None:
    """The database is empty when they start: one of them makes its tables."""
    each = 25
    with running(location, *((name, each) for name in "abc")) as processes:
        said = [
            await asyncio.to_thread(one.communicate, timeout=ENDS_WITHIN_S) for one in processes
        ]
    assert [one.returncode for one in processes] == [0] * 3

    numbers = sorted(int(word) for out, _ in said for word in out.split() if word != "open")
    assert numbers == list(range(1, 3 * each + 1))
    async with open_store(location) as store:
        assert await check_whole(store, 3 * each) == 3 * each


@pytest.mark.parametrize("after", [1, 4, 9])
async def test_a_writer_that_is_killed_leaves_the_database_whole(
    location: str | Path, after: int
) -> None:
    with running(location, ("victim", 1_000_000)) as (victim,):
        acknowledged = [
            int(line) for line in itertools.islice(lines(victim), after + 1) if line != "open\n"
        ]
        async with open_store(location) as store:
            writing = asyncio.gather(*(count_one(store, "other") for _ in range(after)))
            victim.send_signal(signal.SIGKILL)
            mine = await writing
            acknowledged += [int(line) for line in lines(victim)]
            # What was answered was written; one more write may have lost its answer.
            everything = await check_whole(store, max(*acknowledged, *mine))
            assert len(set(acknowledged) | set(mine)) in (everything, everything - 1)
            await count_one(store, "other")
            await check_whole(store, everything + 1)


async def test_a_writer_that_is_killed_within_its_transaction_wrote_nothing(
    location: str | Path,
) -> None:
    with running(location, ("victim", "hold")) as (victim,):
        assert list(itertools.islice(lines(victim), 2)) == ["open\n", "held\n"]
        async with open_store(location) as store:
            # Who reads does not wait for who writes.
            assert await store.revision() == 0
            victim.send_signal(signal.SIGKILL)
            assert await count_one(store, "other") == 1
            assert await check_whole(store, 1) == 1


async def test_a_writer_that_stands_still_holds_nobody_up_for_long(
    postgres: PostgresServer,
) -> None:
    """A stopped virtual machine answers nobody; the server ends its transaction."""
    location = postgres.new_database()
    with running(location, ("victim", "hold")) as (victim,):
        assert list(itertools.islice(lines(victim), 2)) == ["open\n", "held\n"]
        victim.send_signal(signal.SIGSTOP)
        async with open_store(location, timeout_s=40.0) as store:
            assert await count_one(store, "other") == 1
