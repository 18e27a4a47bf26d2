"""A mend on a Triton whose processes have died: out, unloaded, loaded, proved, and in again."""

from __future__ import annotations

import asyncio
from collections.abc import Collection
from random import Random

import numpy as np
import pytest
from structlog.testing import capture_logs

from control_plane.core.catalogue import Config, Release
from control_plane.core.golden import Golden, Tolerance
from control_plane.core.health import Fitness, ProbeResult
from control_plane.core.loading import Observation, plan_loads
from control_plane.core.mend_ledger import MendLedger, MendOptions
from control_plane.core.mending import MendPlan
from control_plane.core.outcomes import Verdict
from control_plane.loops.watch import InstanceWatch, WatchTimes
from control_plane.services import mending
from control_plane.services.instance import label
from control_plane.services.loading import change_models
from control_plane.services.mending import Mender, MendTimes
from control_plane.services.probing import Prober, ProbeTimes
from tests.unit.fakes import FakeClock, FakeInstance, call_failed
from tests.unit.samples import DAMAGE, FOLDERS, MATERIALS, SPECS, STABLE, TABLE, VOLUME, make_fleet

GOLDEN = Golden(Tolerance(0.0, 0.0), inputs={"X": np.zeros(1, np.int32)})


class HighRandom(Random):
    """Draws its largest number: the wait is all of its ceiling."""

    def random(self) -> float:
        return 1.0


STABLE_OF = {served[0]: served for served in STABLE}


class Site:
    """Tritons with everything loaded, seen and proved, and one mender for them.

    golden: the engines that have a golden input; the others are judged by their traffic.
    """

    def __init__(
        self, count: int = 1, *, golden: Collection[str] = TABLE.routes, triton: type = FakeInstance
    ) -> None:
        self.clock = FakeClock()
        self.tritons = [triton(folders=FOLDERS) for _ in range(count)]
        self.fleet = make_fleet(*self.tritons, serving=frozenset(), probed=golden, clock=self.clock)
        prober = Prober(dict.fromkeys(golden, GOLDEN), times=ProbeTimes(), clock=self.clock)
        options = MendOptions(first_s=2.0, most_s=60.0, limit=3, lasting_s=120.0)
        self.mender = Mender(
            fleet=self.fleet,
            prober=prober,
            ledger=MendLedger(options),
            specs=SPECS,
            times=MendTimes(drain_s=5.0, load_s=60.0, proofs=2),
            clock=self.clock,
            rng=HighRandom(0),
        )
        self.golden = golden

    @property
    def triton(self) -> FakeInstance:
        return self.tritons[0]

    async def start(self) -> Site:
        """As the watches and probes leave it at the start."""
        for number in range(len(self.tritons)):
            for action in plan_loads(TABLE.releases(), Observation()):
                await change_models(action, self.tritons[number], SPECS, timeout_s=60.0)
            await self.watch(number).look()
            for engine in self.golden:
                self.probed(ProbeResult.OK, engine, number=number)
        for triton in self.tritons:
            triton.calls.clear()
        assert len(self.fleet.ready_on("damage", "1.0.0")) == len(self.tritons)
        return self

    def watch(self, number: int = 0) -> InstanceWatch:
        return InstanceWatch(
            f"triton-{number}",
            control=self.tritons[number],
            fleet=self.fleet,
            known=TABLE.releases,
            routed=TABLE.releases,
            times=WatchTimes(interval_s=0.0, observe_s=1.0),
            clock=self.clock,
            rng=HighRandom(0),
        )

    def probed(self, result: ProbeResult, *engines: str, number: int = 0) -> None:
        for engine in engines:
            self.fleet.probed(f"triton-{number}", STABLE_OF[engine], result, "told")

    def fail(self, *engines: str, number: int = 0) -> None:
        """Their probes fail for sure."""
        for _ in range(2):
            self.probed(ProbeResult.FAILED, *engines, number=number)

    def trip(self, release: Release, number: int = 0) -> None:
        """Its traffic there fails until the breaker opens."""
        others = {f"triton-{other}" for other in range(len(self.tritons)) if other != number}
        for _ in range(5):
            with self.fleet.reserve(release, tried=others) as place:
                place.settle(Verdict.FAILURE)

    def begin(self, number: int = 0) -> MendPlan | None:
        return self.mender.begin(f"triton-{number}", TABLE.releases())

    async def mend(self, plan: MendPlan | None, number: int = 0) -> None:
        assert plan is not None
        await self.mender.mend(f"triton-{number}", self.tritons[number], plan)

    def fitness(self, engine: str = "damage", number: int = 0) -> Fitness | None:
        return self.fleet.health(f"triton-{number}").fitness(label(STABLE_OF[engine]))

    def reason(self, engine: str = "damage") -> str:
        return self.fleet.health("triton-0").fitness_reason(label(STABLE_OF[engine]))

    def takes(self, engine: str = "damage", version: str = "1.0.0") -> list[str]:
        return [one.name for one in self.fleet.ready_on(engine, version)]


