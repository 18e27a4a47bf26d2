"""A watched Triton, as the tests of the watch need it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Release
from control_plane.loops.watch import InstanceWatch, WatchTimes
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from control_plane.services.mending import Mender
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import FOLDERS, SPECS, TABLE


class HighRandom(Random):
    """Draws its largest number: the wait is all of its ceiling."""

    def random(self) -> float:
        return 1.0


class Site:
    """One fake Triton under watch."""

    def __init__(self, triton: FakeInstance | None = None) -> None:
        self.triton = triton or FakeInstance(folders=FOLDERS)
        self.clock = FakeClock()
        self.instance = Instance("triton-0", "host:8001", self.triton)
        self.fleet = Fleet([self.instance], options=PoolOptions(), clock=self.clock, rng=Random(7))
        self.desired: tuple[Release, ...] = TABLE.releases()
        self.watch = self.watching()

    def watching(self, mender: Mender | None = None) -> InstanceWatch:
        return InstanceWatch(
            "triton-0",
            control=self.triton,
            fleet=self.fleet,
            specs=SPECS,
            desired=lambda: self.desired,
            times=WatchTimes(interval_s=0.0, observe_s=1.0, load_s=60.0),
            clock=self.clock,
            rng=HighRandom(0),
            mender=mender,
        )

    async def look_and_load(self) -> None:
        await self.watch.load(await self.watch.look())

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.watch.run())
        try:
            async with asyncio.timeout(10):
                yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def until(self, is_so: Callable[[], bool]) -> None:
        """Lets the loop run; ``running`` bounds how long."""
        while not is_so():  # noqa: ASYNC110  turns of the event loop, no time
            await asyncio.sleep(0)

    async def until_serving(self, *served: tuple[str, str]) -> None:
        await self.until(lambda: self.instance.serving == frozenset(served))


def loads_of(site: Site, model: str) -> int:
    return site.triton.calls.count(f"load {model}")


async def looks(site: Site, count: int = 50) -> None:
    """Lets the loop look many times at one moment of the clock."""
    for _ in range(count):
        site.instance.observed_at_s = None
        await site.until(lambda: site.instance.observed_at_s is not None)
