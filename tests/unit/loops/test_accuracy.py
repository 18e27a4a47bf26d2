"""Figures are refreshed again and again, whatever the store does."""

from __future__ import annotations

import asyncio
from typing import cast

from structlog.testing import capture_logs

from control_plane.loops.accuracy import AccuracyLoop
from control_plane.ports import StoreUnavailable
from control_plane.services.accuracy import AccuracyBoard
from tests.unit.virtual_time import run_virtually


class FakeBoard:
    def __init__(self) -> None:
        self.failures: list[Exception | None] = []
        self.refreshed = 0

    async def refresh(self) -> None:
        self.refreshed += 1
        failure = self.failures.pop(0) if self.failures else None
        if failure is not None:
            raise failure


def test_it_goes_on_after_every_failure_and_tells_of_it_once() -> None:
    async def main() -> None:
        board = FakeBoard()
        board.failures = [StoreUnavailable("away"), RuntimeError("odd"), None, RuntimeError("odd")]
        task = asyncio.create_task(AccuracyLoop(cast(AccuracyBoard, board)).run())
        with capture_logs() as logs:
            await asyncio.sleep(21)
        assert board.refreshed == 5
        events = [(line["event"], line["reason"]) for line in logs]
        assert events == [
            ("accuracy not refreshed", "away"),
            ("accuracy not refreshed", "odd"),
        ]
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(main())


class Busy(FakeBoard):
    async def refresh(self) -> None:
        await super().refresh()
        await asyncio.sleep(4)


def test_it_rests_longer_than_it_works() -> None:
    async def main() -> None:
        board = Busy()
        task = asyncio.create_task(AccuracyLoop(cast(AccuracyBoard, board)).run())
        # Four seconds of work and sixteen of rest, however much there is to add up.
        await asyncio.sleep(59)
        assert board.refreshed == 3
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    run_virtually(main())
