"""Every store of jobs that there is, held to the same promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.adapters.stores import MemoryJobs, SqlJobs, open_store

Jobs = MemoryJobs | SqlJobs


@dataclass
class Stage:
    """One kind of store, empty. again: another process's view of it."""

    jobs: Jobs
    again: Callable[[], AbstractAsyncContextManager[Jobs]]


@asynccontextmanager
async def in_memory() -> AsyncIterator[Stage]:
    now_s = 1_000_000.0

    def tick() -> float:
        nonlocal now_s
        now_s += 0.001
        return now_s

    jobs = MemoryJobs(tick)

    @asynccontextmanager
    async def again() -> AsyncIterator[Jobs]:
        yield jobs

    yield Stage(jobs, again)


@asynccontextmanager
async def in_database(location: str | Path) -> AsyncIterator[Stage]:
    @asynccontextmanager
    async def again() -> AsyncIterator[Jobs]:
        async with open_store(location, timeout_s=30.0) as store:
            yield SqlJobs(store.database)

    async with again() as jobs:
        yield Stage(jobs, again)


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database."""
    if request.param == "sqlite":
        return tmp_path / "state" / "tidegate.db"
    database: str = request.getfixturevalue("postgres").new_database()
    return database


@pytest.fixture(params=["memory", "sqlite", "postgres"])
async def stage(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Stage]:
    if request.param == "memory":
        opened = in_memory()
    elif request.param == "sqlite":
        opened = in_database(tmp_path / "state" / "tidegate.db")
    else:
        opened = in_database(request.getfixturevalue("postgres").new_database())
    async with opened as stage:
        yield stage


@pytest.fixture
def jobs(stage: Stage) -> Jobs:
    return stage.jobs
