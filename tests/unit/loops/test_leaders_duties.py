"""The loops of the leader: ticks, judgements, what a registry asks for, and the catalogue."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane.core.catalogue import Release
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.core.rollout import Assessment, Command, Plan, Rollout, State, Verdict
from control_plane.core.routing import Trial
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.loops.catalogue import CatalogueLoop
from control_plane.loops.reconcile import ReconcileLoop
from control_plane.loops.registry import RegistryLoop
from control_plane.loops.rollout import RolloutLoop
from control_plane.ports import Fenced, RegistryUnavailable, StoreUnavailable
from control_plane.services.reconciling import Spawn
from tests.unit.samples import ENGINES, STABLE
from tests.unit.site import TTL_S, Site

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


class TestReconcileLoop:
    def loop(self, site: Site) -> ReconcileLoop:
        return ReconcileLoop(
            site.leading, site.reconciler, fleet=site.fleet, board=site.board, interval_s=0.01
        )

    async def test_it_fills_the_instances_and_moves_a_rollout_by_what_it_hears(self) -> None:
        site = Site()
        await site.begin()
        watches = [watch.run() for watch in site.watches]
        async with running(*watches, self.loop(site).run(site.epoch)):
            await until(lambda: all(one.serving == STABLE for one in site.instances))
            await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
            await until(lambda: site.route().weights_bp.get("1.1.0") == 500)
            site.judge(Verdict.WORSE)
            await until(lambda: site.rollout().state is State.ROLLED_BACK)  # type: ignore[union-attr]
        assert site.route().weights_bp == {"1.0.0": 10_000}

    async def test_it_ends_when_another_one_leads_and_stops_its_work(self) -> None:
        site = Site()
        await site.begin()
        site.clock.advance(TTL_S + 1)
        await site.look()
        await site.store.acquire("plane-2", ttl_s=TTL_S)
        await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
        with pytest.RaisesGroup(Fenced):
            await self.loop(site).run(site.epoch)
        facts = site.reconciler.facts([ENGINES["damage"].releases["1.0.0"]])
        assert all(not one.under_way for one in facts.values())

    async def test_what_was_seen_before_it_led_counts_for_nothing(self) -> None:
        site = Site()
        await site.begin()
        await site.settle()
        site.tritons[0].restart()  # it was seen to serve all, and another plane led
        before = list(site.tritons[1].calls)
        site.tritons[1].loaded["damage_detector"] = set()
        site.tritons[1].twins.clear()
        await site.watches[1].look()
        site.clock.advance(0.1)
        async with running(self.loop(site).run(site.epoch)):
            await asyncio.sleep(0.1)
            assert site.tritons[1].calls == before
            assert all(one.look_again.is_set() for one in site.instances)
            for watch in site.watches:
                await watch.look()
            await until(lambda: len(site.tritons[1].calls) > len(before))

    async def test_an_instance_that_does_not_answer_keeps_nobody_from_leading(self) -> None:
        site = Site()
        await site.begin()
        await site.settle()
        site.tritons[0].is_away = True
        await site.look()
        site.tritons[1].restart()
        site.clock.advance(0.1)
        async with running(self.loop(site).run(site.epoch)):
            await site.watches[1].look()
            await until(lambda: site.tritons[1].loaded != {})

    async def test_looks_and_probes_that_find_nothing_new_cost_no_tick(self) -> None:
        site = Site(probed=("damage",))
        await site.begin()
        await site.settle_proving()
        tick, ticks = site.leading.tick, 0

        async def count(epoch: int, spawn: Spawn) -> bool:
            nonlocal ticks
            ticks += 1
            return await tick(epoch, spawn)

        site.leading.tick = count  # type: ignore[method-assign]
        loop = ReconcileLoop(
            site.leading, site.reconciler, fleet=site.fleet, board=site.board, interval_s=3600.0
        )
        watches = [watch.run() for watch in site.watches]
        async with running(*watches, loop.run(site.epoch)), site.proving():
            await asyncio.sleep(0.3)
        assert ticks <= 4

    async def test_a_tick_that_fails_is_told_once_and_ends_nothing(self) -> None:
        site = Site()
        await site.begin()
        await site.look()
        tick, ticks = site.leading.tick, 0

        async def fail_twice(epoch: int, spawn: Spawn) -> bool:
            nonlocal ticks
            ticks += 1
            if ticks <= 2:
                raise KeyError("x")
            return await tick(epoch, spawn)

        site.leading.tick = fail_twice  # type: ignore[method-assign]
        watches = [watch.run() for watch in site.watches]
        with capture_logs() as logs:
            async with running(*watches, self.loop(site).run(site.epoch)):
                await until(lambda: all(one.serving == STABLE for one in site.instances))
        told = [one["event"] for one in logs]
        assert told.count("a tick of the leader failed unexpectedly") == 1


class TestRolloutLoop:
    async def begun(self) -> tuple[Site, list[tuple[str, Trial | None]], RolloutLoop]:
        site = Site(engines=dict(ENGINES))
        await site.begin()
        await site.settle()
        await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
        asked: list[tuple[str, Trial | None]] = []
        self.verdict = Verdict.UNDECIDED

        async def judge(rollout: Rollout, trial: Trial | None, now_s: float) -> Assessment:
            asked.append((rollout.rollout_id, trial))
            return Assessment(now_s, rollout.step, self.verdict, "so it is", 7)

        loop = RolloutLoop(
            site.leading,
            judge,
            board=site.board,
            evidence=site.store,
            clock=site.clock,
            calendar=site.calendar,
            interval_s=0.001,
        )
        return site, asked, loop

    async def test_only_what_is_compared_is_judged_and_by_its_trial(self) -> None:
        site, asked, loop = await self.begun()
        await loop.assess_all()
        assert asked == []
        await site.settle()
        await loop.assess_all()
        rollout = site.rollout()
        assert rollout is not None
        assert asked == [(rollout.rollout_id, site.route().trial)]
        await site.rollouts.command("damage", Command.PAUSE, who="ann", reason="")
        await loop.assess_all()
        assert len(asked) == 2  # worse takes it back while it is paused, too
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        await loop.assess_all()
        assert len(asked) == 2

    async def test_what_was_judged_moves_the_rollout_with_the_next_tick(self) -> None:
        site, _, loop = await self.begun()
        await site.settle()
        self.verdict = Verdict.WORSE
        site.leading.judged.clear()
        await loop.assess_all()
        assert site.leading.judged.is_set()
        await site.tick()
        rollout = site.rollout()
        assert rollout is not None
        assert (rollout.state, rollout.reason) == (State.ROLLING_BACK, "so it is")

    async def test_the_evidence_is_kept_each_second_and_whenever_the_verdict_changes(self) -> None:
        site, _, loop = await self.begun()
        await site.settle()
        for wait_s in (0.0, 0.5, 0.5, 0.1):
            site.clock.advance(wait_s)
            await loop.assess_all()
        self.verdict = Verdict.NOT_WORSE
        await loop.assess_all()
        kept = await site.rollouts.evidence("damage")
        assert [one.verdict for one in kept] == [
            Verdict.UNDECIDED,
            Verdict.UNDECIDED,
            Verdict.NOT_WORSE,
        ]

    async def test_what_goes_wrong_is_told_and_decides_nothing(self) -> None:
        site, _, loop = await self.begun()
        await site.settle()
        errors: list[Exception] = [
            StoreUnavailable("away"),
            StoreUnavailable("away"),
            KeyError("x"),
        ]
        rounds = 0

        async def fail(rollout: Rollout, trial: Trial | None, now_s: float) -> Assessment:
            nonlocal rounds
            rounds += 1
            raise errors.pop(0) if errors else KeyError("x")

        loop._judge = fail
        with capture_logs() as logs:
            async with running(loop.run(1)):
                await until(lambda: rounds > 4)
        events = [one["event"] for one in logs]
        assert events[:2] == [
            "no judgement without the state store",
            "judging failed unexpectedly",
        ]
        rollout = site.rollout()
        assert rollout is not None
        assert rollout.state is State.STEP

    async def test_one_that_cannot_be_judged_is_not_let_on_and_keeps_no_other_from_it(self) -> None:
        site, _, loop = await self.begun()
        next_one = replace(ENGINES["volume"].releases["4.0.0"], version="5.0.0", pins={"volume": 3})
        known = replace(
            ENGINES["volume"], releases={**ENGINES["volume"].releases, "5.0.0": next_one}
        )
        site.engines["volume"] = known  # type: ignore[index]
        await site.rollouts.start("volume", "5.0.0", PLAN, who="ann", reason="")
        await site.settle()
        self.verdict = Verdict.NOT_WORSE
        judge = loop._judge
        await loop.assess_all()

        async def fail(rollout: Rollout, trial: Trial | None, now_s: float) -> Assessment:
            if rollout.engine == "damage":
                raise KeyError("x")
            return replace(await judge(rollout, trial, now_s), samples=100)

        loop._judge = fail
        with capture_logs() as logs:
            await loop.assess_all()
            await loop.assess_all()
        site.clock.advance(10.0)
        await site.settle()
        assert [one["engine"] for one in logs] == ["damage"]
        assert site.route("damage").weights_bp["1.1.0"] == 500
        assert site.route("volume").weights_bp["5.0.0"] == 5000
        kept = await site.rollouts.evidence("damage")
        assert kept[-1].reason == "judging failed: unexpected KeyError: 'x'"


class FakeRegistry:
    """Candidates that a test sets, and the marks that it was told."""

    def __init__(self) -> None:
        self.wanted: dict[str, str] = {}
        self.marks: dict[str, tuple[str, str | None]] = {}
        self.is_away = False
        self.asked = 0

    async def read(self) -> Registered:
        return Registered()

    async def add(self, record: ReleaseRecord, onnx: Path | None) -> None:
        raise AssertionError("nobody registers here")

    async def candidates(self) -> Mapping[str, str]:
        self.asked += 1
        if self.is_away:
            raise RegistryUnavailable("connection refused")
        return dict(self.wanted)

    async def mark(
        self, engine: str, *, stable: Release, canary: Release | None, taken: str | None = None
    ) -> None:
        self.marks[engine] = stable.version, canary.version if canary is not None else None
        if taken is not None and self.wanted.get(engine) == taken:
            del self.wanted[engine]


class FakeCatalogue:
    """The sample engines; counts how often it is read."""

    engines = ENGINES

    def __init__(self) -> None:
        self.refreshed = 0

    async def refresh(self) -> bool:
        self.refreshed += 1
        return False


class TestRegistryLoop:
    async def begun(self) -> tuple[Site, FakeRegistry, RegistryLoop]:
        site, registry = Site(), FakeRegistry()
        await site.begin()
        await site.settle()
        catalogue: Any = FakeCatalogue()
        loop = RegistryLoop(
            registry=registry,
            catalogue=catalogue,
            board=site.board,
            rollouts=site.rollouts,
            plan=PLAN,
            interval_s=3600.0,
        )
        return site, registry, loop

    async def test_a_candidate_begins_the_default_plan_and_is_none_any_more(self) -> None:
        site, registry, loop = await self.begun()
        registry.wanted["damage"] = "1.1.0"
        await loop.sync()
        rollout = site.rollout()
        assert rollout is not None
        assert (rollout.target, rollout.plan) == ("1.1.0", PLAN)
        assert registry.wanted == {}
        (latest, *_) = await site.store.entries(engine="damage")
        assert latest.entry.who == "registry"

    async def test_what_is_stable_and_canary_is_shown_there(self) -> None:
        site, registry, loop = await self.begun()
        await loop.sync()
        assert registry.marks["damage"] == ("1.0.0", None)
        await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
        await site.settle()
        await loop.sync()
        assert registry.marks["damage"] == ("1.0.0", "1.1.0")
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="")
        await site.settle()
        await loop.sync()
        assert registry.marks["damage"] == ("1.0.0", None)

    async def test_a_candidate_waits_while_another_rollout_is_under_way(self) -> None:
        site, registry, loop = await self.begun()
        shadow = Plan.shadow(10)
        await site.rollouts.start("damage", "1.1.0", shadow, who="ann", reason="")
        known = dict(ENGINES)
        damage = ENGINES["damage"]
        next_one = replace(damage.releases["1.1.0"], version="1.2.0")
        known["damage"] = replace(damage, releases={**damage.releases, "1.2.0": next_one})
        registry.wanted["damage"] = "1.2.0"
        await loop.sync()
        assert registry.wanted == {"damage": "1.2.0"}

    async def test_one_that_is_stable_or_on_its_way_already_is_heard(self) -> None:
        site, registry, loop = await self.begun()
        registry.wanted["damage"] = "1.0.0"
        await loop.sync()
        assert registry.wanted == {}
        await site.rollouts.start("damage", "1.1.0", PLAN, who="ann", reason="")
        registry.wanted["damage"] = "1.1.0"
        await loop.sync()
        assert registry.wanted == {}

    async def test_one_that_cannot_be_is_told_once_and_stays(self) -> None:
        _, registry, loop = await self.begun()
        registry.wanted = {"damage": "9.9.9", "no-such": "1.0.0"}
        with capture_logs() as logs:
            await loop.sync()
            await loop.sync()
        told = [one["engine"] for one in logs if one["event"] == "a candidate cannot be rolled out"]
        assert told == ["damage", "no-such"]
        assert registry.wanted == {"damage": "9.9.9", "no-such": "1.0.0"}

    async def test_a_registry_that_is_away_is_told_once_and_asked_again_when_somebody_says_so(
        self,
    ) -> None:
        _, registry, loop = await self.begun()
        registry.is_away = True
        with capture_logs() as logs:
            async with running(loop.run(1)):
                for asked in (1, 2, 3):
                    await until(lambda wanted=asked: registry.asked == wanted)  # type: ignore[misc]
                    await asyncio.sleep(0.01)
                    assert registry.asked == asked
                    loop.hasten()
        told = [one["event"] for one in logs]
        assert told.count("the registry is away; it is asked again") == 1

    async def test_a_candidate_that_cannot_be_unmarked_is_not_begun_again_and_again(self) -> None:
        site, registry, loop = await self.begun()
        mark = registry.mark

        async def refuse(*_: Any, **__: Any) -> None:
            raise RegistryUnavailable("forbidden")

        registry.mark = refuse  # type: ignore[method-assign]
        registry.wanted["damage"] = "1.1.0"
        with pytest.raises(RegistryUnavailable):
            await loop.sync()
        await site.rollouts.roll_back("damage", to=None, who="ann", reason="bad")
        await site.settle()
        with pytest.raises(RegistryUnavailable):
            await loop.sync()
        rollout = site.rollout()
        assert rollout is not None
        assert rollout.state is State.ROLLED_BACK
        registry.mark = mark  # type: ignore[method-assign]
        await loop.sync()
        assert registry.wanted == {}
        registry.wanted["damage"] = "1.1.0"  # somebody wants it once more
        await loop.sync()
        rollout = site.rollout()
        assert rollout is not None
        assert rollout.state is State.PENDING

    async def test_an_engine_that_cannot_be_marked_keeps_no_other_from_it(self) -> None:
        _, registry, loop = await self.begun()
        mark = registry.mark

        async def refuse_damage(engine: str, **releases: Any) -> None:
            if engine == "damage":
                raise RegistryUnavailable("it has no tag")
            await mark(engine, **releases)

        registry.mark = refuse_damage  # type: ignore[method-assign]
        with pytest.raises(RegistryUnavailable, match="no tag"):
            await loop.sync()
        assert registry.marks.keys() == {"materials", "volume"}

    async def test_one_whose_words_make_no_sense_is_asked_again_too(self) -> None:
        _, registry, loop = await self.begun()

        async def odd() -> Mapping[str, str]:
            registry.asked += 1
            raise KeyError("tags")

        registry.candidates = odd  # type: ignore[method-assign]
        async with running(loop.run(1)):
            await until(lambda: registry.asked == 1)
            loop.hasten()
            await until(lambda: registry.asked == 2)

    async def test_a_store_that_is_away_is_no_reason_to_end(self) -> None:
        site, registry, loop = await self.begun()

        async def away(*_: Any, **__: Any) -> Any:
            raise ControlPlaneError(ErrorCode.STORE_UNAVAILABLE, "it does not answer")

        site.rollouts.start = away  # type: ignore[method-assign]
        registry.wanted["damage"] = "1.1.0"
        await loop.sync()
        assert registry.wanted == {"damage": "1.1.0"}


async def test_the_catalogue_is_read_again_and_again() -> None:
    catalogue: Any = FakeCatalogue()
    async with running(CatalogueLoop(catalogue, interval_s=0.001).run()):
        await until(lambda: catalogue.refreshed >= 3)
