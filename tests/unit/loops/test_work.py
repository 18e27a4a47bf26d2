"""The loop that takes messages: as many as there is room for, and none while it is in vain."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from dataclasses import replace
from random import Random

from control_plane.core.detections import DetectionStatus, EngineFailure, Priority
from control_plane.core.jobs import Drain, DrainOptions
from control_plane.errors import ErrorCode
from control_plane.loops.work import WorkLoop, WorkOptions
from control_plane.services.jobs.attempt import Attempts
from tests.unit.services.jobs.site import Clock, Site, submission
from tests.unit.virtual_time import run_virtually


class Room:
    def __init__(self, **rooms: int) -> None:
        self.rooms = {one: rooms.get(one.value, 100) for one in Priority}

    def __call__(self, priority: Priority) -> int:
        return self.rooms[priority]

    def set(self, number: int) -> None:
        self.rooms = dict.fromkeys(Priority, number)


class Slow:
    """Photos that take 5 s each."""

    def check(self, url: str) -> None: ...

    async def fetch(self, url: str) -> bytes:
        await asyncio.sleep(5.0)
        return b"photo"


def loop_of(
    site: Site,
    *,
    room: Room | None = None,
    attempts: Attempts | None = None,
    unserved: Callable[[], Sequence[str] | None] = lambda: None,
    **options: float,
) -> WorkLoop:
    return WorkLoop(
        attempts or site.worker(),
        queue=site.queue,
        upkeep=site.store,
        drain=Drain(DrainOptions()),
        room=room or Room(),
        clock=Clock(),
        rng=Random(3),
        options=WorkOptions(**options),  # type: ignore[arg-type]
        unserved=unserved,
    )


@asynccontextmanager
async def running(loop: WorkLoop) -> AsyncIterator[asyncio.Task[None]]:
    task = asyncio.create_task(loop.run())
    try:
        yield task
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def submit(site: Site, number: int, priority: Priority = Priority.NORMAL) -> None:
    for _ in range(number):
        await site.intake().submit(submission(priority=priority))


def started(site: Site) -> dict[Priority, int]:
    asked = [request.priority for request in site.detection.requests]
    return {one: asked.count(one) for one in Priority}


async def done(site: Site) -> int:
    return sum(job.state is DetectionStatus.COMPLETED for job in await site.all_jobs())


def test_no_more_is_in_hand_than_may_be() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        await submit(site, 20)
        loop = loop_of(site, concurrency=3)
        async with running(loop):
            await asyncio.sleep(9.0)
            assert (loop.in_hand, len(site.detection.requests)) == (3, 3)
            assert sum((await site.messages.depths()).values()) == 17
            await asyncio.sleep(10.0)
            assert (loop.in_hand, len(site.detection.requests)) == (3, 6)

    run_virtually(main())


def test_what_the_fleet_has_no_room_for_stays_in_the_queue() -> None:
    async def main() -> None:
        site, room = Site(), Room()
        await submit(site, 5)
        room.set(0)
        async with running(loop_of(site, room=room)):
            await asyncio.sleep(60.0)
            assert sum((await site.messages.depths()).values()) == 5
            room.set(1)
            await asyncio.sleep(1.0)
            assert await done(site) == 5

    run_virtually(main())


def test_what_is_in_hand_and_on_its_way_to_the_fleet_has_its_room_there() -> None:
    async def main() -> None:
        site, room = Site(), Room()
        room.set(2)
        attempts = site.worker()
        attempts._finding = replace(attempts._finding, photos=Slow())
        await submit(site, 6)
        loop = loop_of(site, room=room, attempts=attempts)
        async with running(loop):
            await asyncio.sleep(4.0)
            assert loop.in_hand == 2

    run_virtually(main())


def test_priorities_have_their_shares_and_none_starves() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 1.0
        for priority in Priority:
            await submit(site, 60, priority)
        async with running(loop_of(site, concurrency=1)):
            await asyncio.sleep(60.0)
            shares = started(site)
            assert shares[Priority.HIGH] > 2 * shares[Priority.NORMAL]
            assert shares[Priority.NORMAL] > 2 * shares[Priority.LOW] > 0

    run_virtually(main())


def test_a_priority_without_room_is_not_asked_for_while_another_has_some() -> None:
    async def main() -> None:
        site = Site()
        await submit(site, 3, Priority.HIGH)
        async with running(loop_of(site, room=Room(high=1, normal=0, low=0))):
            await asyncio.sleep(5.0)
            assert await done(site) == 3

    run_virtually(main())


def test_a_priority_without_room_does_not_come_in_the_place_of_another() -> None:
    async def main() -> None:
        site, room = Site(), Room(high=5, normal=5, low=0)
        await submit(site, 3, Priority.LOW)
        async with running(loop_of(site, room=room)):
            await asyncio.sleep(60.0)
            assert site.detection.requests == []
            # Nor does it wait for others when there is room again.
            room.set(1)
            await asyncio.sleep(0.5)
            assert await done(site) == 3

    run_virtually(main())


def test_no_more_come_in_the_place_of_others_than_have_room() -> None:
    async def main() -> None:
        site = Site()
        attempts = site.worker()
        attempts._finding = replace(attempts._finding, photos=Slow())
        await submit(site, 6, Priority.LOW)
        loop = loop_of(site, room=Room(high=8, normal=8, low=2), attempts=attempts)
        async with running(loop):
            await asyncio.sleep(4.0)
            assert loop.in_hand == 2

    run_virtually(main())


def test_a_full_fleet_is_asked_more_and_more_seldom() -> None:
    async def main() -> None:
        site = Site()
        full = EngineFailure(ErrorCode.OVERLOADED, "no room")
        site.detection.failures = {"damage": [full] * 10_000, "volume": [full] * 10_000}
        await submit(site, 100)
        async with running(loop_of(site, concurrency=1)):
            await asyncio.sleep(60.0)
            assert 5 < len(site.detection.requests) < 40
            site.detection.failures = {}
            await asyncio.sleep(30.0)
            assert await done(site) == 100

    run_virtually(main())


def test_while_the_queue_or_the_store_is_away_the_loop_waits_and_goes_on_after() -> None:
    async def main() -> None:
        site = Site()
        await submit(site, 3)
        for faults in (site.queue.faults, site.store.faults):
            faults.is_away = True
            faults.calls = 0
            async with running(loop_of(site)):
                await asyncio.sleep(60.0)
                assert 5 < faults.calls < 40
            faults.is_away = False
        async with running(loop_of(site)):
            await asyncio.sleep(1.0)
            assert await done(site) == 3

    run_virtually(main())


def test_with_the_store_away_in_the_middle_no_job_is_lost_and_the_queue_is_left_alone() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 0.5
        await submit(site, 20)
        async with running(loop_of(site, concurrency=2)):
            await asyncio.sleep(1.2)
            site.store.faults.is_away = True
            site.queue.faults.calls = 0
            await asyncio.sleep(60.0)
            assert site.queue.faults.calls < 20
            site.store.faults.is_away = False
            await asyncio.sleep(100.0)
        assert await done(site) == 20

    run_virtually(main())


def test_how_old_jobs_are_is_asked_every_few_seconds_at_most() -> None:
    async def main() -> None:
        site = Site()
        asked = 0
        figures = site.store.figures

        async def counted():  # type: ignore[no-untyped-def]
            nonlocal asked
            asked += 1
            return await figures()

        await submit(site, 300)
        site.store.figures = counted  # type: ignore[method-assign]
        site.detection.takes_s = 0.1
        async with running(loop_of(site, concurrency=1)):
            await asyncio.sleep(20.5)
        assert 4 <= asked <= 5

    run_virtually(main())


def test_an_oddity_of_a_round_does_not_end_the_work() -> None:
    async def main() -> None:
        site = Site()
        await submit(site, 1)
        site.queue.faults.error = lambda: RuntimeError("a bug")
        site.queue.faults.fails_at = (site.queue.faults.calls + 1, False)
        async with running(loop_of(site)):
            await asyncio.sleep(5.0)
        assert await done(site) == 1

    run_virtually(main())


def test_told_to_stop_it_finishes_what_it_can_and_gives_back_the_rest() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        await submit(site, 4)
        loop = loop_of(site, concurrency=2)
        task = asyncio.create_task(loop.run())
        await asyncio.sleep(5.0)
        await loop.announce_stop()
        await loop.stop(6.0)
        await task
        assert (await done(site), asyncio.get_running_loop().time()) == (2, 10.0)

        again = loop_of(site, concurrency=2)
        task = asyncio.create_task(again.run())
        await asyncio.sleep(5.0)
        await again.stop(1.0)
        await task
        await again.run()  # it does not begin anew
        assert await done(site) == 2
        assert sum((await site.messages.depths()).values()) == 2
        assert all(job.attempts == 0 for job in await site.all_jobs() if not job.is_finished)

    run_virtually(main())


def test_told_again_to_stop_it_does_not_wait() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        await submit(site, 1)
        loop = loop_of(site)
        async with running(loop):
            await asyncio.sleep(1.0)
            gently = asyncio.create_task(loop.stop(100.0))
            await asyncio.sleep(1.0)
            await loop.stop(0.0)
            await gently
        assert asyncio.get_running_loop().time() == 2.0
        assert sum((await site.messages.depths()).values()) == 1

    run_virtually(main())


def test_cancelled_it_gives_back_what_it_has() -> None:
    async def main() -> None:
        site = Site()
        site.detection.takes_s = 10.0
        await submit(site, 2)
        async with running(loop_of(site)):
            await asyncio.sleep(1.0)
        assert sum((await site.messages.depths()).values()) == 2
        assert {job.state for job in await site.all_jobs()} == {DetectionStatus.QUEUED}

    run_virtually(main())
