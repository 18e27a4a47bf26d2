"""The reference of stable: the first confidences, frozen once, kept over restarts."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.adapters.stores import MemoryStore
from control_plane.core.drift import REFERENCE_SAMPLES, Against, Reference
from control_plane.core.routing import RoutingTable
from control_plane.core.traffic import CONFIDENCE_BOUNDS, Distribution
from control_plane.services.drift import ConfidenceDrift
from tests.unit.samples import TABLE

DAMAGE = "damage"
FULL = Reference("1.0.0", (0, 0, 0, 0, 0, 0, 0, 0, REFERENCE_SAMPLES, 0, 0))


class Plane:
    def __init__(self, store: MemoryStore) -> None:
        self.table: RoutingTable = TABLE
        self.drift = ConfidenceDrift(store, lambda: self.table)

    def see(self, confidence: float, times: int, release: str = "1.0.0") -> None:
        for _ in range(times):
            self.drift.saw(DAMAGE, release, confidence)

    def becomes_stable(self, release: str) -> None:
        route = self.table.routes[DAMAGE]
        serving = {**route.serving, release: route.serving[route.stable]}
        route = replace(route, stable=release, weights_bp={release: 10_000}, serving=serving)
        self.table = replace(self.table, routes={**self.table.routes, DAMAGE: route})


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore(lambda: 0.0)


async def test_the_first_confidences_are_frozen_once_there_are_enough(store: MemoryStore) -> None:
    plane = Plane(store)
    plane.see(0.15, 5)  # before it was asked whether there is a reference
    await plane.drift.refresh()
    plane.see(0.85, REFERENCE_SAMPLES - 1)
    plane.see(0.85, 5, release="1.1.0")
    await plane.drift.refresh()
    assert await store.references() == {}
    plane.see(0.85, 1)
    plane.see(0.15, 100)
    await plane.drift.refresh()
    assert await store.references() == {DAMAGE: FULL}


async def test_another_plane_and_one_that_starts_anew_go_by_the_same(store: MemoryStore) -> None:
    await store.freeze(DAMAGE, FULL)
    plane = Plane(store)
    await plane.drift.refresh()
    plane.see(0.15, 2 * REFERENCE_SAMPLES)
    await plane.drift.refresh()
    assert await store.references() == {DAMAGE: FULL}
    seen = Distribution(CONFIDENCE_BOUNDS, FULL.counts, 0.0)
    found = plane.drift.of(DAMAGE, {"1.0.0": seen})["1.0.0"]
    assert (found.index, found.against) == (0.0, Against.REFERENCE)
    assert plane.drift.of("nothing", {"1.0.0": seen}) == {}


async def test_another_stable_release_has_a_reference_of_its_own(store: MemoryStore) -> None:
    await store.freeze(DAMAGE, FULL)
    plane = Plane(store)
    await plane.drift.refresh()
    plane.becomes_stable("1.1.0")
    plane.see(0.15, REFERENCE_SAMPLES, release="1.1.0")
    plane.see(0.95, 100)
    await plane.drift.refresh()
    frozen = (await store.references())[DAMAGE]
    assert (frozen.release, frozen.counts[1]) == ("1.1.0", REFERENCE_SAMPLES)


async def test_a_sample_of_a_release_that_is_not_stable_any_more_is_let_go(
    store: MemoryStore,
) -> None:
    plane = Plane(store)
    await plane.drift.refresh()
    plane.see(0.85, REFERENCE_SAMPLES)
    plane.becomes_stable("1.1.0")
    await plane.drift.refresh()
    assert await store.references() == {}
    plane.table = TABLE
    plane.see(0.25, REFERENCE_SAMPLES)
    await plane.drift.refresh()
    assert (await store.references())[DAMAGE].counts[2] == REFERENCE_SAMPLES
