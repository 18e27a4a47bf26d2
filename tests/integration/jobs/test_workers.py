"""Jobs outlive who accepted them and who works on them: real processes, killed and stopped."""

from __future__ import annotations

import asyncio
import json
import signal
import uuid
from collections.abc import Iterator
from pathlib import Path

import aio_pika
import pytest

from tests.integration.jobs.asking import accepted, act, finished, job_of, submit
from tests.integration.jobs.receiving import SECRET, Receiver, receiving
from tests.integration.jobs.working import worker_of
from tests.integration.photos import photo_of, small_photo
from tests.integration.repositories import copy_engines
from tests.integration.running import RunningTidegate, options_of, wait_until
from tests.servers.rabbitmq import RabbitmqServer

pytestmark = pytest.mark.triton

SETTINGS = {
    "requests.timeout_s": 40,
    "requests.engine_timeout_s": 30,
    "fleet.observe_timeout_s": 5,
    "cache.kind": "off",
    "jobs.claim_s": 3,
    "queue.lease_s": 3,
    "photos.max_bytes": 2_000_000,
}
JOBS = 12


@pytest.fixture(scope="module")
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


@pytest.fixture(scope="module")
def photos(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("photos")


@pytest.fixture(scope="module")
def small(
    tmp_path_factory: pytest.TempPathFactory, receiver: Receiver, photos: Path
) -> Iterator[RunningTidegate]:
    """One Triton, one engine, and nobody here who works on jobs."""
    folder = tmp_path_factory.mktemp("jobs")
    running = RunningTidegate(
        folder,
        copy_engines(folder / "models", "damage"),
        1,
        options_of(
            {
                **SETTINGS,
                "jobs.work_here": False,
                "photos.allowed_roots": [str(photos)],
                "results.webhook_url": receiver.url,
                "results.webhook_secret": SECRET,
                "results.first_retry_s": 0.2,
            }
        ),
    )
    running.start()
    try:
        running.wait_ready()
        yield running
    finally:
        running.stop()


def test_a_job_waits_for_a_worker(small: RunningTidegate) -> None:
    request_id = accepted(submit(small, small_photo()))
    assert job_of(small, request_id)["state"] == "queued"
    with worker_of(small) as worker:
        assert finished(small, request_id)["status"] == "completed"
        worker.stop()


def test_what_a_killed_worker_had_in_hand_is_done_by_another(small: RunningTidegate) -> None:
    with worker_of(small, "first") as first, worker_of(small, "second") as second:
        ids = [accepted(submit(small, photo_of("damage"))) for _ in range(JOBS)]
        wait_until(
            lambda: any(job_of(small, one)["state"] != "queued" for one in ids), what="it began"
        )
        first.kill()
        assert {finished(small, one)["status"] for one in ids} == {"completed"}
        second.stop()


def test_what_was_accepted_outlives_the_control_plane(small: RunningTidegate) -> None:
    ids = [accepted(submit(small, small_photo())) for _ in range(JOBS)]
    small.remember_family()
    small.process.send_signal(signal.SIGKILL)
    small.process.wait()
    wait_until(lambda: not small.leftovers(), timeout_s=60, what="the guardian stopped the Triton")
    small.start()
    small.wait_ready()
    with worker_of(small, "third") as worker:
        assert {finished(small, one)["status"] for one in ids} == {"completed"}
        worker.stop()


def test_a_worker_that_is_told_to_stop_loses_nothing(small: RunningTidegate) -> None:
    with worker_of(small, "fourth") as worker:
        ids = [accepted(submit(small, photo_of("damage"))) for _ in range(JOBS)]
        worker.stop()
    with worker_of(small, "fifth") as worker:
        assert {finished(small, one)["status"] for one in ids} == {"completed"}
        attempts = {job_of(small, one)["attempts"] for one in ids}
        assert attempts == {1}, "an attempt was used up by a stop"
        worker.stop()


def test_results_are_delivered_once_each_however_often_it_takes(
    small: RunningTidegate, receiver: Receiver, photos: Path
) -> None:
    receiver.answers[:] = [503, 429]
    with worker_of(small, "sixth") as worker:
        whole = accepted(submit(small, small_photo()))
        gone = (photos / "gone.jpg").as_uri()
        missing = accepted(submit(small, photo_url=gone))
        assert finished(small, missing)["status"] == "failed"
        wait_until(
            lambda: all(job_of(small, one)["handover"]["delivered_at"] for one in (whole, missing)),
            what="both are delivered",
        )
        worker.stop()
    assert len(receiver.received[f"{whole}.0"]) + len(receiver.received[f"{missing}.0"]) >= 4
    for result_id, bodies in receiver.received.items():
        assert len(set(bodies)) == 1, f"two contents of {result_id}"
    sent = json.loads(receiver.received[f"{whole}.0"][0])
    assert sent == small.get(f"/api/v1/orchestrator/status/{whole}")
    assert not receiver.forged


def test_a_result_that_nobody_takes_can_be_sent_again(
    small: RunningTidegate, receiver: Receiver
) -> None:
    receiver.answers[:] = [400]
    with worker_of(small, "seventh") as worker:
        request_id = accepted(submit(small, small_photo()))
        finished(small, request_id)
        wait_until(
            lambda: job_of(small, request_id)["handover"]["state"] == "given_up",
            what="it is given up",
        )
        assert request_id in json.dumps(small.get("/api/v1/jobs?undelivered=true"))
        assert act(small, f"{request_id}/resend").status_code == 200
        wait_until(
            lambda: job_of(small, request_id)["handover"]["delivered_at"], what="it is delivered"
        )
        worker.stop()
    assert len(set(receiver.received[f"{request_id}.0"])) == 1


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
                **SETTINGS,
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
    tidegate: RunningTidegate, rabbitmq: RabbitmqServer, body: bytes, message_id: str | None
) -> None:
    """As another service would, which knows nothing but RabbitMQ."""

    async def put() -> None:
        async with await aio_pika.connect(rabbitmq.url()) as connection:
            channel = await connection.channel()
            exchange = await channel.get_exchange(tidegate.settings["TIDEGATE_QUEUE__PREFIX"])
            message = aio_pika.Message(body, message_id=message_id, delivery_mode=2)
            await exchange.publish(message, routing_key="high")

    asyncio.run(put())


