"""Health checks hear of readiness at first and at every change, and no more often."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.loops import readiness
from control_plane.loops.readiness import report_readiness


async def test_the_first_answer_and_every_change_are_reported(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readiness, "INTERVAL_S", 0.0)
    answers = [False, False, True, True, True, False, True]
    left = list(answers)
    reported: list[tuple[bool, int]] = []
    done = asyncio.Event()

    def is_ready() -> bool:
        if len(left) == 1:
            done.set()
            return left[0]
        return left.pop(0)

    async def report(ready: bool) -> None:
        reported.append((ready, len(answers) - len(left)))

    task = asyncio.create_task(report_readiness(is_ready, report))
    async with asyncio.timeout(5):
        await done.wait()
    for _ in range(5):
        await asyncio.sleep(0)
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert [ready for ready, _ in reported] == [False, True, False, True]
    assert [position for _, position in reported] == [1, 3, 6, 6]
