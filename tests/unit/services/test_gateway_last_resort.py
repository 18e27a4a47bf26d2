"""An engine that looks dead everywhere: asked where calls are answered, else hardly ever."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable, Coroutine
from random import Random
from typing import Any

from control_plane.core.balancing import PoolOptions
from control_plane.core.deadline import Deadline
from control_plane.core.health import ProbeResult
from control_plane.errors import ControlPlaneError
from control_plane.ports import CallMetadata
from control_plane.services.calling import CallTimes, InferCall
from control_plane.services.fleet import Fleet
from control_plane.services.gateway import Gateway, GatewayOptions
from control_plane.services.instance import Instance
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.samples import LOADED, STABLE, TABLE, infer_request
from tests.unit.virtual_time import VirtualTimeLoop, run_virtually

NAMES = ("triton-0", "triton-1")


class TakingTime(FakeInstance):
    """Answers after ``takes_s``, or, dead, fails after it."""

    is_dead = False
    takes_s = 0.05

    async def infer(self, message: bytes, *, timeout_s: float, metadata: CallMetadata) -> bytes:
        self.calls.append(("infer", "damage"))
        await asyncio.sleep(min(self.takes_s, timeout_s))
        if self.is_dead:
            raise call_failed("INTERNAL", "CUDA error: an illegal memory access")
        return b""


class Site:
    """Two Tritons and a gateway, and how long each request took and what it ended with."""

    def __init__(self) -> None:
        loop = asyncio.get_running_loop()
        assert isinstance(loop, VirtualTimeLoop)
        self.loop = loop
        self.tritons = [TakingTime() for _ in NAMES]
        self.fleet = Fleet(
            map(Instance, NAMES, ("host:1", "host:2"), self.tritons),
            options=PoolOptions(),
            clock=loop,
            rng=Random(7),
            probed=["damage"],
        )
        for name in NAMES:
            self.look(name)
            self.fleet.probed(name, ("damage", "1.0.0"), ProbeResult.OK, "")
        options = GatewayOptions(CallTimes(5.0))
        self.gateway = Gateway(
            fleet=self.fleet, table=lambda: TABLE, options=options, clock=loop, rng=Random(7)
        )
        self.ends: list[tuple[str, float]] = []

    def look(self, name: str, *, is_answering: bool = True) -> None:
        self.fleet.publish(
            name,
            serving=STABLE,
            components=LOADED,
            is_live=True,
            is_answering=is_answering,
            reason="",
            now_s=self.loop.now_s(),
        )

    def die(self) -> None:
        """Every process of the engine, everywhere, and the probes have found it."""
        for name, triton in zip(NAMES, self.tritons, strict=True):
            triton.is_dead, triton.takes_s = True, 1.0
            for _ in range(2):
                self.fleet.probed(name, ("damage", "1.0.0"), ProbeResult.FAILED, "told")

    def look_dead(self) -> None:
        """They hang for a moment: too long for a look, not for a call."""
        for name in NAMES * 2:
            self.look(name, is_answering=False)

    async def ask(self) -> None:
        began_s = self.loop.now_s()
        message = infer_request("damage")
        asked = InferCall(message, "damage", "", "key", Deadline(began_s + 10.0), "job-1")
        try:
            await self.gateway.infer(asked)
            end = "answered"
        except ControlPlaneError as refusal:
            end = refusal.code.value
        self.ends.append((end, self.loop.now_s() - began_s))

    async def ask_often(self, seconds: float, *, every_s: float = 0.02) -> None:
        self.ends.clear()
        async with asyncio.TaskGroup() as group:
            for _ in range(round(seconds / every_s)):
                group.create_task(self.ask())
                await asyncio.sleep(every_s)

    def counted(self) -> Counter[str]:
        return Counter(end for end, _ in self.ends)


def at_a_site(story: Callable[[Site], Coroutine[Any, Any, None]]) -> None:
    async def told() -> None:
        await story(Site())

    run_virtually(told())


def test_an_engine_that_is_dead_everywhere_costs_its_callers_no_time() -> None:
    async def story(site: Site) -> None:
        await site.ask_often(2.0)
        assert site.counted() == {"answered": 100}
        site.die()
        await site.ask_often(4.0)  # in which the breakers see it too
        asked = sum(len(triton.calls) for triton in site.tritons)
        await site.ask_often(20.0)
        assert site.counted().keys() <= {"release_not_ready", "backend_fault"}
        waits_s = [took_s for _, took_s in site.ends if took_s > 0.0]
        assert 0 < len(waits_s) <= 12, "of a thousand"
        assert max(waits_s) < 1.1, "one try, and no retry"
        assert sum(len(triton.calls) for triton in site.tritons) - asked == len(waits_s)

    at_a_site(story)


def test_calls_alone_find_out_that_it_is_well_again() -> None:
    async def story(site: Site) -> None:
        site.die()
        await site.ask_often(10.0)
        for triton in site.tritons:
            triton.is_dead, triton.takes_s = False, 0.05
        await site.ask_often(60.0, every_s=0.1)
        await site.ask_often(5.0)
        assert site.counted() == {"answered": 250}

    at_a_site(story)


def test_a_fleet_that_is_only_slow_to_answer_looks_serves_on() -> None:
    async def story(site: Site) -> None:
        await site.ask_often(1.0)
        site.look_dead()
        assert site.fleet.ready_on("damage", "1.0.0") == ()
        await site.ask_often(30.0)
        assert site.counted() == {"answered": 1500}

    at_a_site(story)


def test_nobody_has_asked_lately_and_the_first_call_finds_out() -> None:
    async def story(site: Site) -> None:
        site.look_dead()
        await site.ask_often(1.0)
        counted = site.counted()
        assert counted.keys() == {"answered", "release_not_ready"}
        assert counted["answered"] >= 45, "all that came after the first answer"

    at_a_site(story)
