"""Whatever another service puts on RabbitMQ, by hand and without any header, a person finds it."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aio_pika

from control_plane.core.jobs import DeadReason, Job
from control_plane.errors import ErrorCode
from tests.integration.queue_faults.assembly import Place, opened
from tests.integration.queue_faults.checking import all_jobs
from tests.integration.queue_faults.processes import supervised
from tests.integration.queue_faults.programs import work
from tests.integration.queue_faults.stage import Backend, Servers, staged

MALFORMED = (
    b"",
    b"{",
    b"null",
    b'{"photo_url": "file:///a.jpg"',
    b'{"photo_url": 5}',
    b'{"photo_url": "file:///a.jpg", "detection_types": ["no such engine"]}',
    b'{"job_id": "not a uuid"}',
    b"\xff\xfe\x00\x01",
)
TOO_LARGE = b'{"photo_url": "file:///' + b"a" * 100_000 + b'"}'
GOOD = b'{"photo_url": "file:///a.jpg", "detection_types": ["damage"], "correlation_id": "plain.1"}'
PATIENCE_S = 60


def test_malformed_messages_are_dead_letters_and_hold_up_nobody(
    servers: Servers, tmp_path: Path
) -> None:
    bodies = (*MALFORMED, TOO_LARGE, GOOD)
    with (
        staged(Backend.RABBITMQ, servers, tmp_path / "run") as stage,
        supervised(work, then=(stage.place,)) as worker,
    ):
        jobs = asyncio.run(_put_and_wait(stage.place, bodies))
    dead = [job for job in jobs if job.dead is not None]
    assert worker.failures == []
    assert worker.deaths == 0
    assert len(jobs) == len(bodies)
    assert len(dead) == len(bodies) - 1
    assert {job.dead for job in dead} == {DeadReason.UNPROCESSABLE}
    assert {job.error.code for job in dead if job.error is not None} == {
        ErrorCode.INVALID_ARGUMENT,
        ErrorCode.MESSAGE_TOO_LARGE,
    }
    assert sorted(job.raw for job in dead if job.raw is not None) == sorted(
        body[: 64 * 1024].decode("utf-8", "replace") for body in (*MALFORMED, TOO_LARGE)
    )


async def _put_and_wait(place: Place, bodies: tuple[bytes, ...]) -> list[Job]:
    """The jobs that are made of these, once all are over."""
    async with opened(place) as parts:
        # The worker makes exchange and queues when it comes.
        await parts.queue.depths()
        async with await aio_pika.connect(place.queue_url) as connection:
            channel = await connection.channel(publisher_confirms=True)
            exchange = await channel.get_exchange(place.prefix, ensure=True)
            for body in bodies:
                await exchange.publish(aio_pika.Message(body), "normal", mandatory=True)
        async with asyncio.timeout(PATIENCE_S):
            while True:
                found = [job async for job in all_jobs(parts.jobs)]
                if len(found) >= len(bodies) and all(job.is_finished for job in found):
                    return [job for one in found if (job := await parts.jobs.get(one.job_id))]
                await asyncio.sleep(0.1)
