"""What is known of each instance, and the running of what is planned for it."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from structlog.testing import capture_logs

from control_plane.core.catalogue import Config
from control_plane.core.health import ProbeResult
from control_plane.core.rollout import Plan
from control_plane.core.state import PlaneReport
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, ENGINES, FOLDERS, STABLE, VOLUME
from tests.unit.site import Site

LOADS = [
    "load preprocess",
    "load damage_detector",
    "load materials_detector",
    "load volume",
    "load damage--1.0.0",
    "load materials--1.0.0",
]


async def begun(*tritons: FakeInstance, **options: Any) -> Site:
    site = Site(*tritons, **options)
    await site.begin()
    return site


async def test_empty_tritons_are_filled_side_by_side_and_then_left_alone() -> None:
    site = await begun()
    await site.settle()
    for triton, instance in zip(site.tritons, site.instances, strict=True):
        assert triton.calls == LOADS
        assert triton.loaded["damage_detector"] == {1}
        assert (instance.serving, instance.reason) == (STABLE, "")


async def test_every_action_is_logged_with_how_long_it_took() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    with capture_logs() as logs:
        await site.settle()
    told = [(one["event"], one["subject"], one.get("took_s")) for one in logs if "subject" in one]
    assert told[:2] == [("action begins", "preprocess 1", None), ("action done", "preprocess 1", 0)]
    assert ("action done", "damage--1.0.0", 0.0) in told


async def test_a_restarted_triton_gets_its_releases_back() -> None:
    site = await begun()
    await site.settle()
    site.tritons[0].restart()
    site.tritons[0].calls.clear()
    await site.settle()
    assert site.tritons[0].calls == LOADS
    assert site.instances[0].serving == STABLE


async def test_who_is_away_is_not_worked_on() -> None:
    site = await begun()
    site.tritons[0].is_away = True
    await site.settle()
    assert (site.tritons[0].calls, site.tritons[1].calls) == ([], LOADS)


async def test_a_load_that_fails_leaves_the_others_and_is_named() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    site.tritons[0].broken["volume"] = "out of memory"
    with capture_logs() as logs:
        await site.settle()
    await site.look()
    (instance,) = site.instances
    assert instance.serving == STABLE - {("volume", "4.0.0")}
    assert instance.reason == "volume 4: INVALID_ARGUMENT: out of memory"
    failed = [one["subject"] for one in logs if one["event"] == "action failed"]
    assert failed == ["volume 4"]


async def test_what_failed_is_tried_again_after_a_growing_wait() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    (triton,) = site.tritons
    triton.broken["volume"] = "out of memory"
    await site.settle()
    tries = 1
    for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
        site.clock.advance(wait_s - 0.001)
        await site.settle()
        assert triton.calls.count("load volume") == tries
        site.clock.advance(0.002)
        await site.settle()
        tries += 1
        assert triton.calls.count("load volume") == tries
    triton.broken.clear()
    site.clock.advance(31.0)
    await site.settle()
    await site.look()
    assert (site.instances[0].serving, site.instances[0].reason) == (STABLE, "")


async def test_after_a_success_the_waits_start_anew() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    (triton,) = site.tritons
    triton.broken["volume"] = "out of memory"
    await site.settle()
    site.clock.advance(1.001)
    await site.settle()
    triton.broken.clear()
    site.clock.advance(2.001)
    await site.settle()
    assert triton.calls.count("load volume") == 3
    triton.broken["volume"] = "out of memory again"
    triton.restart()
    await site.settle()
    site.clock.advance(1.001)
    await site.settle()
    assert triton.calls.count("load volume") == 5


async def test_what_was_answered_with_ok_and_not_done_is_a_failure() -> None:
    # Of the versions 1 and 2 Triton skips the one that is not there, and says OK.
    site = await begun(FakeInstance(folders={**FOLDERS, "damage_detector": {1}}))
    await site.settle()
    await site.rollouts.start("damage", "1.1.0", Plan.direct(), who="ann", reason="")
    with capture_logs() as logs:
        await site.settle()
    told = [one["reason"] for one in logs if one["event"] == "not done"]
    assert told == ["damage_detector 2 was loaded and is not ready"]
    assert site.instances[0].work_failure == told[0]
    assert site.reconciler.facts([DAMAGE_NEXT])["triton-0"].refused == {}  # not yet


async def test_an_instance_has_refused_a_release_after_two_failures_in_a_row() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    site.tritons[0].broken["volume"] = "no such op"
    await site.settle()
    assert site.reconciler.facts([VOLUME])["triton-0"].refused == {}
    site.clock.advance(1.001)
    await site.settle()
    await site.look()
    refused = site.reconciler.facts([VOLUME])["triton-0"].refused
    assert refused == {("volume", "4.0.0"): "volume 4: INVALID_ARGUMENT: no such op"}
    site.tritons[0].broken.clear()
    site.clock.advance(2.001)
    await site.settle()
    assert site.reconciler.facts([VOLUME])["triton-0"].refused == {}


async def test_a_triton_that_dies_under_a_load_has_refused_nothing() -> None:
    class Dying(FakeInstance):
        async def load(self, model: str, config: Config, **options: Any) -> None:
            if model == "volume":
                raise call_failed("UNAVAILABLE", "Socket closed")
            await FakeInstance.load(self, model, config, **options)

    site = await begun(Dying(folders=FOLDERS))
    await site.settle()
    site.clock.advance(1.001)
    await site.settle()
    await site.look()
    assert site.reconciler.facts([VOLUME])["triton-0"].refused == {}
    assert "Socket closed" in site.instances[0].work_failure


async def test_an_unexpected_error_is_told_and_backs_off() -> None:
    class Bugged(FakeInstance):
        async def load(self, model: str, config: Config, **options: Any) -> None:
            raise RuntimeError("a bug")

    site = await begun(Bugged(folders=FOLDERS))
    with capture_logs() as logs:
        await site.settle()
    assert "preprocess 1: unexpected RuntimeError: a bug" in site.instances[0].work_failure
    assert [one["exc_info"] for one in logs if one["event"] == "action failed unexpectedly"]


async def test_what_was_seen_while_something_was_done_is_not_acted_on() -> None:
    gate, entered = asyncio.Event(), asyncio.Event()

    class Gated(FakeInstance):
        async def load(self, model: str, config: Config, **options: Any) -> None:
            if model == "volume":
                entered.set()
                await gate.wait()
            await FakeInstance.load(self, model, config, **options)

    site = await begun(Gated(folders=FOLDERS))
    await site.look()
    await site.tick()
    await entered.wait()
    site.clock.advance(1.0)
    await site.look()  # preprocess and the detectors are there, volume is not
    await site.tick()
    gate.set()
    await asyncio.gather(*site._tasks)
    await site.tick()  # what was seen last is from before the end of the work
    assert site.tritons[0].calls.count("load volume") == 1
    assert site.instances[0].look_again.is_set()
    site.clock.advance(1.0)
    await site.settle()
    assert site.tritons[0].calls.count("load volume") == 1
    assert site.instances[0].serving == STABLE


async def test_who_is_held_back_is_looked_at_and_left_alone() -> None:
    site = await begun()
    await site.settle()
    site.fleet.drain("triton-0", "maintenance")
    site.tritons[0].restart()
    site.tritons[0].calls.clear()
    await site.settle()
    assert site.tritons[0].calls == []
    site.fleet.undrain("triton-0", "done")
    await site.settle()
    assert site.instances[0].serving == STABLE


async def test_a_release_is_ready_where_it_has_proved_itself() -> None:
    site = await begun(FakeInstance(folders=FOLDERS), probed=["damage"])
    async with site.proving():
        await site.settle()
    facts = site.reconciler.facts([DAMAGE, VOLUME])["triton-0"]
    assert facts.is_ready(DAMAGE)
    assert facts.is_ready(VOLUME)  # nothing is asked of it
    site.fleet.probed("triton-0", ("damage", "1.0.0"), ProbeResult.WRONG_ANSWER, "it is nonsense")
    facts = site.reconciler.facts([DAMAGE, VOLUME])["triton-0"]
    assert not facts.is_ready(DAMAGE)
    assert facts.refused == {("damage", "1.0.0"): "probe: wrong_answer: it is nonsense"}


async def test_a_proof_that_does_not_come_is_given_up_after_a_while() -> None:
    site = await begun(FakeInstance(folders=FOLDERS), probed=["volume"])

    async def pass_time() -> None:
        while True:
            site.clock.advance(1.0)
            await asyncio.sleep(0.001)

    passing = asyncio.create_task(pass_time())
    for _ in range(4):
        await site.look()
        await site.store.acquire("plane-1", ttl_s=1e9)
        await site.tick()
        await asyncio.gather(*site._tasks)
    passing.cancel()
    await site.look()
    site.reconciler.facts([VOLUME])
    assert "volume" in site.instances[0].work_failure


async def test_requests_in_flight_are_those_of_all_planes() -> None:
    site = await begun()
    await site.settle()
    place = site.fleet.reserve(DAMAGE)
    key = ("damage", "1.0.0")
    other = PlaneReport("plane-2", 1, frozenset(), {place.instance.name: {key: 2}})
    facts = site.reconciler.facts([DAMAGE], [other])
    assert facts[place.instance.name].in_flight[key] == 3


async def test_work_that_was_stopped_is_not_under_way() -> None:
    site = await begun(FakeInstance(folders=FOLDERS))
    await site.look()
    await site.tick()
    assert site.reconciler.facts([DAMAGE])["triton-0"].under_way
    tasks = list(site._tasks)
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    site.reconciler.forget_work()
    assert site.reconciler.facts([DAMAGE])["triton-0"].under_way == ()
    await site.settle()
    assert site.instances[0].serving == STABLE


async def test_a_long_catalogue_is_not_looked_through_for_every_instance() -> None:
    damage, asked = ENGINES["damage"], 0

    class Counted(dict[str, int]):
        def __iter__(self) -> Iterator[str]:
            nonlocal asked
            asked += 1
            return super().__iter__()

        def get(self, model: str, default: Any = None) -> Any:
            nonlocal asked
            asked += 1
            return super().get(model, default)

        def items(self) -> Any:
            nonlocal asked
            asked += 1
            return super().items()

    long = {
        f"2.{number}.0": replace(DAMAGE, version=f"2.{number}.0", pins=Counted(DAMAGE.pins))
        for number in range(100)
    }
    engines = {**ENGINES, "damage": replace(damage, releases={**damage.releases, **long})}
    site = Site(*(FakeInstance(folders=FOLDERS) for _ in range(20)), engines=engines)
    await site.begin()
    await site.settle()
    asked = 0
    await site.tick()
    assert asked <= 2 * len(long)
