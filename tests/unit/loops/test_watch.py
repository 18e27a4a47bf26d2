"""The watch of one instance: what it publishes, what it loads, how it waits after a failure."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Any

from structlog.testing import capture_logs

from control_plane.core.catalogue import Config, Release
from control_plane.core.health import State
from control_plane.core.loading import LoadTwin, LoadVersions, Observation
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.loops.watching import Site, loads_of, looks
from tests.unit.samples import DAMAGE, FOLDERS, STABLE, TABLE


async def test_an_empty_triton_is_loaded_in_order_and_then_left_alone() -> None:
    site = Site()
    actions = await site.watch.look()
    assert (site.instance.is_live, site.instance.reason) == (True, "loading")
    assert site.instance.serving == frozenset()
    await site.watch.load(actions)
    assert site.triton.calls == [
        "load preprocess",
        "load damage_detector",
        "load materials_detector",
        "load volume",
        "load damage--1.0.0",
        "load materials--1.0.0",
    ]
    assert site.triton.loaded["damage_detector"] == {1}
    assert await site.watch.look() == ()
    assert (site.instance.serving, site.instance.reason) == (STABLE, "")


async def test_what_is_loaded_is_logged_with_how_long_it_took() -> None:
    site = Site()
    with capture_logs() as logs:
        await site.watch.load([LoadVersions("damage_detector", (1, 2))])
    assert logs == [
        {
            "event": "loaded",
            "instance": "triton-0",
            "model": "damage_detector 1,2",
            "took_s": 0.0,
            "log_level": "info",
        }
    ]


async def test_an_unreachable_triton_serves_nothing_and_says_why() -> None:
    site = Site()
    await site.look_and_load()
    await site.watch.look()
    site.triton.is_away = True
    site.clock.advance(5.0)
    with capture_logs() as logs:
        assert await site.watch.look() == ()
        assert await site.watch.look() == ()
    assert (site.instance.serving, site.instance.is_live) == (frozenset(), False)
    assert site.instance.reason == "UNAVAILABLE: failed to connect to all addresses"
    assert site.instance.observed_at_s == 1005.0
    # Only a change is worth a line.
    assert [(entry["event"], entry.get("is_live"), entry.get("now")) for entry in logs] == [
        ("health changed", None, "unhealthy"),
        ("instance changed", False, None),
    ]


async def test_the_components_that_were_seen_are_published_until_the_triton_is_away() -> None:
    site = Site()
    await site.look_and_load()
    await site.watch.look()
    assert site.fleet.holding("preprocess", "1") == (site.instance,)
    assert site.fleet.holding("preprocess", "") == (site.instance,)
    assert site.fleet.holding("damage_detector", "2") == ()
    site.triton.is_away = True
    await site.watch.look()
    assert site.fleet.holding("preprocess", "") == ()


async def test_a_restarted_triton_gets_its_releases_back() -> None:
    site = Site()
    async with site.running():
        await site.until_serving(*STABLE)
        site.triton.is_away = True
        await site.until_serving()
        assert not site.instance.is_live
        site.triton.restart()
        site.triton.is_away = False
        await site.until_serving(*STABLE)
    assert site.instance.is_live


async def test_a_release_that_becomes_desired_is_loaded_too() -> None:
    site = Site()
    site.desired = (DAMAGE,)
    async with site.running():
        await site.until_serving(("damage", "1.0.0"))
        site.desired = TABLE.releases()
        await site.until_serving(*STABLE)


async def test_a_load_that_fails_leaves_the_others_and_is_named() -> None:
    site = Site()
    site.triton.broken["volume"] = "out of memory"
    await site.look_and_load()
    assert await site.watch.look() == (LoadVersions("volume", (4,)),)
    assert site.instance.serving == STABLE - {("volume", "4.0.0")}
    assert site.instance.reason == "volume 4: INVALID_ARGUMENT: out of memory"


async def test_several_failures_are_all_named() -> None:
    site = Site()
    site.triton.broken["preprocess"] = "no stub"
    with capture_logs() as logs:
        await site.look_and_load()
    await site.watch.look()
    assert site.instance.reason == (
        "preprocess 1: INVALID_ARGUMENT: no stub; "
        "damage--1.0.0: INVALID_ARGUMENT: required version 1 is not loaded; "
        "materials--1.0.0: INVALID_ARGUMENT: required version 1 is not loaded"
    )
    failed = [entry["model"] for entry in logs if entry["log_level"] == "error"]
    assert failed == ["preprocess 1", "damage--1.0.0", "materials--1.0.0"]


async def test_what_failed_is_tried_again_after_a_growing_wait() -> None:
    site = Site()
    site.triton.broken["volume"] = "out of memory"
    async with site.running():
        await site.until_serving(*(STABLE - {("volume", "4.0.0")}))
        tries = 1
        for wait_s in (1.0, 2.0, 4.0, 8.0, 16.0, 30.0, 30.0):
            await looks(site)
            assert loads_of(site, "volume") == tries
            site.clock.advance(wait_s - 0.001)
            await looks(site)
            assert loads_of(site, "volume") == tries
            site.clock.advance(0.001)
            await looks(site)
            tries += 1
            assert loads_of(site, "volume") == tries
        site.triton.broken.clear()
        site.clock.advance(30.0)
        await site.until_serving(*STABLE)
    assert site.instance.reason == ""


async def test_after_a_success_the_waits_start_anew() -> None:
    site = Site()
    site.triton.broken["volume"] = "out of memory"
    async with site.running():
        await looks(site)
        site.clock.advance(1.0)
        await looks(site)
        assert loads_of(site, "volume") == 2
        site.triton.broken.clear()
        site.clock.advance(2.0)
        await site.until_serving(*STABLE)
        site.triton.broken["volume"] = "out of memory again"
        site.triton.restart()
        await site.until_serving(*(STABLE - {("volume", "4.0.0")}))
        await looks(site)
        site.clock.advance(1.0)
        await looks(site)
        assert loads_of(site, "volume") == 5


async def test_a_failure_is_forgotten_once_all_is_served_after_all() -> None:
    # A load that ran out of time here may still have been finished there.
    site = Site()
    site.triton.broken["volume"] = "DEADLINE"
    await site.look_and_load()
    site.triton.loaded["volume"] = {4}
    assert await site.watch.look() == ()
    assert site.instance.reason == ""


async def test_a_load_does_not_keep_the_watch_from_looking() -> None:
    class SlowLoads(FakeInstance):
        """Loads when ``entered`` is answered."""

        async def load(
            self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
        ) -> None:
            assert timeout_s == 60.0
            self.entered.put_nowait(model)
            await asyncio.Event().wait()

    site = Site(SlowLoads(folders=FOLDERS))
    async with site.running():
        assert await site.triton.entered.get() == "preprocess"
        await looks(site)
        assert site.triton.entered.empty()  # one load at a time
        assert site.instance.reason == "loading"
        site.triton.is_away = True
        await looks(site, 2)
        assert not site.instance.is_live


async def test_two_looks_that_run_out_of_time_leave_what_was_served_as_a_last_resort() -> None:
    class Hanging(FakeInstance):
        """As a stopped Triton: it takes the connection and never answers."""

        async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
            assert timeout_s == 1.0
            raise call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")

    site = Site(Hanging())
    site.fleet.publish("triton-0", serving=STABLE, is_live=True, reason="", now_s=0.0)
    assert await site.watch.look() == ()
    assert site.instance.look_again.is_set()  # the second look is not to be waited for
    assert (site.instance.serving, site.instance.is_live) == (STABLE, False)
    assert site.instance.reason == "DEADLINE_EXCEEDED: Deadline Exceeded"
    assert site.fleet.ready_on("damage", "1.0.0") == (site.instance,)
    await site.watch.look()
    assert site.fleet.health("triton-0").state is State.UNHEALTHY
    assert site.fleet.ready_on("damage", "1.0.0") == ()
    with site.fleet.reserve(DAMAGE) as place:
        assert place.instance is site.instance


class Odd(FakeInstance):
    """Answers as nobody expected, while ``is_odd``."""

    is_odd = True
    looks = 0

    async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
        self.looks += 1
        if self.is_odd:
            raise KeyError("model_name")
        # Not super(): a dataclass with slots is made twice, and super() knows the first.
        return await FakeInstance.observe(self, releases, timeout_s=timeout_s)


async def test_an_unexpected_error_in_a_look_is_told_and_stays_with_its_instance() -> None:
    triton = Odd(folders=FOLDERS)
    site = Site(triton)
    with capture_logs() as logs:
        async with site.running():
            for looks_until_now, wait_s in ((1, 1.0), (2, 2.0), (3, 4.0), (4, 8.0)):
                await site.until(lambda wanted=looks_until_now: triton.looks == wanted)  # type: ignore[misc]
                for _ in range(50):
                    await asyncio.sleep(0)
                assert triton.looks == looks_until_now
                assert (site.instance.is_live, site.instance.serving) == (False, frozenset())
                assert site.instance.reason == "unexpected KeyError: 'model_name'"
                site.clock.advance(wait_s)
            triton.is_odd = False
            await site.until_serving(*STABLE)
    told = [entry for entry in logs if entry["event"] == "look failed unexpectedly"]
    assert len(told) == 4
    assert all(entry["exc_info"] is True for entry in told)


async def test_an_unexpected_error_in_a_load_is_told_and_backs_off() -> None:
    class Bugged(FakeInstance):
        """Fails as only a bug of ours can."""

        async def load(
            self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
        ) -> None:
            raise RuntimeError("a bug")

    site = Site(Bugged())
    site.desired = (DAMAGE,)
    with capture_logs() as logs:
        async with site.running():
            await site.until(lambda: "a bug" in site.instance.reason)
            for _ in range(50):
                await asyncio.sleep(0)
    assert site.instance.is_live
    assert site.instance.serving == frozenset()
    assert "damage--1.0.0: unexpected RuntimeError: a bug" in site.instance.reason
    told = [entry for entry in logs if entry["event"] == "load failed unexpectedly"]
    assert [entry["model"] for entry in told] == [
        "preprocess 1",
        "damage_detector 1",
        "damage--1.0.0",
    ]
    assert all(entry["exc_info"] is True for entry in told)


async def test_a_watch_that_is_stopped_leaves_no_load_behind() -> None:
    class SlowLoads(FakeInstance):
        """Says when its load was stopped."""

        async def load(
            self, model: str, config: Config, *, is_twin: bool = False, timeout_s: float
        ) -> None:
            self.entered.put_nowait(model)
            try:
                await asyncio.Event().wait()
            finally:
                self.calls.append("stopped")

    site = Site(SlowLoads())
    async with site.running():
        await site.triton.entered.get()
    assert site.triton.calls == ["stopped"]


async def test_the_twin_is_loaded_as_one() -> None:
    site = Site(FakeInstance(folders=FOLDERS, loaded={"preprocess": {1}, "damage_detector": {1}}))
    site.desired = (DAMAGE,)
    assert await site.watch.look() == (LoadTwin(DAMAGE),)
    await site.watch.load([LoadTwin(DAMAGE)])
    assert site.triton.twins["damage--1.0.0"]["name"] == "damage--1.0.0"


async def test_a_look_that_fails_at_once_is_made_again_at_the_interval_and_says_why() -> None:
    class Closed(FakeInstance):
        """Answers, and refuses to be looked at."""

        async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
            raise call_failed("UNAUTHENTICATED", "no token")

    site = Site(Closed())
    await site.watch.look()
    await site.watch.look()
    assert not site.instance.look_again.is_set()
    assert site.fleet.health("triton-0").reason == "UNAUTHENTICATED: no token"


async def test_what_was_seen_while_a_load_ran_is_not_loaded_once_more() -> None:
    class Gated(FakeInstance):
        """Loads ``volume``, and tells what it saw meanwhile, only when it is let."""

        def __post_init__(self) -> None:
            super().__post_init__()
            self.loads, self.tells, self.has_seen = (asyncio.Event() for _ in range(3))

        async def load(self, model: str, config: Config, **options: Any) -> None:
            if model == "volume":
                await self.loads.wait()
            await super().load(model, config, **options)

        async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
            seen = await super().observe(releases, timeout_s=timeout_s)
            if "preprocess" in self.loaded and not self.has_seen.is_set():
                self.has_seen.set()
                await self.tells.wait()
            return seen

    triton = Gated(folders=FOLDERS)
    site = Site(triton)
    async with site.running():
        await triton.has_seen.wait()
        triton.loads.set()
        await site.until(lambda: "materials--1.0.0" in triton.twins)
        await asyncio.sleep(0)
        triton.tells.set()
        await site.until_serving(*STABLE)
    assert triton.calls.count("load volume") == 1
