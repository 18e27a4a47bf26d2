"""Writes that come together are confirmed together, and each hears of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

import pytest

from control_plane.adapters.queues.batches import Batches
from control_plane.ports import QueueUnavailable
from tests.unit.virtual_time import run_virtually


class Disk:
    """Takes a second for each batch. fails: what the next one ends with."""

    def __init__(self) -> None:
        self.batches: list[list[str]] = []
        self.fails: Exception | None = None

    async def apply(self, items: Sequence[str]) -> None:
        await asyncio.sleep(1.0)
        if self.fails is not None:
            raise self.fails
        self.batches.append(list(items))


def test_what_comes_during_a_write_goes_into_the_next() -> None:
    async def main() -> None:
        disk = Disk()
        batches = Batches(disk.apply, most=3)
        first = asyncio.create_task(batches.write("a"))
        await asyncio.sleep(0.5)
        assert disk.batches == []
        await asyncio.gather(*(batches.write(item) for item in "bcde"))
        assert first.done()
        assert disk.batches == [["a"], ["b", "c", "d"], ["e"]]
        assert asyncio.get_running_loop().time() == 3.0
        await batches.write("f")
        assert disk.batches[-1] == ["f"]

    run_virtually(main())


@pytest.mark.parametrize("error", [QueueUnavailable("full"), ValueError("odd")])
def test_each_of_a_batch_that_fails_is_told(error: Exception) -> None:
    async def main() -> None:
        disk = Disk()
        batches = Batches(disk.apply, most=3)
        disk.fails = error
        said = await asyncio.gather(*map(batches.write, "ab"), return_exceptions=True)
        assert [str(one) for one in said] == [str(error)] * 2
        assert [type(one) for one in said] == [type(error)] * 2
        disk.fails = None
        await batches.write("c")
        assert disk.batches == [["c"]]

    run_virtually(main())


def test_who_goes_away_spoils_it_for_nobody() -> None:
    async def main() -> None:
        disk = Disk()
        batches = Batches(disk.apply, most=3)
        writing = [asyncio.create_task(batches.write(item)) for item in "ab"]
        await asyncio.sleep(0.5)
        writing[0].cancel()
        await writing[1]
        assert writing[0].cancelled()
        assert disk.batches == [["a", "b"]]

    run_virtually(main())


def test_who_waits_is_let_go_when_all_is_stopped() -> None:
    async def main() -> None:
        batches = Batches(Disk().apply, most=1)
        writing = [asyncio.create_task(batches.write(item)) for item in "ab"]
        await asyncio.sleep(0.5)
        assert batches._writing is not None
        batches._writing.cancel()
        await batches.drained()
        await asyncio.sleep(0)
        assert [one.cancelled() for one in writing] == [True, True]

    run_virtually(main())


def test_nothing_under_way_is_drained() -> None:
    async def main() -> None:
        disk = Disk()
        batches = Batches(disk.apply, most=1)
        await batches.drained()
        writing = asyncio.create_task(batches.write("a"))
        await asyncio.sleep(0)
        await batches.drained()
        assert disk.batches == [["a"]]
        await writing

    run_virtually(main())
