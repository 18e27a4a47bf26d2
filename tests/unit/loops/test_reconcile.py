"""The reconcile loop of the leader: ticks, and what ends it."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from control_plane.core.rollout import State, Verdict
from control_plane.loops.reconcile import ReconcileLoop
from control_plane.ports import Fenced
from control_plane.services.reconciling import Spawn
from tests.unit.loops.duties import PLAN, running, until
from tests.unit.samples import ENGINES, STABLE
from tests.unit.site import TTL_S, Site


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
