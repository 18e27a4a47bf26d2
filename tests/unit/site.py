"""A control plane's inner half over fake Tritons: looks, reconciler, leader, commands.

Time moves when a test says so, and work goes on in turns of the event loop.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Mapping
from contextlib import asynccontextmanager
from random import Random

from control_plane.adapters.stores import MemoryStore
from control_plane.core.balancing import PoolOptions
from control_plane.core.catalogue import Engine
from control_plane.core.health import ProbeResult
from control_plane.core.rollout import Assessment, Rollout, Verdict
from control_plane.core.routing import Route, Trial, all_to_stable
from control_plane.core.state import AuditEntry, Change, EngineState, State
from control_plane.loops.watch import InstanceWatch, WatchTimes
from control_plane.services.board import Board
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance
from control_plane.services.leading import Leading
from control_plane.services.mending import Mender
from control_plane.services.reconciling import Reconciler, ReconcileTimes
from control_plane.services.rollouts import Rollouts
from tests.unit.fakes import FakeCalendar, FakeClock, FakeInstance
from tests.unit.samples import ENGINES, FOLDERS, SPECS

TTL_S = 1000.0


class HighRandom(Random):
    """Draws its largest number: the wait is all of its ceiling."""

    def random(self) -> float:
        return 1.0


class Site:
    """Two fake Tritons and one plane that leads, after ``await site.begin()``.

    probed: engines whose releases have to prove themselves; ``prove`` does.
    """

    def __init__(
        self,
        *tritons: FakeInstance,
        probed: Collection[str] = (),
        engines: Mapping[str, Engine] = ENGINES,
        fallbacks: Mapping[str, str] | None = None,
        store: MemoryStore | None = None,
        mender: Callable[[Fleet, FakeClock], Mender] | None = None,
        plane: str = "plane-1",
        ttl_s: float = TTL_S,
    ) -> None:
        self.plane, self.ttl_s = plane, ttl_s
        self.clock = FakeClock()
        self.calendar = FakeCalendar()
        self.tritons = list(tritons) or [FakeInstance(folders=FOLDERS) for _ in range(2)]
        names = [f"triton-{number}" for number in range(len(self.tritons))]
        self.instances = [
            Instance(name, f"host:{number}", triton)
            for number, (name, triton) in enumerate(zip(names, self.tritons, strict=True))
        ]
        self.fleet = Fleet(
            self.instances,
            options=PoolOptions(),
            clock=self.clock,
            rng=Random(7),
            probed=probed,
        )
        self.engines = engines
        self.store = store or MemoryStore(self.clock.now_s)
        self.board = Board(State())
        self.reconciler = Reconciler(
            fleet=self.fleet,
            controls=dict(zip(names, self.tritons, strict=True)),
            specs=SPECS,
            probed=probed,
            times=ReconcileTimes(load_s=60.0, prove_s=10.0),
            clock=self.clock,
            rng=HighRandom(0),
            mender=mender(self.fleet, self.clock) if mender is not None else None,
        )
        self.watches = [
            InstanceWatch(
                name,
                control=triton,
                fleet=self.fleet,
                known=lambda: [r for e in engines.values() for r in e.releases.values()],
                routed=lambda: self.board.table.releases(),
                times=WatchTimes(interval_s=0.0, observe_s=1.0),
                clock=self.clock,
                rng=HighRandom(0),
            )
            for name, triton in zip(names, self.tritons, strict=True)
        ]
        self.fallbacks = fallbacks or {}
        self.trials: list[Rollout] = []
        self.leading = Leading(
            board=self.board,
            store=self.store,
            reconciler=self.reconciler,
            engines=engines,
            fallbacks=self.fallbacks,
            trial_for=self._trial_for,
            clock=self.clock,
            calendar=self.calendar,
        )
        self.rollouts = Rollouts(
            board=self.board,
            store=self.store,
            audit=self.store,
            evidence=self.store,
            reconciler=self.reconciler,
            engines=engines,
            fallbacks=self.fallbacks,
            clock=self.clock,
            calendar=self.calendar,
        )
        self.epoch = 0
        self._tasks: set[asyncio.Task[None]] = set()

    async def begin(self) -> None:
        """The first state is written, and this plane leads."""
        lease = await self.store.acquire(self.plane, ttl_s=self.ttl_s)
        assert lease is not None
        self.epoch = lease.epoch
        first = Change(
            engines={name: EngineState(engine.stable) for name, engine in self.engines.items()},
            table=all_to_stable(self.engines.values(), 1, fallbacks=self.fallbacks),
            audit=(AuditEntry("tidegate", "adopt"),),
        )
        self.board.put(await self.store.write(first, expected=0))

    async def look(self) -> None:
        """Every instance is looked at once."""
        for watch in self.watches:
            await watch.look()

    async def tick(self) -> bool:
        return await self.leading.tick(self.epoch, self._spawn)

    async def settle(self, rounds: int = 60) -> None:
        """Looks and ticks until nothing is done any more and nothing is left to decide."""
        for _ in range(rounds):
            await self.look()
            await self.store.acquire(self.plane, ttl_s=self.ttl_s)
            has_moved = await self.tick()
            had_work = bool(self._tasks)
            while self._tasks:
                await asyncio.gather(*self._tasks)
            if not has_moved and not had_work:
                return
        raise AssertionError(f"no rest after {rounds} rounds: {self.rollout()}")

    async def settle_proving(self) -> None:
        """The same, where everything that has to prove itself does so at once."""
        async with self.proving():
            await self.settle()

    @asynccontextmanager
    async def proving(self, *refuse: tuple[str, str]) -> AsyncIterator[None]:
        """Every release that serves gives its golden answer, but for those that refuse to."""

        async def prove() -> None:
            while True:
                for instance in self.instances:
                    for served in instance.serving:
                        result = ProbeResult.WRONG_ANSWER if served in refuse else ProbeResult.OK
                        self.fleet.probed(instance.name, served, result, "asked")
                await asyncio.sleep(0)

        task = asyncio.create_task(prove())
        try:
            yield
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    def judge(self, verdict: Verdict, *, samples: int = 1000, engine: str = "damage") -> None:
        """The analysis says so of an engine's rollout as it is now."""
        rollout = self.rollout(engine)
        assert rollout is not None
        said = Assessment(0.0, rollout.step, verdict, f"it is {verdict}", samples)
        self.leading.assessed(engine, rollout, said)

    def rollout(self, engine: str = "damage") -> Rollout | None:
        here = self.board.state.engines.get(engine)
        return here.rollout if here is not None else None

    def route(self, engine: str = "damage") -> Route:
        return self.board.table.route(engine)

    def _spawn(self, work: object) -> asyncio.Task[None]:
        task: asyncio.Task[None] = asyncio.ensure_future(work)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return task

    def _trial_for(self, rollout: Rollout) -> Trial:
        self.trials.append(rollout)
        return Trial(rollout.rollout_id, rollout.step, slow_s=0.2, confidence_centre=0.7)
