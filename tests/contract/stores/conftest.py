"""Every store that there is, held to the same promises."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from control_plane.adapters.stores import Bounds, MemoryStore, SqlStore, open_store
from tests.servers.postgres import PostgresServer

Store = MemoryStore | SqlStore
SMALL = Bounds(rollouts=3, assessments=20, keyed_units=50)
TRIED_FOR_S = 20.0


@dataclass
class Stage:
    """One kind of store. ttl_s: long enough to work in, short enough to be waited for."""

    store: Store
    ttl_s: float
    # Another plane's view of the same store.
    again: Callable[[], AbstractAsyncContextManager[Store]]
    advance: Callable[[float], None]

    async def once(self, ask: Callable[[], Awaitable[Any]]) -> Any:
        """The first answer that is true, as time goes by."""
        async with asyncio.timeout(TRIED_FOR_S):
            while not (answer := await ask()):
                self.advance(0.05)
                await asyncio.sleep(0.01)
        return answer


@asynccontextmanager
async def in_memory() -> AsyncIterator[Stage]:
    now_s = 1_000_000.0

    def advance(seconds: float) -> None:
        nonlocal now_s
        now_s += seconds

    store = MemoryStore(lambda: now_s, SMALL)

    @asynccontextmanager
    async def again() -> AsyncIterator[Store]:
        yield store

    yield Stage(store, 0.5, again, advance)


@asynccontextmanager
async def in_database(location: str | Path) -> AsyncIterator[Stage]:
    async with open_store(location, timeout_s=30.0, bounds=SMALL) as store:
        yield Stage(
            store,
            0.5,
            lambda: open_store(location, timeout_s=30.0, bounds=SMALL),
            advance=lambda seconds: None,
        )


@pytest.fixture(params=["sqlite", "postgres"])
def location(request: pytest.FixtureRequest, tmp_path: Path) -> str | Path:
    """An empty database."""
    if request.param == "sqlite":
        return tmp_path / "state" / "tidegate.db"
    server: PostgresServer = request.getfixturevalue("postgres")
    return server.new_database()


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
def store(stage: Stage) -> Store:
    return stage.store
