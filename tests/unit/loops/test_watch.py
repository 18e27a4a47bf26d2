"""The watch of one instance: what it publishes, and how it waits after what it did not expect."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable

from structlog.testing import capture_logs

from control_plane.core.catalogue import Release
from control_plane.core.health import State
from control_plane.core.loading import Observation, twin_config
from tests.unit.fakes import FakeInstance, call_failed
from tests.unit.loops.watching import Watched, filled
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, FOLDERS, SPECS, STABLE


async def test_what_is_served_is_published_with_what_was_seen_and_when() -> None:
    site = Watched()
    await site.watch.look()
    assert (site.instance.serving, site.instance.reason) == (STABLE, "")
    assert site.instance.observation is not None
    assert site.instance.observation.is_serving(DAMAGE)
    assert site.instance.looked_from_s == 1000.0


async def test_a_release_that_nobody_is_sent_to_yet_is_seen_too() -> None:
    site = Watched()
    site.triton.loaded["damage_detector"].add(2)
    site.triton.twins["damage--1.1.0"] = twin_config(SPECS["damage"], DAMAGE_NEXT)
    await site.watch.look()
    assert site.instance.serving == STABLE | {("damage", "1.1.0")}


async def test_without_a_release_that_is_routed_it_is_loading() -> None:
    site = Watched(FakeInstance(folders=FOLDERS))
    await site.watch.look()
    assert (site.instance.is_live, site.instance.reason) == (True, "loading")
    site.instance.work_failure = "volume 4: out of memory"
    await site.watch.look()
    assert site.instance.reason == "volume 4: out of memory"


async def test_an_unreachable_triton_serves_nothing_and_says_why() -> None:
    site = Watched()
    await site.watch.look()
    site.triton.is_away = True
    site.clock.advance(5.0)
    with capture_logs() as logs:
        await site.watch.look()
        await site.watch.look()
    assert (site.instance.serving, site.instance.is_live) == (frozenset(), False)
    assert site.instance.observation is None
    assert site.instance.reason == "UNAVAILABLE: failed to connect to all addresses"
    assert site.instance.observed_at_s == 1005.0
    # Only a change is worth a line.
    assert [(entry["event"], entry.get("is_live"), entry.get("now")) for entry in logs] == [
        ("health changed", None, "unhealthy"),
        ("instance changed", False, None),
    ]


async def test_the_components_that_were_seen_are_published_until_the_triton_is_away() -> None:
    site = Watched()
    await site.watch.look()
    assert site.fleet.holding("preprocess", "1") == (site.instance,)
    assert site.fleet.holding("preprocess", "") == (site.instance,)
    assert site.fleet.holding("damage_detector", "2") == ()
    site.triton.is_away = True
    await site.watch.look()
    assert site.fleet.holding("preprocess", "") == ()


async def test_the_loop_sees_a_triton_go_and_come_back() -> None:
    site = Watched()
    async with site.running():
        await site.until_serving(*STABLE)
        site.triton.is_away = True
        await site.until_serving()
        assert not site.instance.is_live
        site.triton.is_away = False
        await site.until_serving(*STABLE)
    assert site.instance.is_live


async def test_two_looks_that_run_out_of_time_leave_what_was_served_as_a_last_resort() -> None:
    class Hanging(FakeInstance):
        """As a stopped Triton: it takes the connection and never answers."""

        async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
            assert timeout_s == 1.0
            raise call_failed("DEADLINE_EXCEEDED", "Deadline Exceeded")

    site = Watched(Hanging())
    site.fleet.publish("triton-0", serving=STABLE, is_live=True, reason="", now_s=0.0)
    await site.watch.look()
    assert site.instance.look_again.is_set()  # the second look is not to be waited for
    assert (site.instance.serving, site.instance.is_live) == (STABLE, False)
    assert site.instance.observation is None
    assert site.instance.reason == (
        "does not answer looks in time: it hangs, or its machine or the network does "
        "(DEADLINE_EXCEEDED: Deadline Exceeded)"
    )
    assert site.fleet.ready_on("damage", "1.0.0") == (site.instance,)
    await site.watch.look()
    assert site.fleet.health("triton-0").state is State.UNHEALTHY
    assert site.fleet.ready_on("damage", "1.0.0") == ()
    with site.fleet.reserve(DAMAGE) as place:
        assert place.instance is site.instance


async def test_an_unexpected_error_in_a_look_is_told_and_stays_with_its_instance() -> None:
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

    whole = filled()
    triton = Odd(folders=FOLDERS, loaded=whole.loaded, twins=whole.twins)
    site = Watched(triton)
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


async def test_a_look_that_fails_at_once_is_made_again_at_the_interval_and_says_why() -> None:
    class Closed(FakeInstance):
        """Answers, and refuses to be looked at."""

        async def observe(self, releases: Iterable[Release], *, timeout_s: float) -> Observation:
            raise call_failed("UNAUTHENTICATED", "no token")

    site = Watched(Closed())
    await site.watch.look()
    await site.watch.look()
    assert not site.instance.look_again.is_set()
    assert site.fleet.health("triton-0").reason == "UNAUTHENTICATED: no token"
