"""What is special about a server: it can be away, and it asks who is there."""

from __future__ import annotations

import asyncio
import logging

import pytest

from control_plane.adapters.stores import SqlStore, open_store
from control_plane.core.state import Change
from control_plane.ports import StoreUnavailable
from tests.contract.stores import samples
from tests.contract.stores.plane import count_one
from tests.contract.stores.test_processes import check_whole
from tests.servers.postgres import PASSWORD, PostgresServer

BACK_WITHIN_S = 30.0


async def test_a_server_that_comes_back_is_used_again(
    postgres: PostgresServer, caplog: pytest.LogCaptureFixture
) -> None:
    """Without opening the store anew, and nothing that was answered is lost."""
    caplog.set_level(logging.DEBUG)
    said = []
    async with open_store(postgres.new_database(), timeout_s=5.0) as store:
        written = await store.write(
            Change({"damage": samples.engine_state()}, audit=(samples.entry(),)), expected=0
        )
        await asyncio.gather(*(store.read() for _ in range(5)))

        await asyncio.to_thread(postgres.stop)
        try:
            for _ in range(3):
                for call in (store.revision(), store.read(), store.write(Change(), expected=1)):
                    with pytest.raises(StoreUnavailable) as caught:
                        await call
                    said.append(str(caught.value))
        finally:
            await asyncio.to_thread(postgres.start)

        async with asyncio.timeout(BACK_WITHIN_S):
            assert await store.read() == written
        assert (await store.write(Change(), expected=1)).revision == 2
    assert PASSWORD not in "".join(said) + caplog.text
    assert all(f"127.0.0.1:{postgres.port}" in words for words in said)


async def test_a_restart_between_two_calls_is_not_noticed(postgres: PostgresServer) -> None:
    async with open_store(postgres.new_database()) as store:
        await asyncio.gather(*(store.read() for _ in range(5)))

        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)

        assert (await store.write(Change(), expected=0)).revision == 1
        await asyncio.gather(*(store.read() for _ in range(5)))


async def test_a_server_that_goes_in_the_middle_of_writes_loses_none(
    postgres: PostgresServer,
) -> None:
    acknowledged: list[int] = []
    lost: list[str] = []
    is_back = asyncio.Event()

    async def work(store: SqlStore, name: str) -> None:
        done = 0
        while done < 5:
            try:
                acknowledged.append(await count_one(store, name))
                done += is_back.is_set()
            except StoreUnavailable as error:
                lost.append(str(error))
                await asyncio.sleep(0.02)

    async with open_store(postgres.new_database(), timeout_s=5.0) as store:
        working = asyncio.gather(*(work(store, name) for name in "abcd"))
        while len(acknowledged) < 10:  # noqa: ASYNC110 -- until they are at it
            await asyncio.sleep(0.01)
        await asyncio.to_thread(postgres.stop)
        await asyncio.to_thread(postgres.start)
        is_back.set()
        async with asyncio.timeout(BACK_WITHIN_S):
            await working

        assert lost
        assert len(set(acknowledged)) == len(acknowledged)
        # Each of the four may have lost one answer to a write that was done.
        everything = await check_whole(store, max(acknowledged))
        assert len(acknowledged) <= everything <= len(acknowledged) + 4


async def test_a_server_that_is_away_at_the_start_is_told(postgres: PostgresServer) -> None:
    await asyncio.to_thread(postgres.stop)
    try:
        with pytest.raises(StoreUnavailable) as caught:
            async with open_store(postgres.url()):
                pass
    finally:
        await asyncio.to_thread(postgres.start)
    assert PASSWORD not in str(caught.value)


async def test_a_wrong_password_is_told_and_not_repeated(postgres: PostgresServer) -> None:
    wrong = "hunter2"
    with pytest.raises(StoreUnavailable, match="password authentication failed") as caught:
        async with open_store(postgres.url().replace(PASSWORD, wrong)):
            pass
    assert wrong not in str(caught.value) + repr(caught.value)


async def test_a_database_that_is_not_there_is_told(postgres: PostgresServer) -> None:
    with pytest.raises(StoreUnavailable, match='"nowhere" does not exist'):
        async with open_store(postgres.url("nowhere")):
            pass


async def test_two_planes_that_clear_up_do_not_wait_for_each_other(
    postgres: PostgresServer,
) -> None:
    location = postgres.new_database()
    async with open_store(location) as one, open_store(location) as other:
        for n in range(10):
            reports = [
                store.report(samples.report(f"{name}{i}"), ttl_s=0.001)
                for name, store in (("a", one), ("b", other))
                for i in range(n % 5)
            ]
            await asyncio.gather(*reports)
        await one.report(samples.report("last"), ttl_s=1000.0)
        assert await other.reports() == (samples.report("last"),)
