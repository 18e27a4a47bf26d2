"""The probing of one instance: what is due, how hard it is asked, and what wakes the loop."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

import numpy as np
import pytest
from structlog.testing import capture_logs
from tritonclient.grpc import service_pb2

from control_plane.core.catalogue import Release
from control_plane.core.golden import Golden, Tolerance
from control_plane.core.health import Fitness, ProbeOptions
from control_plane.core.outcomes import Verdict
from control_plane.loops import probe
from control_plane.loops.probe import Due, InstanceProbe
from control_plane.services.probing import Prober, ProbeTimes
from tests.unit.fakes import FakeClock, FakeInstance, call_failed, echo
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, STABLE, TABLE, VOLUME, make_fleet

GOLDEN = Golden(Tolerance(0.0, 0.0), inputs={"X": np.zeros(1, np.int32)})
DAMAGED, MEASURED = "damage--1.0.0/1", "volume/4"


class Site:
    """One Triton that serves three engines, of which damage and volume have a golden input."""

    def __init__(self) -> None:
        self.clock = FakeClock()
        self.triton = FakeInstance()
        golden = ("damage", "volume")
        self.fleet = make_fleet(self.triton, probed=golden, clock=self.clock)
        self.releases: tuple[Release, ...] = TABLE.releases()
        self.probe = InstanceProbe(
            "triton-0",
            fleet=self.fleet,
            prober=Prober(dict.fromkeys(golden, GOLDEN), times=ProbeTimes(), clock=self.clock),
            releases=lambda: self.releases,
            options=ProbeOptions(interval_s=10.0, doubt_s=1.0, row=3),
            clock=self.clock,
        )

    async def round(self) -> list[str]:
        """What is asked of the Triton in one round of the loop."""
        self.triton.calls.clear()
        for due in self.probe.due():
            await self.probe.probe(due)
        return list(self.triton.calls)

    async def later(self, seconds: float) -> list[str]:
        self.clock.advance(seconds)
        return await self.round()

    def request_fails(self) -> None:
        self.fleet.reserve(DAMAGE).settle(Verdict.FAILURE)

    def serve(self, serving: frozenset[tuple[str, str]] = STABLE) -> None:
        now_s = self.clock.now_s()
        self.fleet.publish("triton-0", serving=serving, is_live=True, reason="", now_s=now_s)

    def fitness(self, served: str = "damage 1.0.0") -> Fitness | None:
        return self.fleet.health("triton-0").fitness(served)

    def break_damage(self) -> None:
        self.triton.failures["damage--1.0.0"] = call_failed("INTERNAL", "Stub is not healthy")

    @asynccontextmanager
    async def running(self) -> AsyncIterator[None]:
        task = asyncio.create_task(self.probe.run())
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


class TestDue:
    async def test_each_engine_with_a_golden_input_proves_itself_at_once(self) -> None:
        site = Site()
        assert await site.round() == [DAMAGED, MEASURED]
        assert (site.fitness("damage 1.0.0"), site.fitness("volume 4.0.0")) == (
            Fitness.FIT,
            Fitness.FIT,
        )
        assert site.fitness("materials 1.0.0") is None

    async def test_and_then_once_in_the_interval(self) -> None:
        site = Site()
        await site.round()
        assert await site.round() == []
        assert await site.later(9.999) == []
        assert await site.later(0.001) == [DAMAGED, MEASURED]

    async def test_a_request_that_failed_is_settled_by_a_row_after_a_second(self) -> None:
        site = Site()
        await site.round()
        site.clock.advance(5.0)
        site.request_fails()
        assert site.probe.due() == (Due(DAMAGE, is_doubted=True),)
        assert await site.round() == [DAMAGED] * 3
        assert await site.later(1.0) == []

    async def test_an_open_breaker_is_a_doubt_and_rows_come_ever_later(self) -> None:
        site = Site()
        await site.round()
        for _ in range(5):
            site.request_fails()
        assert await site.later(0.999) == []
        assert await site.later(0.001) == [DAMAGED] * 3
        assert await site.later(1.999) == []
        assert await site.later(0.001) == [DAMAGED] * 3

    async def test_a_probe_that_failed_is_made_again_after_a_second_until_one_is_right(
        self,
    ) -> None:
        site = Site()
        await site.round()
        site.break_damage()
        assert await site.later(10.0) == [DAMAGED, MEASURED]
        assert site.fitness() is Fitness.FIT
        assert await site.later(0.999) == []
        assert await site.later(0.001) == [DAMAGED]  # the row ends at the first that fails
        assert site.fitness() is Fitness.UNFIT
        site.triton.failures.clear()
        assert await site.later(1.0) == [DAMAGED] * 3
        assert site.fitness() is Fitness.UNFIT
        assert await site.later(8.999) == [MEASURED]
        assert await site.later(1.001) == [DAMAGED]
        assert site.fitness() is Fitness.FIT

    async def test_what_is_not_served_is_not_probed_and_begins_anew(self) -> None:
        site = Site()
        await site.round()
        site.serve(STABLE - {("damage", "1.0.0")})
        assert await site.later(10.0) == [MEASURED]
        site.serve()
        assert await site.later(0.0) == [DAMAGED]

    async def test_nor_is_a_release_that_nobody_wants(self) -> None:
        site = Site()
        site.releases = (VOLUME,)
        assert await site.round() == [MEASURED]

    async def test_each_release_proves_itself(self) -> None:
        site = Site()
        site.releases = (DAMAGE, DAMAGE_NEXT)
        site.serve(frozenset({("damage", "1.0.0"), ("damage", "1.1.0")}))
        site.break_damage()
        assert await site.round() == [DAMAGED, "damage--1.1.0/1"]
        assert site.fitness("damage 1.0.0") is Fitness.UNFIT
        assert site.fitness("damage 1.1.0") is Fitness.FIT

    async def test_what_does_not_answer_looks_is_not_probed(self) -> None:
        site = Site()
        await site.round()
        now_s = site.clock.now_s()
        site.fleet.publish(
            "triton-0", serving=(), is_live=True, is_answering=False, reason="", now_s=now_s
        )
        assert await site.later(20.0) == []
        site.serve()
        assert await site.round() == [DAMAGED, MEASURED]

    async def test_what_fails_while_the_instance_hangs_says_nothing_of_an_engine(self) -> None:
        site = Site()
        await site.round()
        site.clock.advance(10.0)
        due, _ = site.probe.due()
        site.break_damage()
        now_s = site.clock.now_s()
        site.fleet.publish(
            "triton-0", serving=(), is_live=True, is_answering=False, reason="", now_s=now_s
        )
        for _ in range(2):
            await site.probe.probe(due)
        assert site.fitness() is Fitness.FIT

    async def test_what_is_being_mended_is_left_to_the_mender(self) -> None:
        site = Site()
        await site.round()
        site.fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        assert await site.later(10.0) == [MEASURED]
        site.fleet.mend_failed("triton-0", "damage 1.0.0", "out of memory")
        assert await site.later(0.0) == [DAMAGED]


class TestProbe:
    async def test_of_what_was_mended_meanwhile_it_says_nothing(self) -> None:
        site = Site()
        await site.round()
        site.clock.advance(10.0)
        due, _ = site.probe.due()
        site.triton.entered = asyncio.Queue()
        site.triton.hold.clear()
        probing = asyncio.create_task(site.probe.probe(due))
        await site.triton.entered.get()
        site.fleet.take_out("triton-0", "damage 1.0.0", "being mended")
        site.fleet.bring_back("triton-0", "damage 1.0.0", "mended")
        dead = "Stub process 'preprocess_0_0' is not healthy"
        site.triton.failures["damage--1.0.0"] = call_failed("INTERNAL", dead)
        site.triton.hold.set()
        await probing
        assert site.fitness() is Fitness.FIT

    async def test_what_is_not_ok_is_told(self) -> None:
        site = Site()
        site.break_damage()
        with capture_logs() as logs:
            await site.round()
        (told,) = (log for log in logs if log["event"] == "probe")
        assert told == {
            "event": "probe",
            "log_level": "warning",
            "instance": "triton-0",
            "engine": "damage 1.0.0",
            "result": "failed",
            "reason": "INTERNAL: Stub is not healthy",
        }

    async def test_an_error_of_ours_costs_its_own_probe_only(self) -> None:
        def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
            if request.model_name == "damage--1.0.0":
                raise RuntimeError("a bug")
            return echo(request)

        site = Site()
        site.triton.answer = answer
        with capture_logs() as logs:
            await site.round()
        assert (site.fitness("damage 1.0.0"), site.fitness("volume 4.0.0")) == (
            Fitness.UNFIT,
            Fitness.FIT,
        )
        reason = site.fleet.health("triton-0").fitness_reason("damage 1.0.0")
        assert reason == "probe: failed: unexpected RuntimeError: a bug"
        (told,) = (log for log in logs if log["event"] == "probe failed unexpectedly")
        assert (told["engine"], told["exc_info"]) == ("damage--1.0.0", True)

    async def test_of_what_went_away_meanwhile_it_says_nothing(self) -> None:
        def answer(request: service_pb2.ModelInferRequest) -> service_pb2.ModelInferResponse:
            site.serve(STABLE - {("damage", "1.0.0")})
            return echo(request)

        site = Site()
        site.triton.answer = answer
        (due, _) = site.probe.due()
        await site.probe.probe(due)
        assert site.fitness() is None
        site.serve()
        assert site.fitness() is Fitness.PROVING


@pytest.fixture
def rounds_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(probe, "LEAST_PAUSE_S", 0.0)
    monkeypatch.setattr(probe, "LONGEST_PAUSE_S", 0.0)


class TestRun:
    @pytest.mark.usefixtures("rounds_at_once")
    async def test_what_becomes_due_is_probed(self) -> None:
        site = Site()
        async with site.running():
            await site.until(
                lambda: {*map(site.fitness, ("damage 1.0.0", "volume 4.0.0"))} == {Fitness.FIT}
            )
            site.clock.advance(10.0)
            await site.until(lambda: len(site.triton.calls) == 4)
        assert sorted(site.triton.calls) == sorted([DAMAGED, MEASURED] * 2)

    async def test_it_is_woken_by_a_request_that_failed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(probe, "LEAST_PAUSE_S", 0.0)
        monkeypatch.setattr(probe, "LONGEST_PAUSE_S", 1e6)
        site = Site()
        async with site.running():
            await site.until(
                lambda: {*map(site.fitness, ("damage 1.0.0", "volume 4.0.0"))} == {Fitness.FIT}
            )
            site.clock.advance(5.0)
            for _ in range(100):
                await asyncio.sleep(0)
            assert len(site.triton.calls) == 2
            site.request_fails()
            await site.until(lambda: site.triton.calls.count(DAMAGED) == 4)

    @pytest.mark.usefixtures("rounds_at_once")
    async def test_engines_are_probed_side_by_side(self) -> None:
        site = Site()
        site.triton.hold.clear()
        async with site.running():
            assert {await site.triton.entered.get(), await site.triton.entered.get()} == {
                "damage--1.0.0",
                "volume",
            }
            site.triton.hold.set()
            await site.until(lambda: site.fitness() is Fitness.FIT)
