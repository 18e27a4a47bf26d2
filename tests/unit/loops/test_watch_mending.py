"""One piece of work at a time: what is missing is loaded, and only then is anything mended."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

import pytest

from control_plane.core.catalogue import Release
from control_plane.core.mending import MendPlan
from tests.unit.fakes import FakeInstance
from tests.unit.loops.watching import Site, loads_of, looks
from tests.unit.samples import STABLE, TABLE


class Work:
    """A mender whose mends begin when a test says so and end when ``gate`` is set."""

    def __init__(self, site: Site) -> None:
        self.site = site
        self.plan: MendPlan | None = None
        self.asked: list[tuple[Release, ...]] = []
        self.calls_before: list[list[str]] = []
        self.running = 0
        self.most_running = 0
        self.done: list[str] = []
        self.gate = asyncio.Event()

    def begin(self, name: str, releases: Iterable[Release]) -> MendPlan | None:
        assert name == "triton-0"
        self.asked.append(tuple(releases))
        self.calls_before.append(list(self.site.triton.calls))
        plan, self.plan = self.plan, None
        return plan

    async def mend(self, name: str, control: object, plan: MendPlan) -> None:
        assert (name, control) == ("triton-0", self.site.triton)
        self.running += 1
        self.most_running = max(self.most_running, self.running)
        await self.gate.wait()
        self.running -= 1
        self.done += plan.engines


def mended(triton: FakeInstance | None = None) -> tuple[Site, Work]:
    site = Site(triton)
    work = Work(site)
    site.watch = site.watching(work)
    return site, work


class TestMending:
    PLAN = MendPlan(("damage",), ())

    async def test_what_is_missing_is_loaded_before_anything_is_mended(self) -> None:
        site, work = mended()
        work.plan = self.PLAN
        work.gate.set()
        async with site.running():
            await site.until_serving(*STABLE)
            await site.until(lambda: work.done == ["damage"])
        assert loads_of(site, "volume") == 1
        assert work.asked[0] == TABLE.releases()
        assert work.calls_before[0][-1] == "load materials--1.0.0"

    async def test_a_mend_and_a_load_never_run_side_by_side(self) -> None:
        site, work = mended()
        async with site.running():
            await site.until_serving(*STABLE)
            work.plan = self.PLAN
            await site.until(lambda: work.running == 1)
            site.triton.loaded.pop("volume")
            work.plan = MendPlan(("volume",), ())
            await looks(site)
            assert (loads_of(site, "volume"), work.most_running) == (1, 1)
            assert site.instance.serving == STABLE - {("volume", "4.0.0")}  # looked at, though
            work.gate.set()
            await site.until_serving(*STABLE)
            await site.until(lambda: work.done == ["damage", "volume"])
        assert work.most_running == 1

    async def test_while_a_load_waits_after_a_failure_there_may_be_a_mend(self) -> None:
        site, work = mended()
        site.triton.broken["volume"] = "out of memory"
        async with site.running():
            await site.until_serving(*(STABLE - {("volume", "4.0.0")}))
            await looks(site)
            work.plan = self.PLAN
            work.gate.set()
            await site.until(lambda: work.done == ["damage"])

    @pytest.mark.parametrize("verb", ["drain", "isolate"])
    async def test_who_is_held_back_is_looked_at_and_left_alone(self, verb: str) -> None:
        site, work = mended()
        async with site.running():
            await site.until_serving(*STABLE)
            getattr(site.fleet, verb)("triton-0", "maintenance")
            await looks(site, 2)
            asked = len(work.asked)
            site.triton.restart()
            work.plan = self.PLAN
            await site.until_serving()
            await looks(site)
            assert (loads_of(site, "volume"), len(work.asked)) == (1, asked)
            getattr(site.fleet, "undrain" if verb == "drain" else "heal")("triton-0", "done")
            await site.until_serving(*STABLE)

    async def test_who_is_away_is_not_mended(self) -> None:
        site, work = mended()
        site.triton.is_away = True
        async with site.running():
            await looks(site)
        assert work.asked == []
