"""What is special about the queue in a database: leases, one error, and databases that go."""

from __future__ import annotations

import asyncio
import sqlite3
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import closing, suppress
from pathlib import Path

import pytest

from control_plane.adapters.queues import SqlQueue
from control_plane.adapters.stores import SqlStore, open_store
from control_plane.ports import Delivery, QueueUnavailable
from tests.contract.queues.conftest import die
from tests.contract.queues.stage import ANY, HIGH, LOW, NORMAL, WAIT_S, ids, message, publish
from tests.servers.postgres import PASSWORD, PostgresServer

BACK_WITHIN_S = 90.0
PAGES = "PRAGMA max_page_count = "


@pytest.fixture(params=["sqlite", "postgres"])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[SqlStore]:
    location = (
        tmp_path / "state.db"
        if request.param == "sqlite"
        else request.getfixturevalue("postgres").new_database()
    )
    async with open_store(location, timeout_s=20.0) as store:
        yield store


async def test_who_closes_gives_back_at_once(store: SqlStore) -> None:
    async with SqlQueue(store.database) as other:
        async with SqlQueue(store.database) as queue:
            await publish(queue, "a")
            assert ids(await queue.take(ANY, wait_s=WAIT_S)) == ["a"]
        (again,) = await other.take(ANY, wait_s=WAIT_S)
    assert (again.message_id, again.deliveries) == ("a", 2)


async def test_the_longest_wait_goes_first_also_of_those_that_came_back(store: SqlStore) -> None:
    async with SqlQueue(store.database) as queue:
        await publish(queue, "a", "b")
        taken = await queue.take({NORMAL: 1}, wait_s=WAIT_S)
        assert ids(taken) == ["a"]
        await queue.settle(taken[0], retry_in_s=0.0)
        assert ids(await queue.take({NORMAL: 2}, wait_s=WAIT_S)) == ["b", "a"]


async def test_who_lost_its_lease_settles_nothing_of_the_next_ones(store: SqlStore) -> None:
    async with (
        SqlQueue(store.database, lease_s=0.2) as slow,
        SqlQueue(store.database) as other,
    ):
        await publish(slow, "a", "b")
        held = await slow.take({NORMAL: 2}, wait_s=WAIT_S)
        slow_hands = dict(slow._in_hand)
        await die(slow)
        taken = [*await other.take({NORMAL: 2}, wait_s=WAIT_S)]
        assert sorted(map(str, ids(tuple(taken)))) == ["a", "b"]
        # It stood still for so long, and goes on as if nothing had been.
        slow._in_hand.update(slow_hands)
        await slow._renew()
        assert slow._in_hand == {}
        slow._in_hand.update(slow_hands)
        await slow.settle(held[0])
        await slow.settle(held[1], retry_in_s=0.0)

        assert await slow.take(ANY, wait_s=0.3) == ()
        for delivery in taken:
            await other.settle(delivery, retry_in_s=0.0)
        again = await other.take({NORMAL: 2}, wait_s=WAIT_S)
    assert [one.deliveries for one in again] == [3, 3]


async def test_a_take_that_is_cancelled_at_its_commit_counts_for_nothing(store: SqlStore) -> None:
    async with SqlQueue(store.database) as queue:
        await publish(queue, *"abc")
        for _ in range(20):
            taking = asyncio.create_task(queue.take({NORMAL: 3}, wait_s=WAIT_S))
            async with asyncio.timeout(WAIT_S):
                while not queue._in_hand and not taking.done():  # noqa: ASYNC110 -- it tells nobody
                    await asyncio.sleep(0)
            taking.cancel()
            with suppress(asyncio.CancelledError):
                for delivery in await taking:
                    await queue.settle(delivery, retry_in_s=0.0)
                continue
            while queue._giving_back:  # noqa: ASYNC110 -- it tells nobody
                await asyncio.sleep(0.01)
            assert await queue.depths() == {HIGH: 0, NORMAL: 3, LOW: 0}
        assert sorted(map(str, ids(await queue.take({NORMAL: 3}, wait_s=WAIT_S)))) == [*"abc"]


@pytest.mark.parametrize("odd", ["no\0thing", "\ud800"])
async def test_an_id_that_no_column_takes_is_refused_alone(store: SqlStore, odd: str) -> None:
    async with SqlQueue(store.database) as queue:
        said = await asyncio.gather(
            *(queue.publish(message(name)) for name in ("a", odd, "b")), return_exceptions=True
        )
        assert [type(one) for one in said] == [type(None), ValueError, type(None)]
        assert await queue.depths() == {HIGH: 0, NORMAL: 2, LOW: 0}