@pytest.fixture(autouse=True)
def polls_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mending, "POLL_S", 0.0)


class TestMend:
    async def test_a_dead_process_is_replaced_and_the_engine_is_in_again(self) -> None:
        site = await Site().start()
        site.triton.kill("damage_detector")
        site.fail("damage")
        assert site.takes() == []
        plan = site.begin()
        assert plan is not None
        assert plan.engines == ("damage 1.0.0",)
        assert site.mender.under_way == {"damage 1.0.0": "triton-0"}
        with capture_logs() as logs:
            await site.mend(plan)
        assert site.triton.calls == [
            "unload damage--1.0.0",
            "unload damage_detector",
            "load damage_detector",
            "load damage--1.0.0",
            "damage--1.0.0/1",
            "damage--1.0.0/1",
        ]
        assert (site.fitness(), site.takes()) == (Fitness.FIT, ["triton-0"])
        assert site.mender.under_way == {}
        told = [log["event"] for log in logs if log["event"] != "health changed"]
        assert told == ["mending", "mended"]

    async def test_a_shared_component_is_mended_with_all_that_fail_by_it(self) -> None:
        site = await Site().start()
        site.triton.kill("preprocess")
        site.fail("damage", "materials")
        plan = site.begin()
        assert plan is not None
        assert plan.engines == ("damage 1.0.0", "materials 1.0.0")
        await site.mend(plan)
        assert "unload preprocess" in site.triton.calls
        assert (site.fitness("damage"), site.fitness("materials")) == (Fitness.FIT, Fitness.FIT)
        assert site.begin() is None

    async def test_while_it_runs_the_engine_is_out_and_no_other_mend_of_it_begins(self) -> None:
        class SlowLoad(FakeInstance):
            """Loads a model that is loaded anew when ``hold`` is set."""

            async def load(
                self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
            ) -> None:
                self.entered.put_nowait(model)
                await self.hold.wait()
                await FakeInstance.load(self, model, config, is_twin=is_twin, timeout_s=timeout_s)

        site = await Site(2, triton=SlowLoad).start()
        site.fail("damage")
        site.fail("damage", number=1)
        site.triton.hold.clear()
        while not site.triton.entered.empty():
            site.triton.entered.get_nowait()
        task = asyncio.create_task(site.mend(site.begin()))
        assert await site.triton.entered.get() == "damage_detector"
        assert site.fitness() is Fitness.MENDING
        await site.watch().look()
        assert site.takes() == []
        assert site.begin() is None
        assert site.begin(1) is None  # one mend of an engine at a time, over the fleet
        site.triton.hold.set()
        await task
        plan = site.begin(1)
        assert plan is not None
        assert plan.engines == ("damage 1.0.0",)

    @pytest.mark.parametrize("golden", [(), ("volume",)])
    async def test_what_was_seen_unloaded_meanwhile_is_in_with_the_next_look(
        self, golden: tuple[str, ...]
    ) -> None:
        class Seen(FakeInstance):
            """Looked at before each load."""

            async def load(
                self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
            ) -> None:
                await site.watch().look()
                await FakeInstance.load(self, model, config, is_twin=is_twin, timeout_s=timeout_s)

        site = Site(2, golden=golden, triton=Seen)
        await site.start()
        site.triton.kill("volume")
        if golden:
            site.fail("volume")
        else:
            site.trip(VOLUME)
        await site.mend(site.begin())
        assert site.takes("volume", "4.0.0") == ["triton-1"]
        await site.watch().look()
        assert site.takes("volume", "4.0.0") == ["triton-0", "triton-1"]


