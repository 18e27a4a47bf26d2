"""The lease: one holder, by the store's clock, and no write by who has lost it."""

from __future__ import annotations

import asyncio

import pytest

from control_plane.core.state import Change, State
from control_plane.ports import Fenced
from tests.contract.stores import samples
from tests.contract.stores.conftest import Stage, Store

LONG_S = 1000.0


async def test_one_holds_it_and_renews_it_under_its_epoch(store: Store) -> None:
    first = await store.acquire("a", ttl_s=LONG_S)
    assert first is not None
    assert (first.holder, first.epoch, first.expires_in_s) == ("a", 1, LONG_S)

    assert await store.acquire("b", ttl_s=LONG_S) is None
    assert await store.acquire("a", ttl_s=LONG_S) == first
    assert await store.acquire("b", ttl_s=LONG_S) is None


async def test_one_of_many_gets_it(stage: Stage) -> None:
    async with stage.again() as other:
        taken = await asyncio.gather(
            *((stage.store, other)[n % 2].acquire(f"p{n}", ttl_s=LONG_S) for n in range(8))
        )

    (lease,) = [one for one in taken if one is not None]
    assert lease.epoch == 1


async def test_an_expired_one_is_taken_over_under_a_greater_epoch(stage: Stage) -> None:
    first = await stage.store.acquire("a", ttl_s=stage.ttl_s)
    assert first is not None

    second = await stage.once(lambda: stage.store.acquire("b", ttl_s=LONG_S))

    assert (second.holder, second.epoch) == ("b", 2)
    assert await stage.store.acquire("a", ttl_s=LONG_S) is None


async def test_a_renewed_one_does_not_expire(stage: Stage) -> None:
    await stage.store.acquire("a", ttl_s=stage.ttl_s)
    await stage.store.acquire("a", ttl_s=LONG_S)

    async def is_taken_or_over() -> bool:
        assert await stage.store.acquire("b", ttl_s=LONG_S) is None
        # A report of the same time to live shows that it would be over by now.
        return not await stage.store.reports()

    await stage.store.report(samples.report("clock"), ttl_s=stage.ttl_s)
    await stage.once(is_taken_or_over)


async def test_who_comes_back_after_its_time_has_a_new_epoch(stage: Stage) -> None:
    first = await stage.store.acquire("a", ttl_s=stage.ttl_s)
    assert first is not None

    async def is_over() -> bool:
        try:
            state = await stage.store.read()
            await stage.store.write(Change(), expected=state.revision, epoch=first.epoch)
        except Fenced:
            return True
        return False

    await stage.once(is_over)
    again = await stage.store.acquire("a", ttl_s=LONG_S)

    assert again is not None
    assert again.epoch == 2


async def test_one_that_was_given_back_is_free_at_once(store: Store) -> None:
    first = await store.acquire("a", ttl_s=LONG_S)
    assert first is not None
    await store.release(first)

    with pytest.raises(Fenced):
        await store.write(Change(), expected=0, epoch=first.epoch)
    second = await store.acquire("b", ttl_s=LONG_S)
    assert second is not None
    assert second.epoch == 2
    # What was lost cannot be given back any more.
    await store.release(first)
    assert await store.acquire("a", ttl_s=LONG_S) is None


async def test_the_leader_writes_with_its_epoch(store: Store) -> None:
    lease = await store.acquire("a", ttl_s=LONG_S)
    assert lease is not None

    written = await store.write(Change(), expected=0, epoch=lease.epoch)

    assert written == State(revision=1)


@pytest.mark.parametrize("epoch", [0, 1, 2])
async def test_an_epoch_that_nobody_holds_writes_nothing(store: Store, epoch: int) -> None:
    with pytest.raises(Fenced):
        await store.write(Change(audit=(samples.entry(),)), expected=0, epoch=epoch)

    assert await store.read() == State()
    assert await store.entries() == ()


async def test_a_leader_whose_time_is_over_is_refused(stage: Stage) -> None:
    """Nothing of it is written, though nobody has changed the state since it was read."""
    old = await stage.store.acquire("a", ttl_s=stage.ttl_s)
    assert old is not None
    change = Change({"damage": samples.engine_state()}, samples.table(), audit=(samples.entry(),))

    async with stage.again() as other:
        new = await stage.once(lambda: other.acquire("b", ttl_s=LONG_S))
        with pytest.raises(Fenced):
            await stage.store.write(change, expected=0, epoch=old.epoch)
        assert await other.read() == State()
        assert (await other.rollouts(), await other.entries()) == ((), ())

        assert (await other.write(change, expected=0, epoch=new.epoch)).revision == 1
        # To be told of the lease matters more than to be told of the revision.
        with pytest.raises(Fenced):
            await stage.store.write(change, expected=0, epoch=old.epoch)
        # What a person says needs no lease.
        assert (await stage.store.write(Change(), expected=1)).revision == 2


async def test_reports_count_until_their_time_is_over(stage: Stage) -> None:
    store = stage.store
    await store.report(samples.report("b"), ttl_s=LONG_S)
    await store.report(samples.report("a"), ttl_s=LONG_S)
    await store.report(samples.report("c"), ttl_s=stage.ttl_s)
    assert await store.reports() == tuple(map(samples.report, "abc"))

    await store.report(samples.report("a", revision=9), ttl_s=LONG_S)

    async def c_is_gone() -> bool:
        return len(await store.reports()) == 2

    await stage.once(c_is_gone)
    assert await store.reports() == (samples.report("a", revision=9), samples.report("b"))
    await store.report(samples.report("b"), ttl_s=LONG_S)
    assert await store.reports() == (samples.report("a", revision=9), samples.report("b"))
