"""Answers reach their store every half second, and once more when the plane stops."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from structlog.testing import capture_logs

from control_plane.adapters.stores import MemoryFeedback
from control_plane.core.accuracy import KeptDetection
from control_plane.loops.keep import KeepLoop
from control_plane.services.keeping import Keeping
from tests.unit.answers import answer
from tests.unit.virtual_time import run_virtually


class Slow(MemoryFeedback):
    takes_s = 0.0
    forgotten = 0

    async def keep(self, detections: Sequence[KeptDetection]) -> None:
        await asyncio.sleep(self.takes_s)
        await super().keep(detections)

    async def forget(self, *, most: int, keep_s: float, limit: int) -> int:
        self.forgotten += 1
        return await super().forget(most=most, keep_s=keep_s, limit=limit)


async def stop(task: asyncio.Task[None]) -> None:
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)


def test_what_was_taken_is_stored_soon_and_old_ones_now_and_then_forgotten() -> None:
    async def main() -> None:
        store = Slow(lambda: 0.0)
        keeping = Keeping(store)
        task = asyncio.create_task(KeepLoop(keeping).run())
        await asyncio.sleep(0.1)
        keeping.take(answer("a"))
        await asyncio.sleep(0.5)
        assert await store.find("d-a") is not None
        assert store.forgotten == 1
        await asyncio.sleep(9.5)
        assert store.forgotten == 2
        await stop(task)

    run_virtually(main())


def test_a_plane_that_stops_stores_what_is_left() -> None:
    async def main() -> None:
        store = Slow(lambda: 0.0)
        keeping = Keeping(store)
        task = asyncio.create_task(KeepLoop(keeping).run())
        await asyncio.sleep(0.1)
        keeping.take(answer("a"))
        await stop(task)
        assert task.cancelled()
        assert await store.find("d-a") is not None

    run_virtually(main())


def test_a_store_that_is_slow_does_not_keep_a_plane_from_stopping() -> None:
    async def main() -> None:
        store = Slow(lambda: 0.0)
        keeping = Keeping(store)
        task = asyncio.create_task(KeepLoop(keeping).run())
        await asyncio.sleep(0.1)
        store.takes_s = 60.0
        keeping.take(answer("a"))
        began_s = asyncio.get_running_loop().time()
        with capture_logs() as logs:
            await stop(task)
        assert asyncio.get_running_loop().time() - began_s < 2
        assert [line["event"] for line in logs] == ["the last answers were not kept"]

    run_virtually(main())
