"""A loop that runs as long as a test needs it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from control_plane.core.rollout import Plan
from tests.unit.samples import ENGINES

PLAN = Plan(steps_percent=(5, 50), min_step_s=10.0, max_step_s=100.0, min_samples=20)


@asynccontextmanager
async def running(*loops: Any) -> AsyncIterator[None]:
    tasks = [asyncio.create_task(loop) for loop in loops]
    try:
        async with asyncio.timeout(20):
            yield
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


async def until(is_so: Callable[[], bool]) -> None:
    while not is_so():  # noqa: ASYNC110  bounded by ``running``
        await asyncio.sleep(0.001)


class FakeCatalogue:
    """The sample engines; counts how often it is read."""

    engines = ENGINES

    def __init__(self) -> None:
        self.refreshed = 0

    async def refresh(self) -> bool:
        self.refreshed += 1
        return False
