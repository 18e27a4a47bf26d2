"""What waits in the queue: asked by one at a time, and no longer waited for than one likes."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from control_plane.core.detections import Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import QueueUnavailable
from control_plane.services.jobs.depths import MOST_S, QueueDepths
from tests.unit.services.jobs.site import FaultyQueue, Site
from tests.unit.virtual_time import run_virtually


class Slow(FaultyQueue):
    """takes_s: for each answer."""

    def __init__(self, site: Site) -> None:
        super().__init__(site.messages)
        self.takes_s = 5.0
        self.asked = 0

    async def depths(self) -> Mapping[Priority, int]:
        self.asked += 1
        await asyncio.sleep(self.takes_s)
        return await super().depths()


def test_who_looks_at_jobs_waits_a_second_for_a_queue_that_does_not_answer() -> None:
    async def main() -> None:
        site = Site()
        site.queue = slow = Slow(site)
        desk = site.desk()
        began_s = asyncio.get_running_loop().time()
        for _ in range(3):
            with pytest.raises(ControlPlaneError) as caught:
                await desk.depths()
            assert caught.value.code is ErrorCode.QUEUE_UNAVAILABLE
        assert asyncio.get_running_loop().time() - began_s == pytest.approx(3.0)
        # One question, which goes on and has its answer when it comes.
        assert slow.asked == 1
        await asyncio.sleep(1.5)
        assert (await desk.depths())[Priority.LOW] == 0
        assert slow.asked == 1

    run_virtually(main())


def test_a_queue_that_never_answers_is_away() -> None:
    async def main() -> None:
        site = Site()
        slow = Slow(site)
        slow.takes_s = 1e9
        depths = QueueDepths(slow)
        with pytest.raises(QueueUnavailable, match="30 s"):
            await depths.read()
        assert asyncio.get_running_loop().time() >= MOST_S
        assert depths.is_away

    run_virtually(main())
