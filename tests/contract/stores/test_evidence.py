"""Counts, keyed units and assessments: exact, in their order, within their bounds."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import nan

import pytest

from control_plane.core.state import Change
from control_plane.ports import RolloutCounts
from tests.contract.stores import samples
from tests.contract.stores.conftest import SMALL, Stage, Store


async def test_counts_are_replaced_by_plane_and_kept_by_rollout(store: Store) -> None:
    first = RolloutCounts((samples.step_counts(5),))
    whole = RolloutCounts(
        (samples.step_counts(), samples.step_counts(7)),
        shadow=(samples.step_counts(2),),
        samples={0: 3, 2: 2**40},
        details={"boxes": 12},
    )
    await store.put_counts("r1", "b", first)
    await store.put_counts("r1", "b", whole)
    await store.put_counts("r1", "a", first)
    await store.put_counts("r2", "a", RolloutCounts())

    assert await store.counts("r1") == {"a": first, "b": whole}
    assert await store.counts("r2") == {"a": RolloutCounts()}
    assert await store.counts("r3") == {}


async def test_keyed_units_come_back_in_their_order(store: Store) -> None:
    units = [samples.unit(n) for n in (2**64 - 1, 0, 2**63, 2**63 - 1)]
    units.append(samples.unit(7, bucket=None))
    await store.add_keyed("r1", "a", units[:2])
    await store.add_keyed("r2", "a", [samples.unit(99)])
    await store.add_keyed("r1", "b", units[2:])
    await store.add_keyed("r1", "b", [])

    found = await store.keyed("r1")

    assert [unit for _, unit in found] == units
    numbers = [number for number, _ in found]
    assert numbers == sorted(set(numbers))
    assert await store.keyed("r1", after=numbers[1], limit=2) == found[2:4]
    assert await store.keyed("r1", after=numbers[-1]) == ()
    assert [unit.digest for _, unit in await store.keyed("r2")] == [99]


async def test_who_follows_keyed_units_misses_none(stage: Stage) -> None:
    """Two planes add them side by side; numbers are seen in their order."""

    async def add(store: Store, first: int) -> None:
        for n in range(first, first + 20, 2):
            await store.add_keyed("r1", "p", [samples.unit(n), samples.unit(n + 1)])

    async with stage.again() as other:
        adding = asyncio.gather(add(stage.store, 0), add(other, 20))
        seen: list[int] = []
        after = 0
        is_last = False
        while not is_last:
            is_last = adding.done()
            for number, unit in await stage.store.keyed("r1", after=after, limit=7 + 40 * is_last):
                after = number
                seen.append(unit.digest)
            await asyncio.sleep(0)
        await adding
    assert sorted(seen) == list(range(40))


async def test_too_many_keyed_units_are_dropped(store: Store) -> None:
    most = SMALL.keyed_units
    await store.add_keyed("r1", "a", [samples.unit(n) for n in range(most - 1)])
    await store.add_keyed("r1", "a", [samples.unit(n) for n in range(most - 1, most + 5)])
    await store.add_keyed("r1", "b", [samples.unit(1000)])
    await store.add_keyed("r2", "a", [samples.unit(1)])

    assert [unit.digest for _, unit in await store.keyed("r1")] == list(range(most))
    assert len(await store.keyed("r2")) == 1


async def test_assessments_are_told_from_the_oldest(store: Store) -> None:
    told = [samples.assessment(n) for n in range(5)]
    for one in told:
        await store.add_assessment("r1", one)
    await store.add_assessment("r2", samples.assessment(9))

    assert await store.assessments("r1") == tuple(told)
    assert await store.assessments("r1", limit=2) == tuple(told[3:])
    assert await store.assessments("r3") == ()


async def test_assessments_are_thinned(store: Store) -> None:
    most = SMALL.assessments
    for n in range(most):
        await store.add_assessment("r1", samples.assessment(n))
    assert len(await store.assessments("r1")) == most

    await store.add_assessment("r1", samples.assessment(most))

    kept = [one.samples for one in await store.assessments("r1")]
    assert kept == [*range(0, most - SMALL.newest, 2), *range(most - SMALL.newest, most + 1)]
    for n in range(most + 1, 10 * most):
        await store.add_assessment("r1", samples.assessment(n))
        assert len(await store.assessments("r1")) <= most
    kept = [one.samples for one in await store.assessments("r1")]
    assert kept[0] == 0
    assert kept[-1] == 10 * most - 1
    assert kept == sorted(set(kept))


async def test_what_is_no_number_is_refused(store: Store) -> None:
    with pytest.raises(ValueError, match="finite"):
        await store.add_keyed("r1", "a", [replace(samples.unit(1), confidence_centre=nan)])
    with pytest.raises(ValueError, match="finite"):
        await store.add_assessment("r1", replace(samples.assessment(1), at_s=nan))

    assert await store.keyed("r1") == ()
    assert await store.assessments("r1") == ()


async def test_of_old_rollouts_the_evidence_is_forgotten_and_the_rollout_is_not(
    store: Store,
) -> None:
    for n in range(5):
        change = Change(engines={"damage": samples.engine_state(f"r{n}")})
        await store.write(change, expected=n)
        await store.put_counts(f"r{n}", "a", RolloutCounts())
        await store.add_keyed(f"r{n}", "a", [samples.unit(n)])
        await store.add_assessment(f"r{n}", samples.assessment(n))
    other = Change(engines={"volume": samples.engine_state("other", "volume")})
    await store.write(other, expected=5)

    kept = [n for n in range(5) if await store.assessments(f"r{n}")]
    assert kept == [2, 3, 4]
    assert [n for n in range(5) if await store.counts(f"r{n}")] == kept
    assert [n for n in range(5) if await store.keyed(f"r{n}")] == kept
    assert len(await store.rollouts(engine="damage")) == 5