async def test_what_is_of_another_queue_is_not_settled_here(store: SqlStore) -> None:
    async with SqlQueue(store.database) as queue:
        with pytest.raises(TypeError, match="another queue"):
            await queue.settle(Delivery(NORMAL, b"{}"))


async def test_a_database_that_another_program_holds_is_told(tmp_path: Path) -> None:
    path = tmp_path / "state.db"
    async with open_store(path, timeout_s=2.0) as store, SqlQueue(store.database) as queue:
        await publish(queue, "a", "b")
        (held,) = await queue.take(ANY | {HIGH: 0, LOW: 0}, wait_s=WAIT_S)
        with closing(sqlite3.connect(path, isolation_level=None)) as shell:
            shell.execute("BEGIN IMMEDIATE")
            with pytest.raises(QueueUnavailable, match="locked"):
                await publish(queue, "c")
            with pytest.raises(QueueUnavailable, match="locked"):
                await queue.take(ANY, wait_s=0.1)
            with pytest.raises(QueueUnavailable, match="locked"):
                await queue.settle(held)
            # Who only reads waits for nobody.
            assert await queue.depths() == {HIGH: 0, NORMAL: 1, LOW: 0}
            shell.execute("ROLLBACK")
        assert ids(await queue.take(ANY, wait_s=WAIT_S)) == ["b"]
        # What could not be settled comes back when its lease has run out, and not sooner.
        assert await queue.take(ANY, wait_s=0.2) == ()


async def test_a_full_disk_loses_nothing_that_was_confirmed(tmp_path: Path) -> None:
    confirmed: list[str] = []
    async with (
        open_store(tmp_path / "state.db", timeout_s=5.0, pool_size=1) as store,
        SqlQueue(store.database) as queue,
    ):
        async with store.database.reading() as connection:
            pages = (await connection.exec_driver_sql("PRAGMA page_count")).scalar_one()
            await connection.exec_driver_sql(f"{PAGES}{pages + 100}")

        async def fill() -> None:
            for n in range(100):
                await queue.publish(message(f"m{n}", body=b" " * 60_000))
                confirmed.append(f"m{n}")

        with pytest.raises(QueueUnavailable, match="full"):
            await fill()
        assert confirmed
        assert (await queue.depths())[NORMAL] == len(confirmed)

        async with store.database.reading() as connection:
            await connection.exec_driver_sql(f"{PAGES}{pages + 10_000}")
        await publish(queue, "after")
        taken = await queue.take({NORMAL: 1000}, wait_s=WAIT_S)
        assert ids(taken) == [*confirmed, "after"]


async def test_a_server_that_is_started_anew_loses_nothing(postgres: PostgresServer) -> None:
    """Whoever publishes, takes and settles is told, tries again, and ends with all of it."""
    names = [f"m{n}" for n in range(120)]
    done: Counter[str | None] = Counter()
    errors: list[str] = []
    location = postgres.new_database()

    async def publish_all(queue: SqlQueue) -> None:
        for name in names:
            while True:
                try:
                    await queue.publish(message(name))
                    break
                except QueueUnavailable as error:
                    errors.append(str(error))
                    await asyncio.sleep(0.05)

    async def work(queue: SqlQueue) -> None:
        while len(done) < len(names):
            try:
                taken = await queue.take({NORMAL: 5}, wait_s=0.5)
            except QueueUnavailable as error:
                errors.append(str(error))
                await asyncio.sleep(0.05)
                continue
            for delivery in taken:
                # Before: a settling that fails may have been done nevertheless.
                done[delivery.message_id] += 1
                # Each of them: what is not settled stays in hand, and nobody else's.
                try:
                    await queue.settle(delivery)
                except QueueUnavailable as error:
                    errors.append(str(error))

    async with (
        open_store(location, timeout_s=5.0) as store,
        SqlQueue(store.database, lease_s=1.0) as queue,
        SqlQueue(store.database, lease_s=1.0) as other,
    ):
        working = asyncio.gather(publish_all(queue), work(queue), work(other))
        while len(done) < 20:  # noqa: ASYNC110 -- until they are at it
            await asyncio.sleep(0.01)
        try:
            await asyncio.to_thread(postgres.stop)
            with pytest.raises(QueueUnavailable):
                await queue.depths()
        finally:
            await asyncio.to_thread(postgres.start)
        async with asyncio.timeout(BACK_WITHIN_S):
            await working
        assert set(done) == set(names)
        assert PASSWORD not in "".join(errors)
