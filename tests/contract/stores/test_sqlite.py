"""What is special about SQLite's file."""

from __future__ import annotations

import asyncio
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import pytest

from control_plane.adapters.queues import SqlQueue
from control_plane.adapters.stores import SqlJobs, open_store
from control_plane.adapters.stores.database import Database
from control_plane.adapters.stores.location import locate
from control_plane.core.detections import Priority
from control_plane.core.state import Change
from control_plane.errors import ConfigurationError
from control_plane.ports import Message, StoreUnavailable
from tests.contract.jobs.samples import made


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "state" / "tidegate.db"


async def test_its_files_are_their_owners_alone(path: Path) -> None:
    async with open_store(path) as store:
        await store.write(Change(), expected=0)
        assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700
        # The log and its index lie beside it.
        assert len(list(path.parent.iterdir())) == 3
        for file in path.parent.iterdir():
            assert stat.S_IMODE(file.stat().st_mode) == 0o600


async def test_a_flood_of_jobs_holds_up_no_leader(path: Path) -> None:
    async with open_store(path) as store, SqlQueue(store.database) as queue:
        jobs = SqlJobs(store.database)
        flood = [asyncio.create_task(jobs.add(made())) for _ in range(30)]
        flood.append(asyncio.create_task(queue.publish(Message("a", Priority.LOW, b"{}"))))
        await asyncio.sleep(0)
        assert await store.acquire("plane", ttl_s=10.0) is not None
        assert sum(task.done() for task in flood) < 10
        await asyncio.gather(*flood)


async def test_each_connection_is_safe(path: Path) -> None:
    async with open_store(path) as store:
        database = Database(locate(path), timeout_s=5.0, pool_size=1)
        async with database.reading() as connection:
            found = [
                (await connection.exec_driver_sql(f"PRAGMA {name}")).scalar_one()
                for name in ("journal_mode", "foreign_keys", "synchronous")
            ]
        await database.dispose()
        assert await store.revision() == 0
    assert found == ["wal", 1, 2]


async def test_a_path_may_hold_any_character(tmp_path: Path) -> None:
    path = tmp_path / "a?b#c %20 d@e" / "t.db"
    async with open_store(path) as store:
        await store.write(Change(), expected=0)
    async with open_store(path) as store:
        assert await store.revision() == 1
    assert path.exists()


async def test_a_url_names_a_file(path: Path) -> None:
    async with open_store(f"sqlite:///{path}") as store:
        await store.write(Change(), expected=0)
    async with open_store(path) as store:
        assert await store.revision() == 1


async def test_a_file_of_something_else_is_told(tmp_path: Path) -> None:
    path = tmp_path / "notes.txt"
    path.write_text("This is no database. " * 100)

    with pytest.raises(StoreUnavailable, match=r"notes\.txt.*not a database"):
        async with open_store(path):
            pass
    assert path.read_text().startswith("This is no database.")


async def test_a_place_that_cannot_be_is_a_mistake_in_the_settings(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="cannot be opened"):
        async with open_store(tmp_path):
            pass


async def test_another_program_that_holds_the_file_is_waited_for_and_named(path: Path) -> None:
    async with open_store(path, timeout_s=2.0) as store:
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(StoreUnavailable, match="locked"):
                await store.write(Change(), expected=0)
            shell.execute("ROLLBACK")
        assert (await store.write(Change(), expected=0)).revision == 1


async def test_a_write_that_is_cut_off_leaves_no_lock(path: Path) -> None:
    """Whatever still holds a cursor of its connection: an exception may, for minutes."""
    cursors: list[object] = []
    long = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 300000)"

    async def write(database: Database) -> None:
        async with database.writing() as connection:
            raw = await connection.get_raw_connection()
            assert raw.driver_connection is not None
            cursors.append(await raw.driver_connection.execute("SELECT 1 UNION SELECT 2"))
            await connection.exec_driver_sql(f"{long} SELECT count(*) FROM n")

    async with open_store(path, timeout_s=5.0) as store:
        writing = asyncio.create_task(write(store.database))
        while not cursors and not writing.done():  # noqa: ASYNC110 -- a driver tells nobody
            await asyncio.sleep(0)
        writing.cancel()
        with pytest.raises(asyncio.CancelledError):
            await writing
        assert (await store.write(Change(), expected=0)).revision == 1
