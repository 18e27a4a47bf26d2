"""Every store of feedback that there is, held to the same promises."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from control_plane.adapters.stores import MemoryFeedback, SqlFeedback, open_store

Stores = MemoryFeedback | SqlFeedback
MOST_JUDGED = 5


@dataclass
class Stage:
    """One kind of store, empty. again: another plane's view of it."""

    feedback: Stores
    again: Callable[[], AbstractAsyncContextManager[Stores]]


@asynccontextmanager
async def in_memory() -> AsyncIterator[Stage]:
    now_s = 1_000_000.0

    def tick() -> float:
        nonlocal now_s
        now_s += 0.001
        return now_s

    made = MemoryFeedback(tick, most_judged=MOST_JUDGED)

    @asynccontextmanager
    async def again() -> AsyncIterator[Stores]:
        yield made

    yield Stage(made, again)


@asynccontextmanager
async def in_database(location: str | Path) -> AsyncIterator[Stage]:
    @asynccontextmanager
    async def again() -> AsyncIterator[Stores]:
        async with open_store(location, timeout_s=30.0) as store:
            yield SqlFeedback(store.database, most_judged=MOST_JUDGED)

    async with again() as feedback:
        yield Stage(feedback, again)


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
def feedback(stage: Stage) -> Stores:
    return stage.feedback
