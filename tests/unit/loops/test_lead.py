"""Leading: when a plane leads, when it stops, and that nobody waits longer than has to be."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane.adapters.stores import MemoryStore
from control_plane.core.state import Lease
from control_plane.loops.lead import Duty, Lead
from control_plane.ports import Fenced, StoreUnavailable
from tests.unit.virtual_time import run_virtually

TTL_S = 4.0


class LoopClock:
    """The virtual time of the running loop."""

    def now_s(self) -> float:
        return asyncio.get_running_loop().time()


class Work:
    """A duty that says when it runs. ends: what it raises, at a moment."""

    def __init__(self, *, ends: Exception | None = None, after_s: float = 0.0) -> None:
        self.epochs: list[int] = []
        self.spans: list[tuple[float, float]] = []
        self.ends = ends
        self.after_s = after_s

    async def run(self, epoch: int) -> None:
        began_s = LoopClock().now_s()
        self.epochs.append(epoch)
        try:
            if self.ends is not None:
                await asyncio.sleep(self.after_s)
                raise self.ends
            await asyncio.Event().wait()
        finally:
            self.spans.append((began_s, LoopClock().now_s()))


class Store(MemoryStore):
    """Can be away, or answer late."""

    def __init__(self) -> None:
        super().__init__(LoopClock().now_s)
        self.is_away = False
        self.takes_s = 0.0
        self.refuses_s = 0.0

    async def acquire(self, holder: str, *, ttl_s: float) -> Lease | None:
        if self.is_away:
            await asyncio.sleep(self.refuses_s)
            raise StoreUnavailable("connection refused")
        lease = await super().acquire(holder, ttl_s=ttl_s)
        await asyncio.sleep(self.takes_s)
        return lease


def lead(store: MemoryStore, duty: Duty, plane: str = "a") -> Lead:
    return Lead(plane, leases=store, duties=[duty], ttl_s=TTL_S, clock=LoopClock())


def virtually(story: Callable[[], Coroutine[Any, Any, None]]) -> None:
    run_virtually(story())


async def stopped(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_it_leads_as_long_as_it_renews_and_gives_the_lease_back_at_the_end() -> None:
    async def story() -> None:
        store, work = Store(), Work()
        leads = lead(store, work)
        running = asyncio.create_task(leads.run())
        await asyncio.sleep(10 * TTL_S)
        assert leads.is_leading
        assert leads.held is not None
        assert (leads.held[0].epoch, leads.held[1]) == (work.epochs[0], 0.0)
        await stopped(running)
        assert work.spans == [(0.0, 10 * TTL_S)]
        assert not leads.is_leading
        assert leads.held is None
        assert await store.acquire("b", ttl_s=TTL_S) is not None

    virtually(story)


def test_of_two_one_leads_and_the_other_follows_when_it_is_gone() -> None:
    async def story() -> None:
        store, first, second = Store(), Work(), Work()
        a = asyncio.create_task(lead(store, first, "a").run())
        await asyncio.sleep(0.1)
        b = asyncio.create_task(lead(store, second, "b").run())
        await asyncio.sleep(5 * TTL_S)
        assert second.epochs == []
        await stopped(a)
        await asyncio.sleep(TTL_S / 2)
        assert second.epochs == [first.epochs[0] + 1]
        await stopped(b)

    virtually(story)


def test_one_that_cannot_renew_has_stopped_before_another_may_begin() -> None:
    async def story() -> None:
        store, work = Store(), Work()
        running = asyncio.create_task(lead(store, work).run())
        await asyncio.sleep(TTL_S)
        store.is_away = True
        await asyncio.sleep(3 * TTL_S)
        ((began_s, ended_s),) = work.spans
        assert began_s == 0.0
        # The last renewal was made at TTL_S at the latest.
        assert ended_s < 2 * TTL_S
        store.is_away = False
        await asyncio.sleep(TTL_S)
        assert len(work.epochs) == 2
        await stopped(running)

    virtually(story)


def test_a_store_that_hangs_is_not_waited_for_longer_than_the_lease_lasts() -> None:
    async def story() -> None:
        store, work = Store(), Work()
        running = asyncio.create_task(lead(store, work).run())
        await asyncio.sleep(0.1)
        store.takes_s = 100 * TTL_S
        await asyncio.sleep(2 * TTL_S)
        assert work.spans == [(0.0, 0.75 * TTL_S)]
        await stopped(running)

    virtually(story)


def test_no_pause_between_two_renewals_outlasts_the_time_that_is_led_by() -> None:
    async def story() -> None:
        store, work = Store(), Work()
        running = asyncio.create_task(lead(store, work).run())
        await asyncio.sleep(0.1)
        store.is_away, store.refuses_s = True, 0.45 * TTL_S / 4
        await asyncio.sleep(2 * TTL_S)
        assert work.spans == [(0.0, 0.75 * TTL_S)]
        await stopped(running)

    virtually(story)


@pytest.mark.parametrize("other", ["b", "a"])
def test_a_lease_that_was_lost_meanwhile_ends_the_leading(other: str) -> None:
    async def story() -> None:
        store, work = Store(), Work()
        running = asyncio.create_task(lead(store, work).run())
        await asyncio.sleep(0.1)
        lease = await store.acquire("a", ttl_s=TTL_S)
        assert lease is not None
        await store.release(lease)
        await store.acquire(other, ttl_s=TTL_S)
        await asyncio.sleep(TTL_S / 2)
        assert len(work.spans) == 1
        await stopped(running)

    virtually(story)


def test_a_duty_that_is_fenced_ends_the_leading_and_not_the_process() -> None:
    async def story() -> None:
        store, work = Store(), Work(ends=Fenced("another one leads"), after_s=1.0)
        running = asyncio.create_task(lead(store, work).run())
        await asyncio.sleep(1.5)
        assert not running.done()
        assert work.spans == [(0.0, 1.0)]
        await asyncio.sleep(TTL_S)
        assert len(work.epochs) >= 2
        await stopped(running)

    virtually(story)


def test_why_it_leads_no_more_is_said_in_the_words_of_the_cause() -> None:
    cause = ExceptionGroup("a loop of loops", [Fenced("another one leads")])

    async def story() -> None:
        running = asyncio.create_task(lead(Store(), Work(ends=cause, after_s=1.0)).run())
        with capture_logs() as logs:
            await asyncio.sleep(1.5)
        (told,) = (one for one in logs if one["event"] == "leading no more")
        assert told["reason"] == "another one leads"
        await stopped(running)

    virtually(story)


def test_any_other_error_of_a_duty_is_a_bug_and_ends_it_all() -> None:
    async def story() -> None:
        running = asyncio.create_task(lead(Store(), Work(ends=KeyError("a bug"))).run())
        with pytest.RaisesGroup(KeyError):
            await running

    virtually(story)