def test_over_a_broker(on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer) -> None:
    ids = [accepted(submit(on_rabbitmq, small_photo(), priority="low")) for _ in range(JOBS)]
    assert {finished(on_rabbitmq, one)["status"] for one in ids} == {"completed"}


def test_what_another_service_puts_on_the_broker(
    on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer, photos: Path
) -> None:
    place = photos / "roof.jpg"
    place.write_bytes(photo_of("damage"))
    correlation_id = f"batch-{uuid.uuid4()}"
    body = json.dumps(
        {
            "photo_url": place.as_uri(),
            "detection_types": ["damage"],
            "correlation_id": correlation_id,
        }
    ).encode()
    message_id = str(uuid.uuid4())
    for _ in range(3):
        put_on_broker(on_rabbitmq, rabbitmq, body, message_id)

    def found() -> list[dict[str, object]]:
        jobs = on_rabbitmq.get(f"/api/v1/jobs?correlation_id={correlation_id}")["jobs"]
        return [one for one in jobs if one["state"] == "completed"]

    (job,) = wait_until(found, what="the batch's job is done")
    assert job["priority"] == "high"


def test_what_no_service_should_put_there(
    on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer
) -> None:
    bodies = [
        b"{",
        b"[]",
        b"\xff\xfe",
        b'{"photo_url": "file:///etc/passwd"}',
        b'{"photo_url": "https://127.0.0.1/a.jpg"}',
        b'{"detection_types": ["tarot"], "photo_url": "s3://a/b"}',
        b'{"job_id": "x"}',
        b"x" * 200_000,
    ]
    for body in bodies:
        put_on_broker(on_rabbitmq, rabbitmq, body, str(uuid.uuid4()))

    def dead() -> list[dict[str, object]]:
        found = on_rabbitmq.get("/api/v1/jobs?dead=unprocessable&limit=100")["jobs"]
        return found if len(found) == len(bodies) else []

    for job in wait_until(dead, what="all are dead letters"):
        assert job["error"], job
    assert finished(on_rabbitmq, accepted(submit(on_rabbitmq, small_photo())))["results"]


def test_a_broker_that_is_away(on_rabbitmq: RunningTidegate, rabbitmq: RabbitmqServer) -> None:
    key = {"idempotency-key": str(uuid.uuid4())}
    rabbitmq.stop()
    refused = submit(on_rabbitmq, small_photo(), headers=key)
    assert refused.status_code == 503
    assert refused.json()["code"] == "queue_unavailable"
    rabbitmq.start()

    def repeated() -> str | None:
        again = submit(on_rabbitmq, small_photo(), headers=key)
        return accepted(again) if again.status_code == 202 else None

    request_id = wait_until(repeated, timeout_s=60, what="it is accepted")
    assert request_id is not None
    assert finished(on_rabbitmq, request_id)["status"] == "completed"
