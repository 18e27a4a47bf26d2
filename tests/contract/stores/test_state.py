"""The state: one revision, compare-and-set, all or nothing."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from math import inf, nan

import pytest

from control_plane.core.state import (
    Change,
    EngineState,
    Hold,
    HoldKind,
    State,
)
from control_plane.ports import StaleRevision
from tests.contract.stores import samples
from tests.contract.stores.conftest import Stage, Store

DRAINED = Hold(HoldKind.DRAINED, "new disk")


async def test_nothing_was_ever_written(store: Store) -> None:
    assert await store.revision() == 0
    assert await store.read() == State()
    assert await store.rollouts() == ()
    assert await store.entries() == ()


async def test_what_is_read_is_what_was_written(stage: Stage) -> None:
    change = Change(
        engines={"damage": samples.engine_state(), "volume": EngineState("2.0.0")},
        table=samples.table(),
        holds={"triton-1": DRAINED},
        audit=(samples.entry(),),
    )

    written = await stage.store.write(change, expected=0)

    assert written == State(1, change.engines, samples.table(), {"triton-1": DRAINED})
    async with stage.again() as other:
        seen = await other.read()
    assert seen == written
    # Equal mappings may differ in their order, which decides where a key goes.
    assert list(seen.table.routes["damage"].weights_bp) == ["1.1.0", "1.0.0"]
    assert list(seen.table.routes) == ["volume", "damage"]


async def test_only_what_a_change_names_changes(store: Store) -> None:
    first = Change(
        engines={"damage": samples.engine_state(), "volume": EngineState("2.0.0")},
        table=samples.table(),
        holds={"triton-0": DRAINED, "triton-1": DRAINED},
    )
    await store.write(first, expected=0)
    isolated = Hold(HoldKind.ISOLATED, "odd")

    seen = await store.write(
        Change(
            engines={"damage": EngineState("1.1.0")},
            holds={"triton-0": None, "triton-1": isolated, "triton-9": None},
        ),
        expected=1,
    )

    assert seen.revision == 2
    assert seen.engines == {"damage": EngineState("1.1.0"), "volume": EngineState("2.0.0")}
    assert seen.table == samples.table()
    assert seen.holds == {"triton-1": isolated}
    # The engine has let go of its rollout, which is not forgotten for that.
    assert await store.rollouts() == (samples.rollout(),)


async def test_a_stale_change_changes_nothing(store: Store) -> None:
    await store.write(Change(), expected=0)
    change = Change({"damage": samples.engine_state()}, audit=(samples.entry(),))

    for expected in (0, 2):
        with pytest.raises(StaleRevision):
            await store.write(change, expected=expected)

    assert await store.read() == State(revision=1)
    assert (await store.rollouts(), await store.entries()) == ((), ())


@pytest.mark.parametrize("number", [nan, inf, -inf])
async def test_what_is_no_number_is_refused_whole(store: Store, number: float) -> None:
    bad = replace(samples.engine_state(), trial=replace(samples.TRIAL, slow_s=number))
    change = Change(
        {"volume": EngineState("2.0.0"), "damage": bad},
        samples.table(),
        {"triton-0": DRAINED},
        (samples.entry(),),
    )

    with pytest.raises(ValueError, match="finite"):
        await store.write(change, expected=0)

    assert await store.read() == State()
    assert (await store.rollouts(), await store.entries()) == ((), ())


async def test_what_fails_at_the_audit_leaves_no_state(store: Store) -> None:
    bad = replace(samples.entry(), after={"log_e": nan})

    with pytest.raises(ValueError, match="finite"):
        await store.write(
            Change({"damage": samples.engine_state()}, audit=(samples.entry(), bad)), expected=0
        )

    assert await store.read() == State()
    assert (await store.rollouts(), await store.entries()) == ((), ())


async def test_rollouts_are_told_from_the_latest(store: Store) -> None:
    order = [("r1", "damage"), ("r3", "volume"), ("r2", "damage")]
    for expected, (rollout_id, engine) in enumerate(order):
        change = Change({engine: samples.engine_state(rollout_id, engine)})
        await store.write(change, expected=expected)
    # One that goes on keeps its place.
    await store.write(Change({"volume": samples.engine_state("r3", "volume", step=3)}), expected=3)

    told = await store.rollouts()

    assert [one.rollout_id for one in told] == ["r2", "r3", "r1"]
    assert told[1] == samples.rollout("r3", "volume", step=3)
    assert [one.rollout_id for one in await store.rollouts(engine="damage")] == ["r2", "r1"]
    assert [one.rollout_id for one in await store.rollouts(limit=1)] == ["r2"]
    assert (await store.read()).engines["damage"].rollout == samples.rollout("r2")


async def test_each_of_many_writers_is_counted_once(stage: Stage) -> None:
    """Each adds one to a number, by compare-and-set, from one of two planes."""
    writers, each = 8, 5
    revisions: list[int] = []

    async def count(store: Store) -> None:
        for _ in range(each):
            while True:
                state = await store.read()
                hold = state.holds.get("counted", Hold(HoldKind.DRAINED, "0"))
                more = replace(hold, reason=str(int(hold.reason) + 1))
                change = Change(holds={"counted": more}, audit=(samples.entry(more.reason),))
                try:
                    written = await store.write(change, expected=state.revision)
                except StaleRevision:
                    continue
                assert written.holds["counted"] == more
                revisions.append(written.revision)
                break

    async with stage.again() as other:
        await asyncio.gather(*(count((stage.store, other)[n % 2]) for n in range(writers)))

    total = writers * each
    assert sorted(revisions) == list(range(1, total + 1))
    assert (await stage.store.read()).holds["counted"].reason == str(total)
    actions = [record.entry.action for record in await stage.store.entries(limit=1000)]
    assert actions == [str(n) for n in range(total, 0, -1)]


async def test_a_read_is_of_one_revision(stage: Stage) -> None:
    """Every part of the state says the revision that it was written in."""
    writes = 40

    async def write(store: Store) -> None:
        for revision in range(1, writes + 1):
            change = Change(
                engines={"damage": samples.engine_state(f"r{revision}", step=revision)},
                table=samples.table(revision),
                holds={"triton-0": Hold(HoldKind.DRAINED, str(revision))},
            )
            await store.write(change, expected=revision - 1)

    async with stage.again() as other:
        writing = asyncio.create_task(write(other))
        seen = []
        while not writing.done():
            state = await stage.store.read()
            if state.revision:
                rollout = state.engines["damage"].rollout
                assert rollout is not None
                parts = {state.revision, state.table.revision, rollout.step}
                parts.add(int(state.holds["triton-0"].reason))
                assert len(parts) == 1
            seen.append(state.revision)
            await asyncio.sleep(0)
        await writing
    assert seen == sorted(seen)
    assert await stage.store.revision() == writes


async def test_who_hands_in_a_mapping_may_change_it_afterwards(store: Store) -> None:
    holds: dict[str, Hold | None] = {"triton-0": DRAINED}
    after = {"x": [1]}
    change = Change(holds=holds, audit=(replace(samples.entry(), after=after),))
    await store.write(change, expected=0)

    holds["triton-1"] = DRAINED
    after["x"].append(2)

    assert (await store.read()).holds == {"triton-0": DRAINED}
    assert (await store.entries())[0].entry.after == {"x": [1]}
