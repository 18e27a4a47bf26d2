"""The registry loop of the leader: what is asked for there, and what is shown."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane.core.catalogue import Release
from control_plane.core.registered import Registered, ReleaseRecord
from control_plane.core.rollout import Plan, State
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.loops.registry import RegistryLoop
from control_plane.ports import RegistryUnavailable
from tests.unit.loops.duties import PLAN, FakeCatalogue, running, until
from tests.unit.samples import ENGINES
from tests.unit.site import Site


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
