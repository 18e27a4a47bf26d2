"""What the stores in databases promise beyond the ports: tables, time limits, one error."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Connection
from sqlalchemy.ext.asyncio import AsyncConnection

from control_plane.adapters.stores import open_store
from control_plane.adapters.stores.database import Database, now_s
from control_plane.adapters.stores.location import locate
from control_plane.adapters.stores.schema import VERSION_TABLE
from control_plane.adapters.stores.tables import METADATA
from control_plane.core.state import Change, EngineState, State
from control_plane.errors import ConfigurationError
from control_plane.ports import Fenced, StaleRevision, StoreUnavailable
from tests.contract.stores import samples
from tests.servers.postgres import PASSWORD

SHORT_S = 0.3
PATIENCE_S = 1.0
"""Of a store that is made to wait. A busy machine may take longer for what waits for nobody."""
IN_THE_END_S = 20.0


@asynccontextmanager
async def other_writer(location: str | Path) -> AsyncIterator[AsyncConnection]:
    """Somebody in the middle of a write, who has locked the state."""
    database = Database(locate(location), timeout_s=30.0, pool_size=1)
    try:
        async with database.writing() as connection:
            await connection.exec_driver_sql("UPDATE state SET revision = revision")
            yield connection
    finally:
        await database.dispose()


async def in_the_end(ask: Callable[[], Awaitable[State]]) -> State:
    """The first answer of a store that has little patience."""
    async with asyncio.timeout(IN_THE_END_S):
        while True:
            with suppress(StoreUnavailable, StaleRevision):
                return await ask()
            await asyncio.sleep(0.02)


async def execute(location: str | Path, statement: str) -> None:
    async with other_writer(location) as connection:
        await connection.exec_driver_sql(statement)


async def test_the_migrations_make_the_tables_that_the_code_knows(location: str | Path) -> None:
    def differences(connection: Connection) -> list[object]:
        opts = {"version_table": VERSION_TABLE, "compare_type": True}
        return list(compare_metadata(MigrationContext.configure(connection, opts=opts), METADATA))

    async with open_store(location):
        pass
    async with other_writer(location) as connection:
        assert await connection.run_sync(differences) == []


async def test_a_store_that_is_opened_again_is_as_it_was(location: str | Path) -> None:
    change = Change({"damage": samples.engine_state()}, samples.table(), audit=(samples.entry(),))
    async with open_store(location) as store:
        written = await store.write(change, expected=0)
        lease = await store.acquire("a", ttl_s=1000.0)

    async with open_store(location) as store:
        assert await store.read() == written
        assert await store.acquire("a", ttl_s=1000.0) == lease
        assert (await store.write(Change(), expected=1)).revision == 2


async def test_many_who_open_an_empty_database_at_once(location: str | Path) -> None:
    async with AsyncExitStack() as stack:
        stores = await asyncio.gather(
            *(stack.enter_async_context(open_store(location, timeout_s=30.0)) for _ in range(6))
        )
        assert [await store.read() for store in stores] == [State()] * 6


async def test_a_database_of_a_newer_tidegate_is_refused(location: str | Path) -> None:
    async with open_store(location) as store:
        await store.write(Change(), expected=0)
    await execute(location, f"UPDATE {VERSION_TABLE} SET version_num = '9999'")

    with pytest.raises(ConfigurationError, match=r"newer Tidegate.*9999.*0005"):
        async with open_store(location):
            pass

    await execute(location, f"UPDATE {VERSION_TABLE} SET version_num = '0005'")
    async with open_store(location) as store:
        assert await store.revision() == 1


async def test_a_document_of_a_newer_tidegate_is_not_misread(location: str | Path) -> None:
    async with open_store(location) as store:
        await store.write(Change(), expected=0)
        await execute(location, """UPDATE state SET routing_table = '{"later": 1}'""")

        with pytest.raises(StoreUnavailable, match=r"'later'.*newer"):
            await store.read()
        # Nor overwritten by who could not read it.
        with pytest.raises(StoreUnavailable, match="newer"):
            await store.write(Change(audit=(samples.entry(),)), expected=1)
        assert (await store.revision(), await store.entries()) == (1, ())


async def test_who_waits_for_too_long_gives_up_and_comes_back(location: str | Path) -> None:
    async with open_store(location, timeout_s=PATIENCE_S, pool_size=1) as store:
        async with other_writer(location):
            for _ in range(3):
                began_s = time.monotonic()
                with pytest.raises(StoreUnavailable) as caught:
                    await store.write(Change(), expected=0)
                assert time.monotonic() - began_s < 10 * PATIENCE_S
                assert PASSWORD not in str(caught.value)
                # Who reads waits for nobody: the other one is not through before this answers.
                assert await in_the_end(store.read) == State()

        # Nothing of what was given up is done now that its turn would have come.
        assert await in_the_end(store.read) == State()

        async def write() -> State:
            # Whoever gave up cannot know whether it was written.
            return await store.write(Change(), expected=await store.revision())

        assert (await in_the_end(write)).revision >= 1


async def test_a_write_that_is_cancelled_is_not_done(location: str | Path) -> None:
    async with open_store(location, timeout_s=30.0, pool_size=1) as store:
        async with other_writer(location):
            writing = asyncio.create_task(store.write(Change(), expected=0))
            await asyncio.sleep(0.1)  # until it waits; sooner does no harm
            writing.cancel()
            with pytest.raises(asyncio.CancelledError):
                await writing

        assert await store.read() == State()
        assert (await store.write(Change(), expected=0)).revision == 1


async def test_a_lease_that_expires_while_a_write_waits_is_over(location: str | Path) -> None:
    """The write came in time, and its turn came too late."""
    async with open_store(location, timeout_s=30.0) as store:
        lease = await store.acquire("a", ttl_s=SHORT_S)
        assert lease is not None
        async with other_writer(location) as connection:
            until_s = await now_s(connection) + SHORT_S
            writing = asyncio.create_task(store.write(Change(), expected=0, epoch=lease.epoch))
            while await now_s(connection) <= until_s:  # noqa: ASYNC110 -- a clock tells nobody
                await asyncio.sleep(0.02)

        with pytest.raises(Fenced):
            await writing
        assert await store.read() == State()


@pytest.mark.parametrize("odd", ["no\0thing", "\ud800"])
async def test_what_no_column_takes_is_refused_whole(location: str | Path, odd: str) -> None:
    changes = [
        Change({odd: samples.engine_state()}),
        Change({"damage": samples.engine_state(odd)}),
        Change({"damage": samples.engine_state("r1", odd)}),
        Change({"damage": EngineState(odd)}),
        Change(holds={odd: None}),
        Change(audit=(samples.entry(engine=odd),)),
        Change(audit=(samples.entry(rollout_id=odd),)),
    ]
    async with open_store(location) as store:
        for change in changes:
            with pytest.raises(ValueError, match="cannot be a name"):
                await store.write(change, expected=0)
        assert await store.read() == State()
        # What is no name may be any text.
        entry = replace(samples.entry(), who=odd, reason=odd)
        await store.write(Change(audit=(entry,)), expected=0)
        assert [one.entry for one in await store.entries()] == [entry]


async def test_a_store_shows_no_password(location: str | Path) -> None:
    async with open_store(location) as store:
        assert PASSWORD not in repr(store)
        assert "tidegate" in repr(store) or "test_" in repr(store)


@pytest.mark.parametrize("is_replaced", [False, True])
async def test_a_file_that_was_moved_away_is_a_store_that_is_away(
    tmp_path: Path, is_replaced: bool
) -> None:
    # What is written to it now nobody else reads; another plane would make a new one, and lead too.
    folder, aside = tmp_path / "state", tmp_path / "aside"
    path = folder / "state.db"
    async with open_store(path) as store:
        await store.write(Change(), expected=0)
        folder.rename(aside)
        if is_replaced:
            async with open_store(path) as other:
                assert await other.revision() == 0
        with pytest.raises(StoreUnavailable, match="was moved, removed or replaced"):
            await store.revision()
        with pytest.raises(StoreUnavailable, match="put it back"):
            await store.write(Change(), expected=1)
        with pytest.raises(StoreUnavailable):
            await store.acquire("a", ttl_s=1.0)
        if is_replaced:
            folder.rename(tmp_path / "replaced")
        aside.rename(folder)
        assert await store.revision() == 1
