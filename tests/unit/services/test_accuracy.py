"""How right each release is: added up once for each change, and shown as of the last look."""

from __future__ import annotations

import asyncio
import threading
from typing import Any, cast

import numpy as np
import pytest

from control_plane.adapters.stores import MemoryFeedback
from control_plane.core.accuracy import (
    Accuracy,
    ClassMatches,
    Feedback,
    Judged,
    Measured,
    Metric,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import StoreUnavailable
from control_plane.services.accuracy import AccuracyBoard

RIGHT, WRONG = Judged(is_right=True), Judged(is_right=False)


class Counting(MemoryFeedback):
    def __init__(self) -> None:
        super().__init__(lambda: self.time_s)
        self.time_s = 1000.0
        self.read = 0
        self.is_away = False

    async def versions(self) -> dict[tuple[str, str], tuple[int, int]]:
        if self.is_away:
            raise StoreUnavailable("away")
        return dict(await super().versions())

    async def judged(
        self, engine: str, release: str, *, after_s: float = 0.0, limit: int
    ) -> tuple[Judged, ...]:
        self.read += 1
        return await super().judged(engine, release, after_s=after_s, limit=limit)


class Setup:
    def __init__(self, most: int = 100) -> None:
        self.store = Counting()
        self.board = AccuracyBoard(
            self.store,
            engines=lambda: {"damage", "volume"},
            rng=np.random.default_rng(1),
            epoch_s=lambda: self.store.time_s,
            most=most,
        )

    async def say(self, name: str, judged: Judged, release: str = "1.0.0") -> None:
        engine = "volume" if judged.measured else "damage"
        await self.store.put(Feedback(f"r-{name}", f"d-{name}", engine, release, judged))


def right_share(found: Accuracy) -> float | None:
    return found.metrics[Metric.RIGHT_SHARE].value


async def test_each_release_is_added_up() -> None:
    setup = Setup()
    await setup.say("a", RIGHT)
    await setup.say("b", WRONG)
    await setup.say("c", RIGHT, "1.1.0")
    found = await setup.board.of("damage")
    assert {release: right_share(one) for release, one in found.items()} == {
        "1.0.0": 0.5,
        "1.1.0": 1.0,
    }
    assert found["1.0.0"].photos == 2


async def test_only_what_has_changed_is_added_up_again() -> None:
    setup = Setup()
    await setup.say("a", RIGHT)
    await setup.say("b", RIGHT, "1.1.0")
    await setup.board.refresh()
    await setup.board.of("damage")
    assert setup.store.read == 2
    await setup.say("a", WRONG)
    assert right_share((await setup.board.of("damage"))["1.0.0"]) == 0.0
    assert setup.store.read == 3


async def test_what_is_exposed_is_as_of_the_last_refresh() -> None:
    setup = Setup()
    assert (setup.board.values(), setup.board.photos()) == ({}, {})
    await setup.say("a", RIGHT)
    await setup.say("b", Judged(measured=Measured(5.0, 4.0)))
    assert setup.board.values() == {}
    await setup.board.refresh()
    assert setup.board.values() == {
        ("damage", "1.0.0", "right_share"): 1.0,
        ("volume", "1.0.0", "volume_error"): 0.25,
    }
    assert setup.board.photos() == {("damage", "1.0.0"): 1, ("volume", "1.0.0"): 1}


async def test_a_figure_that_cannot_be_said_is_not_exposed() -> None:
    setup = Setup()
    await setup.say("a", Judged(measured=Measured(1.0, 0.0)))
    await setup.board.refresh()
    assert setup.board.values() == {}
    assert setup.board.photos() == {("volume", "1.0.0"): 1}


async def test_a_release_of_which_nothing_is_kept_any_more_is_gone() -> None:
    setup = Setup()
    await setup.say("a", RIGHT)
    await setup.board.refresh()
    setup.store._said.clear()
    await setup.board.refresh()
    assert setup.board.photos() == {}


async def test_it_may_be_asked_by_the_last_seconds_only() -> None:
    setup = Setup()
    await setup.say("a", WRONG)
    await setup.say("old", WRONG, "0.9.0")
    setup.store.time_s += 100.0
    await setup.say("b", RIGHT)
    found = await setup.board.of("damage", since_s=50.0)
    assert {release: right_share(one) for release, one in found.items()} == {"1.0.0": 1.0}
    assert (await setup.board.of("damage", since_s=200.0))["1.0.0"].photos == 2


async def test_the_latest_so_many_are_added_up() -> None:
    setup = Setup(most=2)
    for name, judged in (("a", WRONG), ("b", RIGHT), ("c", RIGHT)):
        await setup.say(name, judged)
    assert right_share((await setup.board.of("damage"))["1.0.0"]) == 1.0


async def test_an_engine_that_is_not_there_is_unknown_unless_something_was_said_of_it() -> None:
    setup = Setup()
    assert await setup.board.of("damage") == {}
    with pytest.raises(ControlPlaneError) as refused:
        await setup.board.of("gone")
    assert (refused.value.code, refused.value.field) == (ErrorCode.UNKNOWN_ENGINE, "engine")
    await setup.store.put(Feedback("r", "d", "gone", "1.0.0", RIGHT))
    assert list(await setup.board.of("gone")) == ["1.0.0"]


async def test_a_store_that_is_away_leaves_the_figures_as_they_were() -> None:
    setup = Setup()
    await setup.say("a", RIGHT)
    await setup.board.refresh()
    setup.store.is_away = True
    with pytest.raises(StoreUnavailable):
        await setup.board.refresh()
    assert setup.board.values() == {("damage", "1.0.0", "right_share"): 1.0}
    with pytest.raises(ControlPlaneError) as refused:
        await setup.board.of("damage")
    assert refused.value.code is ErrorCode.STORE_UNAVAILABLE


class Waiting(Counting):
    """Whose second release is read only when it is let."""

    def __init__(self) -> None:
        super().__init__()
        self.is_asked, self.is_let = asyncio.Event(), asyncio.Event()

    async def judged(
        self, engine: str, release: str, *, after_s: float = 0.0, limit: int
    ) -> tuple[Judged, ...]:
        if release == "1.1.0":
            self.is_asked.set()
            await self.is_let.wait()
        return await super().judged(engine, release, after_s=after_s, limit=limit)


async def test_a_release_that_a_refresh_lets_go_meanwhile_is_still_told() -> None:
    setup = Setup()
    store = Waiting()
    setup.board._store = setup.store = store
    await setup.say("a", RIGHT)
    await setup.say("b", RIGHT, "1.1.0")
    asking = asyncio.create_task(setup.board.of("damage"))
    await store.is_asked.wait()
    # As a refresh does that had asked for the releases when there was none yet.
    setup.board._known = {}
    store.is_let.set()
    assert list(await asking) == ["1.0.0", "1.1.0"]


class Slow:
    """A generator whose draws wait until they are let, and tell of each that began."""

    def __init__(self) -> None:
        self.began, self.may_end = [threading.Event(), threading.Event()], threading.Event()
        self._numbers = iter(self.began)

    def multinomial(self, *what: Any, **how: Any) -> Any:
        next(self._numbers).set()
        self.may_end.wait(10.0)
        return np.random.default_rng(1).multinomial(*what, **how)


async def test_a_caller_who_goes_leaves_no_thread_beside_the_next_one() -> None:
    setup, slow = Setup(), Slow()
    setup.board._rng = cast(np.random.Generator, slow)
    await setup.say("a", Judged(matches=(ClassMatches("hail", 1),)))
    gone = asyncio.create_task(setup.board.of("damage"))
    assert await asyncio.to_thread(slow.began[0].wait, 10.0)
    gone.cancel()
    await asyncio.gather(gone, return_exceptions=True)
    following = asyncio.create_task(setup.board.of("damage"))
    assert not await asyncio.to_thread(slow.began[1].wait, 0.2)
    slow.may_end.set()
    assert list(await following) == ["1.0.0"]