class TestTakingOut:
    async def test_requests_in_flight_may_end_first(self) -> None:
        site = await Site().start()
        place, other = site.fleet.reserve(DAMAGE), site.fleet.reserve(MATERIALS)
        site.fail("damage")
        task = asyncio.create_task(site.mend(site.begin()))
        for _ in range(20):
            await asyncio.sleep(0)
        assert site.fitness() is Fitness.MENDING
        assert site.triton.calls == []
        place.settle(Verdict.SUCCESS)
        await task  # not for those of another engine
        assert site.fitness() is Fitness.FIT
        other.settle(Verdict.SUCCESS)

    async def test_one_that_hangs_does_not_keep_it_from_being_mended(self) -> None:
        site = await Site().start()
        place = site.fleet.reserve(DAMAGE)
        site.fail("damage")
        task = asyncio.create_task(site.mend(site.begin()))
        for advance_s in (0.0, 4.999):
            site.clock.advance(advance_s)
            for _ in range(20):
                await asyncio.sleep(0)
            assert site.triton.calls == []
        site.clock.advance(0.001)
        await task
        assert site.fitness() is Fitness.FIT
        place.settle(Verdict.IGNORED)


class TestFailing:
    async def failed_mend(self, site: Site) -> None:
        await site.mend(site.begin())
        assert site.fitness() is Fitness.UNFIT

    async def test_a_refused_load_is_a_failed_mend_that_says_why(self) -> None:
        site = await Site().start()
        site.fail("damage")
        site.triton.broken["damage_detector"] = "out of memory"
        with capture_logs() as logs:
            await self.failed_mend(site)
        assert site.reason() == "INVALID_ARGUMENT: out of memory"
        assert "damage--1.0.0/1" not in site.triton.calls  # nothing is asked of what is not there
        assert [log["event"] for log in logs if log["log_level"] == "error"] == ["not mended"]
        assert site.mender.under_way == {}

    async def test_it_is_tried_again_later_and_later_and_then_given_up_until_healed(self) -> None:
        site = await Site().start()
        site.fail("damage")
        site.triton.failures["damage--1.0.0"] = call_failed("INTERNAL", "CUDA error")
        for wait_s in (2.0, 4.0, 8.0):
            await self.failed_mend(site)
            await site.watch().look()
            site.clock.advance(wait_s - 0.001)
            assert site.begin() is None
            assert site.fitness() is (Fitness.UNFIT if wait_s < 8.0 else Fitness.GIVEN_UP)
            site.clock.advance(0.001)
        assert site.begin() is None
        assert site.reason() == (
            "given up after 3 mends in a row: loaded anew, and its probe: failed: INTERNAL: "
            "CUDA error"
        )
        site.clock.advance(1e6)
        assert site.begin() is None
        site.triton.failures.clear()
        site.fleet.heal("triton-0", "seen to")
        site.mender.heal("triton-0")
        site.fail("damage")
        await site.mend(site.begin())
        assert site.fitness() is Fitness.FIT

    async def test_one_that_loads_and_fails_its_proof_is_not_mended(self) -> None:
        site = await Site().start()
        site.fail("damage")
        site.triton.failures["damage--1.0.0"] = call_failed("INTERNAL", "CUDA error")
        await self.failed_mend(site)
        assert site.reason() == "loaded anew, and its probe: failed: INTERNAL: CUDA error"

    async def test_of_several_those_that_were_proved_before_stay_in(self) -> None:
        site = await Site().start()
        site.fail("damage", "materials")
        site.triton.failures["materials--1.0.0"] = call_failed("INTERNAL", "CUDA error")
        await site.mend(site.begin())
        assert (site.fitness("damage"), site.fitness("materials")) == (Fitness.FIT, Fitness.UNFIT)

    async def test_a_triton_that_goes_away_is_a_failed_mend(self) -> None:
        site = await Site().start()
        site.fail("damage")
        plan = site.begin()
        site.triton.is_away = True
        await site.mend(plan)
        assert site.fitness() is Fitness.UNFIT
        assert site.reason().startswith("UNAVAILABLE: ")

    async def test_one_that_changed_since_the_mend_was_planned_is_left_as_it_is(self) -> None:
        site = await Site().start()
        site.fail("damage")
        plan = site.begin()
        site.fleet.give_up("triton-0", "damage 1.0.0", "an operator was quicker")
        await site.mend(plan)
        assert (site.fitness(), site.triton.calls) == (Fitness.GIVEN_UP, [])
        assert site.mender.under_way == {}

    async def test_what_an_operator_holds_back_is_not_touched_any_more(self) -> None:
        site = await Site().start()
        site.fail("damage")
        plan = site.begin()
        site.fleet.drain("triton-0", "to be stopped")
        await site.mend(plan)
        assert (site.triton.calls, site.mender.under_way) == ([], {})

    async def test_one_that_was_cut_off_stays_out_and_may_be_mended_at_once(self) -> None:
        class Endless(FakeInstance):
            async def load(self, model: str, config: Config, **options: object) -> None:
                self.entered.put_nowait(model)
                await asyncio.Event().wait()

        site = await Site().start()
        site.fail("damage")
        plan = site.begin()
        assert plan is not None
        endless = Endless(folders=FOLDERS, loaded=site.triton.loaded, twins=site.triton.twins)
        task = asyncio.create_task(site.mender.mend("triton-0", endless, plan))
        await endless.entered.get()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        assert site.fitness() is Fitness.UNFIT
        assert site.mender.under_way == {}
        assert site.begin() == plan

    async def test_two_instances_never_mend_the_same_engine_at_once(self) -> None:
        site = await Site(2).start()
        dead = "INTERNAL: Stub process 'preprocess_0_0' is not healthy"
        for name, served in (("triton-0", "damage"), ("triton-1", "materials")):
            site.fleet.probed(name, STABLE_OF[served], ProbeResult.DEAD, dead)
        plan = site.begin()
        assert plan is not None
        assert plan.engines == ("damage 1.0.0", "materials 1.0.0")
        assert site.begin(1) is None

    async def test_a_bug_of_ours_is_told_and_ends_the_mend_only(self) -> None:
        class Bugged(FakeInstance):
            """Unloads as only a bug of ours can."""

            async def unload(self, model: str, *, timeout_s: float) -> None:
                raise RuntimeError("a bug")

        site = await Site(triton=Bugged).start()
        site.fail("damage")
        with capture_logs() as logs:
            await self.failed_mend(site)
        assert site.reason() == "unexpected RuntimeError: a bug"
        (told,) = (log for log in logs if log["log_level"] == "error")
        assert (told["event"], told["exc_info"]) == ("not mended, unexpectedly", True)

    @pytest.mark.parametrize(
        ("hopeless", "other"), [("damage", "materials"), ("materials", "damage")]
    )
    async def test_who_is_given_up_is_not_drawn_into_the_mend_of_another(
        self, hopeless: str, other: str
    ) -> None:
        site = await Site().start()
        site.fail(hopeless)
        site.triton.failures[f"{hopeless}--1.0.0"] = call_failed("INTERNAL", "CUDA error")
        for _ in range(3):
            await site.mend(site.begin())
            site.clock.advance(60.0)
        site.fail(other)
        plan = site.begin()
        assert site.fitness(hopeless) is Fitness.GIVEN_UP
        assert plan is not None
        assert plan.engines == (f"{other} 1.0.0",)


