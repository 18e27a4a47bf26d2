"""The rollout loop of the leader: what is judged, and what is kept of it."""

from __future__ import annotations

from dataclasses import replace

from structlog.testing import capture_logs

from control_plane.core.rollout import Assessment, Command, Rollout, State, Verdict
from control_plane.core.routing import Trial
from control_plane.loops.rollout import RolloutLoop
from control_plane.ports import StoreUnavailable
from tests.unit.loops.duties import PLAN, running, until
from tests.unit.samples import ENGINES
from tests.unit.site import Site


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
