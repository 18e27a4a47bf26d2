"""Jobs over RabbitMQ: our own, those of other services, and whatever else is put there."""

from __future__ import annotations

import asyncio
import json
import time
import uuid
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import aio_pika
import pytest

from tests.integration.jobs.asking import accepted, finished, submit
from tests.integration.jobs.settings import HURRIED
from tests.integration.photos import photo_of, small_photo
from tests.integration.repositories import copy_engines
from tests.integration.running import RunningTidegate, options_of, wait_until
from tests.servers.rabbitmq import RabbitmqServer

pytestmark = pytest.mark.triton

JOBS = 12
AT_ONCE_S = 4.5  # less than the queue is given for an answer
# What no service should put there, and the code of its dead letter.
UNFIT = (
    (b"{", "invalid_argument"),
    (b"[]", "invalid_argument"),
    (b"\xff\xfe", "invalid_argument"),
    (b'{"photo_url": "file:///etc/passwd"}', "photo_forbidden"),
    (b'{"photo_url": "https://127.0.0.1/a.jpg"}', "photo_forbidden"),
    (b'{"detection_types": ["tarot"], "photo_url": "s3://a/b"}', "invalid_argument"),
    (b'{"photo_url": "s3://a/b", "deadline": "0001-01-01T00:00:00+14:00"}', "invalid_argument"),
    (b'{"job_id": "x"}', "invalid_argument"),
    (b"x" * 200_000, "message_too_large"),
)


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def on_rabbitmq(
    tmp_path_factory: pytest.TempPathFactory, rabbitmq: RabbitmqServer, photos: Path
) -> Iterator[RunningTidegate]:
    folder = tmp_path_factory.mktemp("rabbitmq")
    running = RunningTidegate(
        folder,
        copy_engines(folder / "models", "damage"),
        1,
        options_of(
            {
                **HURRIED,
                "photos.allowed_roots": [str(photos)],
                "queue.kind": "rabbitmq",
                "queue.url": rabbitmq.url(),
                "queue.prefix": rabbitmq.new_prefix(),
            }
        ),
    )
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def put_on_broker(
    tidegate: RunningTidegate, rabbitmq: RabbitmqServer, bodies: list[bytes], message_id: str = ""
) -> None:
    """As another service would, which knows nothing but RabbitMQ."""

    async def put() -> None:
        async with await aio_pika.connect(rabbitmq.url()) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(tidegate.settings["TIDEGATE_QUEUE__PREFIX"])
            for body in bodies:
                sent_id = message_id or str(uuid.uuid4())
                message = aio_pika.Message(body, message_id=sent_id, delivery_mode=2)
                await exchange.publish(message, routing_key="high")

    asyncio.run(put())


def wait_empty(tidegate: RunningTidegate) -> None:
    """Until nothing waits, in the queue or in the store, and nobody works on anything."""

    def is_empty() -> bool:
        figures = tidegate.get("/api/v1/jobs/figures")
        depths = figures["queue"]
        return depths is not None and not any((*depths.values(), *figures["states"].values()))

    wait_until(is_empty, timeout_s=60, what="the queue is empty")


@contextmanager
def away(rabbitmq: RabbitmqServer) -> Iterator[None]:
    """Nobody else who shares it finds it gone afterwards."""
    rabbitmq.kill()
    try:
        yield
    finally:
        rabbitmq.start()


def test_over_a_broker(on_rabbitmq: RunningTidegate) -> None:
    ids = [accepted(submit(on_rabbitmq, small_photo(), priority="low")) for _ in range(JOBS)]
    assert {finished(on_rabbitmq, one)["status"] for one in ids} == {"completed"}


def test_what_another_service_puts_on_the_broker(
    on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer, photos: Path
) -> None:
    place = photos / "roof.jpg"
    place.write_bytes(photo_of("damage"))
    correlation_id = f"batch-{uuid.uuid4()}"
    asked = {
        "photo_url": place.as_uri(),
        "detection_types": ["damage"],
        "correlation_id": correlation_id,
    }
    put_on_broker(on_rabbitmq, rabbitmq, [json.dumps(asked).encode()] * 3, str(uuid.uuid4()))

    def found() -> list[dict[str, Any]]:
        jobs: list[dict[str, Any]] = on_rabbitmq.get(
            f"/api/v1/jobs?correlation_id={correlation_id}"
        )["jobs"]
        return jobs

    wait_until(found, what="the message is taken in")
    wait_empty(on_rabbitmq)
    (job,) = found()
    assert (job["state"], job["priority"], job["attempts"]) == ("completed", "high", 1)
    assert finished(on_rabbitmq, job["id"])["results"]["damage"]["detections"]


def test_what_no_service_should_put_there(
    on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer
) -> None:
    def dead() -> dict[str, dict[str, Any]]:
        jobs = on_rabbitmq.get("/api/v1/jobs?dead=unprocessable&limit=100")["jobs"]
        return {job["id"]: job for job in jobs}

    before = dead()
    put_on_broker(on_rabbitmq, rabbitmq, [body for body, _ in UNFIT])
    wait_until(lambda: len(dead()) >= len(before) + len(UNFIT), what="all are dead letters")
    new = [job for job_id, job in dead().items() if job_id not in before]
    assert Counter(job["error"]["code"] for job in new) == Counter(code for _, code in UNFIT)
    assert finished(on_rabbitmq, accepted(submit(on_rabbitmq, small_photo())))["results"]


def health(tidegate: RunningTidegate) -> tuple[str, bool]:
    """The word, and whether the queue is away."""
    found = tidegate.get("/api/v1/orchestrator/health")
    return found["status"], found["queue"]["is_away"]


def test_a_broker_that_is_away(on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer) -> None:
    correlation_id = f"away-{uuid.uuid4()}"
    headers = {"idempotency-key": str(uuid.uuid4()), "x-correlation-id": correlation_id}
    with away(rabbitmq):
        refused = submit(on_rabbitmq, small_photo(), headers=headers)
        assert refused.status_code == 503
        assert refused.json()["code"] == "queue_unavailable"
        wait_until(lambda: health(on_rabbitmq) == ("degraded", True), what="health says it")
        began_s = time.monotonic()
        assert on_rabbitmq.get("/api/v1/jobs/figures")["queue"] is None
        assert time.monotonic() - began_s < AT_ONCE_S

    def repeated() -> str | None:
        again = submit(on_rabbitmq, small_photo(), headers=headers)
        return accepted(again) if again.status_code == 202 else None

    request_id = wait_until(repeated, timeout_s=60, what="it is accepted")
    assert request_id is not None
    assert finished(on_rabbitmq, request_id)["status"] == "completed"
    wait_until(lambda: health(on_rabbitmq) == ("ok", False), timeout_s=60, what="all is well")
    kept = on_rabbitmq.get(f"/api/v1/jobs?correlation_id={correlation_id}")["jobs"]
    assert [one["id"] for one in kept] == [request_id]
