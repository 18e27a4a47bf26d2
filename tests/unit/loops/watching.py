"""A watched Triton, as the tests of the loops need it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from random import Random

from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Release
from control_plane.core.loading import twin_config
from control_plane.loops.watch import InstanceWatch, WatchTimes
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import ENGINES, FOLDERS, SPECS, TABLE
from tests.unit.site import HighRandom

ALL_LOADED = {"preprocess": {1}, "damage_detector": {1}, "materials_detector": {1}, "volume": {4}}


def filled() -> FakeInstance:
    """A Triton where every stable release is served."""
    return FakeInstance(
        folders=FOLDERS,
        loaded={model: set(versions) for model, versions in ALL_LOADED.items()},
        twins={
            release.model_name: twin_config(SPECS[release.engine], release)
            for release in TABLE.releases()
            if release.is_ensemble
        },
    )


class Watched:
    """One fake Triton under watch."""

    def __init__(self, triton: FakeInstance | None = None) -> None:
        self.triton = triton or filled()
        self.clock = FakeClock()
        self.instance = Instance("triton-0", "host:8001", self.triton)
        self.fleet = Fleet([self.instance], options=PoolOptions(), clock=self.clock, rng=Random(7))
        self.routed: tuple[Release, ...] = TABLE.releases()
        self.watch = InstanceWatch(
            "triton-0",
            control=self.triton,
            fleet=self.fleet,
            known=lambda: [one for each in ENGINES.values() for one in each.releases.values()],
            routed=lambda: self.routed,
            times=WatchTimes(interval_s=0.0, observe_s=1.0),
            clock=self.clock,
            rng=HighRandom(0),
        )

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
