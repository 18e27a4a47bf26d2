"""A plane that dies at any point of a rollout: the next one goes on, and no point is special.

A *point* is just before or just after each write and each action on an instance, of all that a
rollout takes from its order to its end and back. At its point the plane stops dead: what was
under way is done or it is not, nothing is cleaned up, and its lease runs out by itself.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import pytest

from control_plane.adapters.stores import MemoryStore
from control_plane.core.catalogue import Config, Release
from control_plane.core.loading import Observation
from control_plane.core.rollout import Plan, State, Verdict
from control_plane.core.state import Change
from control_plane.core.state import State as Stored
from tests.unit.fakes import FakeInstance
from tests.unit.samples import ENGINES, FOLDERS
from tests.unit.site import Site

TTL_S = 50.0
PLAN = Plan(steps_percent=(5, 100), min_step_s=1.0, max_step_s=200.0, min_samples=20)
ALL = [release for engine in ENGINES.values() for release in engine.releases.values()]


@dataclass
class Fate:
    """Where the plane dies. points: how many it has come to."""

    dies_at: int
    points: int = 0
    is_dead: asyncio.Event = field(default_factory=asyncio.Event)

    async def point(self) -> None:
        self.points += 1
        if self.points == self.dies_at:
            self.is_dead.set()
        if self.is_dead.is_set():
            await asyncio.Event().wait()  # nothing of a dead process goes on


class MortalControl:
    """What a plane does to an instance, and may die of."""

    def __init__(self, triton: FakeInstance, fate: Fate) -> None:
        self._triton = triton
        self._fate = fate

    async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
        return await self._triton.observe(releases, timeout_s=timeout_s)

    async def load(self, model: str, config: Config, **options: Any) -> None:
        await self._fate.point()
        await self._triton.load(model, config, **options)
        await self._fate.point()

    async def unload(self, model: str, *, timeout_s: float) -> None:
        await self._fate.point()
        await self._triton.unload(model, timeout_s=timeout_s)
        await self._fate.point()


class MortalStore:
    """The same for what it writes. The store itself lives on, and checks what is written."""

    def __init__(self, store: MemoryStore, fate: Fate, tritons: list[FakeInstance]) -> None:
        self._store = store
        self._fate = fate
        self._tritons = tritons

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)

    async def write(self, change: Change, *, expected: int, epoch: int | None = None) -> Stored:
        await self._fate.point()
        state = await self._store.write(change, expected=expected, epoch=epoch)
        await self.check_routes(state)
        await self._fate.point()
        return state

    async def check_routes(self, state: Stored) -> None:
        """What a table gives traffic to beside stable is served on some instance."""
        seen = [await triton.observe(ALL, timeout_s=1.0) for triton in self._tritons]
        for route in state.table.routes.values():
            for version in route.weights_bp.keys() - {route.stable}:
                release = route.serving[version]
                assert any(one.is_serving(release) for one in seen), f"{version} is routed"


class Story:
    """A rollout to 1.1.0 that is completed, and one that is ordered back; told by planes that die.

    Each part is told until it is so, by whichever plane lives: a person who has no answer says
    it again.
    """

    def __init__(self, dies_at: int) -> None:
        self.fate = Fate(dies_at)
        self.tritons = [FakeInstance(folders=FOLDERS) for _ in range(2)]
        self.first = self.plane(self.fate, None)
        self.deaths = 0

    def plane(self, fate: Fate, before: Site | None) -> Site:
        name = "plane-1" if before is None else "plane-2"
        site = Site(*self.tritons, plane=name, ttl_s=TTL_S)
        store = MemoryStore(site.clock.now_s) if before is None else before.store
        if before is not None:
            site.clock.now = before.clock.now + TTL_S + 1
            raw = store._store if isinstance(store, MortalStore) else store
            raw._now_s = site.clock.now_s
            store = raw
        mortal: Any = MortalStore(store, fate, self.tritons)
        controls: Any = {
            instance.name: MortalControl(triton, fate)
            for instance, triton in zip(site.instances, self.tritons, strict=True)
        }
        site.store = mortal
        site.leading._store = site.rollouts._store = mortal
        site.reconciler._controls = controls
        return site

    async def tell(self) -> Site:
        site = self.first
        for part in (self.begin, self.promote, self.complete, self.take_back, self.be_back):
            while True:
                telling = asyncio.create_task(part(site))
                dying = asyncio.create_task(self.fate.is_dead.wait())
                await asyncio.wait({telling, dying}, return_when=asyncio.FIRST_COMPLETED)
                dying.cancel()
                if telling.done() and not self.fate.is_dead.is_set():
                    await telling
                    break
                tasks = [telling, *site._tasks]
                for task in tasks:
                    task.cancel()
                await asyncio.gather(*tasks, return_exceptions=True)
                self.deaths += 1
                self.fate.is_dead = asyncio.Event()
                site = self.plane(self.fate, site)
                await self.lead(site)
        return site

    async def lead(self, site: Site) -> None:
        lease = await site.store.acquire(site.plane, ttl_s=TTL_S)
        assert lease is not None
        site.epoch = lease.epoch
        site.board.put(await site.store.read())

    async def begin(self, site: Site) -> None:
        if site.board.state.revision == 0:
            await site.begin()
        await site.settle()

    async def promote(self, site: Site) -> None:
        if site.rollout() is None:
            await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
        await site.settle()

    async def complete(self, site: Site) -> None:
        for _ in range(10):
            if site.board.state.engines["damage"].stable == "1.1.0":
                return
            site.clock.advance(1.0)
            site.judge(Verdict.NOT_WORSE)
            await site.settle()
        raise AssertionError(f"it is not completed: {site.rollout()}")

    async def take_back(self, site: Site) -> None:
        rollout = site.rollout()
        if rollout is not None and not rollout.is_reversal:
            await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        await site.settle()

    async def be_back(self, site: Site) -> None:
        await site.settle()


async def points_of_a_life() -> int:
    story = Story(dies_at=-1)
    await story.tell()
    return story.fate.points


POINTS = asyncio.run(points_of_a_life())


def test_a_life_has_all_the_points_there_are() -> None:
    # 6 loads and 2 widenings, twins and narrowings on each of two instances, and the writes.
    assert POINTS > 70


@pytest.mark.parametrize("dies_at", range(1, POINTS + 1))
async def test_wherever_a_plane_dies_the_next_one_ends_the_story(dies_at: int) -> None:
    story = Story(dies_at)
    async with asyncio.timeout(30):
        site = await story.tell()
    assert story.deaths == 1
    rollout = site.rollout()
    assert rollout is not None
    assert (rollout.state, rollout.is_reversal) == (State.COMPLETED, True)
    assert site.board.state.engines["damage"].stable == "1.0.0"
    assert site.route().weights_bp == {"1.0.0": 10_000}
    for triton in story.tritons:
        assert triton.loaded["damage_detector"] == {1}
        assert set(triton.twins) == {"damage--1.0.0", "materials--1.0.0"}
