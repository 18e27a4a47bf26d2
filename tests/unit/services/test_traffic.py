"""Several planes at one store: their traffic is added up, and each says what it covers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from control_plane.adapters.stores import MemoryStore
from control_plane.core.outcomes import Ending
from control_plane.core.requests import Try
from control_plane.core.traffic import RequestCounts, ToldSlot
from control_plane.ports import OwnSlot, StoreUnavailable
from control_plane.services.drift import ConfidenceDrift
from control_plane.services.traffic import FRESH_S, GONE_S, HEARD_S, MOST_MADE, Traffic
from tests.unit.core.traffic.test_counts import ended
from tests.unit.fakes import FakeCalendar, FakeClock
from tests.unit.samples import TABLE

DAMAGE = "damage"


@dataclass
class Shared(MemoryStore):
    """A store that may be away, and counts how often it is told something."""

    clock: FakeClock
    is_away: bool = False
    told: list[int] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self.clock.now_s)

    async def tell_slots(self, plane: str, slots: Sequence[OwnSlot], *, keep_s: float) -> None:
        self._check()
        self.told.append(len(slots))
        await super().tell_slots(plane, slots, keep_s=keep_s)

    async def told_slots(self, plane: str, *, since_s: float) -> tuple[ToldSlot, ...]:
        self._check()
        return await super().told_slots(plane, since_s=since_s)

    def _check(self) -> None:
        if self.is_away:
            raise StoreUnavailable("gone fishing")


@dataclass
class Plane:
    name: str
    store: Shared
    has_others: bool = True

    def __post_init__(self) -> None:
        clock = self.store.clock
        self.counts = RequestCounts(clock.now_s())
        self.drift = ConfidenceDrift(self.store, lambda: TABLE)
        self.traffic = Traffic(
            self.name,
            counts=self.counts,
            share=self.store,
            has_others=lambda: self.has_others,
            drift=self.drift,
            clock=clock,
            calendar=FakeCalendar(),
        )

    def serve(self, requests: int, took_s: float = 0.03) -> None:
        at_s = self.store.clock.now_s()
        for _ in range(requests):
            one = Try("1.0.0", "triton-0", Ending.SUCCESS, took_s)
            self.counts.ended(ended(one, at_s=at_s, took_s=took_s))

    def requests(self) -> int:
        engines = self.traffic.summary().engines
        return engines[DAMAGE].summary.total[900].requests if DAMAGE in engines else 0


@pytest.fixture
def store() -> Shared:
    return Shared(FakeClock())


async def exchange(*planes: Plane) -> None:
    for _ in range(2):
        for plane in planes:
            await plane.traffic.exchange()


async def test_planes_show_what_all_have_served(store: Shared) -> None:
    a, b = Plane("a", store), Plane("b", store)
    a.serve(3)
    b.serve(1, took_s=2.0)
    assert (a.requests(), b.requests()) == (3, 1)
    await exchange(a, b)
    assert (a.requests(), b.requests()) == (4, 4)
    view = b.traffic.summary()
    assert view.is_merged
    assert [(one.plane, one.is_gone) for one in view.planes] == [("b", False), ("a", False)]
    total = view.engines[DAMAGE].summary.total[60]
    # Of the merged latencies: a mean of the planes' percentiles were above one second.
    assert total.p50_ms is not None
    assert total.p50_ms < 40.0
    assert total.p99_ms is not None
    assert total.p99_ms > 2000.0
    curves = b.traffic.curves(DAMAGE, 60.0)
    assert curves.is_merged


async def test_a_slot_that_is_counted_on_is_told_anew(store: Shared) -> None:
    a, b = Plane("a", store), Plane("b", store)
    for _ in range(4):
        a.serve(1)
        await exchange(a, b)
        store.clock.advance(2.0)
    assert b.requests() == a.requests() == 4
    assert max(store.told) <= 3, "what is told already is not told again"


async def test_a_plane_that_is_alone_tells_nobody_and_then_everything(store: Shared) -> None:
    a = Plane("a", store, has_others=False)
    for _ in range(3):
        a.serve(1)
        await exchange(a)
        store.clock.advance(10.0)
    assert store.told == []
    assert a.traffic.summary().is_merged
    b = Plane("b", store)
    a.has_others = True
    await exchange(a, b)
    assert b.requests() == 3


async def test_a_plane_that_is_gone_says_nothing_and_what_it_served_counts(store: Shared) -> None:
    a, b = Plane("a", store), Plane("b", store)
    a.serve(3)
    await exchange(a, b)
    store.clock.advance(GONE_S + 1.0)
    await exchange(b)
    (_, gone) = b.traffic.summary().planes
    assert (gone.plane, gone.is_gone, b.requests()) == ("a", True, 3)
    store.clock.advance(920.0)
    await exchange(b)
    assert [one.plane for one in b.traffic.summary().planes] == ["b"]
    assert b.requests() == 0


async def test_while_the_store_is_away_a_plane_shows_its_own_and_says_so(store: Shared) -> None:
    a, b = Plane("a", store), Plane("b", store)
    a.serve(3)
    b.serve(1)
    await exchange(a, b)
    store.is_away = True
    store.clock.advance(HEARD_S + 1.0)
    with pytest.raises(StoreUnavailable):
        await b.traffic.exchange()
    view = b.traffic.summary()
    assert not view.is_merged
    assert [one.plane for one in view.planes] == ["b"]
    assert b.requests() == 1
    assert not b.traffic.curves(DAMAGE, 60.0).is_merged
    store.is_away = False
    a.serve(1)
    await exchange(a, b)
    assert b.requests() == 5


async def test_the_rate_is_by_the_time_that_any_of_them_has_counted(store: Shared) -> None:
    a = Plane("a", store)
    a.serve(30)
    store.clock.advance(30.0)
    b = Plane("b", store)
    await exchange(a, b)
    assert b.traffic.summary().engines[DAMAGE].summary.total[60].rate_per_s == pytest.approx(1.0)


async def test_many_who_ask_at_once_cost_one_adding_up(store: Shared) -> None:
    a = Plane("a", store)
    assert a.requests() == 0
    a.serve(1)
    assert a.requests() == 0, "made a moment ago"
    first = a.traffic.curves(DAMAGE, 60.0)
    assert a.traffic.curves(DAMAGE, 60.0) is first
    assert a.traffic.curves(DAMAGE, 61.0) is not first
    for span_s in range(MOST_MADE):
        a.traffic.curves(DAMAGE, 100.0 + span_s)
    assert a.traffic.curves(DAMAGE, 60.0) is not first, "no more are remembered than that"
    store.clock.advance(FRESH_S)
    assert a.requests() == 1


async def test_drift_is_of_what_all_planes_saw(store: Shared) -> None:
    a, b = Plane("a", store), Plane("b", store)
    for plane in (a, b):
        await plane.drift.refresh()
        for _ in range(200):
            now_s = store.clock.now_s()
            plane.counts.saw_confidence(DAMAGE, "1.0.0", 0.85, now_s)
            plane.counts.saw_confidence(DAMAGE, "1.1.0", 0.25, now_s)
    assert a.traffic.drifts()[DAMAGE, "1.1.0"].index is None
    await exchange(a, b)
    drift = a.traffic.drifts()[DAMAGE, "1.1.0"]
    assert (drift.samples, drift.reference_samples) == (400, 400)
    assert drift.index is not None
    assert drift.index > 1.0