class TestSuspicion:
    """An engine without a golden input, whose traffic fails."""

    async def test_it_is_mended_where_another_instance_serves(self) -> None:
        site = await Site(2, golden=()).start()
        site.trip(VOLUME)
        site.triton.kill("volume")
        assert site.begin(1) is None
        await site.mend(site.begin())
        assert site.triton.calls == ["unload volume", "load volume"]  # and nobody to ask
        assert site.takes("volume", "4.0.0") == ["triton-0", "triton-1"]
        assert site.fleet.breakers("triton-0") == {}

    async def test_not_where_it_is_the_last(self) -> None:
        site = await Site(1, golden=()).start()
        site.trip(VOLUME)
        assert site.begin() is None

    async def test_nor_where_no_other_is_fit(self) -> None:
        site = await Site(2, golden=()).start()
        site.trip(VOLUME)
        site.fleet.drain("triton-1", "maintenance")
        assert site.begin() is None

    async def test_one_with_a_golden_input_waits_for_its_probes(self) -> None:
        site = await Site(2, golden=("volume",)).start()
        site.trip(VOLUME)
        assert site.begin() is None

    async def test_a_well_fleet_is_left_alone(self) -> None:
        site = await Site(2, golden=("volume",)).start()
        assert (site.begin(), site.begin(1)) == (None, None)
