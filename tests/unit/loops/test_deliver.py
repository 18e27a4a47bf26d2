"""The loop that sends results: side by side, so many at most, and not in vain."""

from __future__ import annotations

import asyncio
from random import Random

from control_plane.loops.deliver import DeliverLoop
from tests.unit.services.jobs.site import UNSENT, Site, submission
from tests.unit.virtual_time import run_virtually


async def finished(site: Site, number: int) -> None:
    for _ in range(number):
        await site.intake().submit(submission())
    await site.work(wait_s=0.0)


def start(site: Site, *, concurrency: int = 4) -> asyncio.Task[None]:
    loop = DeliverLoop(site.delivering(), rng=Random(5), concurrency=concurrency)
    return asyncio.create_task(loop.run())


async def stop(*tasks: asyncio.Task[None]) -> None:
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


def test_all_results_arrive_so_many_at_once_at_most() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        await finished(site, 30)
        site.sink.takes_s = 2.0
        task = start(site)
        await asyncio.sleep(1.5)
        assert site.sink.sends == 4
        await asyncio.sleep(20.0)
        assert (site.sink.sends, len(site.sink.received)) == (30, 30)
        await stop(task)

    run_virtually(main())


def test_two_deliverers_share_the_work() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        await finished(site, 20)
        site.sink.takes_s = 1.0
        tasks = start(site), start(site)
        await asyncio.sleep(10.0)
        assert (site.sink.sends, len(site.sink.received)) == (20, 20)
        await stop(*tasks)

    run_virtually(main())


def test_one_that_is_put_off_does_not_hold_up_the_others() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        site.sink.answers = [UNSENT]
        await finished(site, 3)
        task = start(site, concurrency=1)
        await asyncio.sleep(2.0)
        assert len(site.sink.received) == 3
        await asyncio.sleep(10.0)
        assert site.sink.sends == 4
        await stop(task)

    run_virtually(main())


def test_while_the_store_is_away_it_is_asked_more_and_more_seldom() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        await finished(site, 1)
        site.store.faults.is_away = True
        site.store.faults.calls = 0
        task = start(site)
        await asyncio.sleep(60.0)
        assert 5 < site.store.faults.calls < 20
        site.store.faults.is_away = False
        await asyncio.sleep(11.0)
        assert len(site.sink.received) == 1
        await stop(task)

    run_virtually(main())


def test_what_was_cut_on_its_way_is_sent_again_by_the_next() -> None:
    async def main() -> None:
        site = Site(is_sent=True)
        await finished(site, 1)
        site.sink.takes_s = 5.0
        first = start(site)
        await asyncio.sleep(2.0)
        await stop(first)
        next_one = start(site)
        await asyncio.sleep(60.0)
        assert site.sink.sends == 2
        assert [len(bodies) for bodies in site.sink.received.values()] == [1]
        await stop(next_one)

    run_virtually(main())
