"""Jobs through the running system: accepted, followed, answered, over every way in."""

from __future__ import annotations

import asyncio
import json
import uuid
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path

import grpc.aio
import httpx
import pytest

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration.jobs.asking import (
    DETECT,
    STATUS,
    accepted,
    finished,
    job_of,
    status_of,
    submit,
)
from tests.integration.photos import photo_of, small_photo
from tests.integration.running import RunningTidegate, command_line, lines_of

pytestmark = pytest.mark.triton

SERVICE = "/tidegate.v1.Orchestrator"


def test_a_job_is_answered_as_who_waits_is(
    tidegate: RunningTidegate, engines: tuple[str, ...]
) -> None:
    photo = photo_of("damage")
    waited = tidegate.detect(photo).json()
    answer = finished(tidegate, accepted(submit(tidegate, photo, priority="low")))
    assert answer["status"] == "completed"
    assert answer["results"] == waited["results"]
    assert set(answer["results"]) == set(engines)
    assert set(answer) == set(waited)


def test_what_is_accepted_can_be_followed_from_the_first_moment(tidegate: RunningTidegate) -> None:
    correlation_id = str(uuid.uuid4())
    response = submit(
        tidegate,
        photo_of("volume"),
        headers={"x-correlation-id": correlation_id, "x-routing-key": "site-7"},
        detection_types="volume",
    )
    request_id = accepted(response)
    assert response.headers["preference-applied"] == "respond-async"
    assert response.json()["status"] in {"queued", "processing", "completed"}
    answer = finished(tidegate, request_id)
    assert answer["correlation_id"] == correlation_id
    job = job_of(tidegate, request_id)
    assert job["attempts"] == 1
    assert job["routing_key"] == "site-7"
    (line,) = [one for one in tidegate.log_lines(correlation_id) if one["event"] == "request"]
    assert line["request_id"] == request_id


def test_a_photo_behind_a_url(tidegate: RunningTidegate, photo_root: Path) -> None:
    place = photo_root / f"{uuid.uuid4()}.jpg"
    place.write_bytes(photo_of("materials"))
    response = submit(tidegate, photo_url=place.as_uri(), detection_types=["material"])
    assert set(finished(tidegate, accepted(response))["results"]) == {"materials"}


def test_the_same_key_is_the_same_job_however_many_ask_at_once(tidegate: RunningTidegate) -> None:
    headers = {"idempotency-key": f"key-{uuid.uuid4()}"}
    photo = photo_of("damage")
    with ThreadPoolExecutor(8) as pool:
        sent = [
            pool.submit(submit, tidegate, photo, headers=headers, detection_types="damage")
            for _ in range(8)
        ]
        ids = {accepted(one.result()) for one in sent}
    assert len(ids) == 1
    finished(tidegate, next(iter(ids)))
    assert accepted(submit(tidegate, photo, headers=headers, detection_types="damage")) in ids
    other = submit(tidegate, photo, headers=headers, detection_types="volume")
    assert other.status_code == 409
    assert other.json()["code"] == "conflict"


def test_who_waits_with_a_key_gets_one_answer_twice(tidegate: RunningTidegate) -> None:
    headers = {"x-correlation-id": "once"}
    key = f"key-{uuid.uuid4()}"
    answers = [
        httpx.post(
            tidegate.url + DETECT,
            files={"photo": small_photo()},
            headers={**headers, "idempotency-key": key},
            timeout=60,
        )
        for _ in range(2)
    ]
    assert [one.status_code for one in answers] == [200, 200]
    first, second = (one.json() for one in answers)
    assert first == second
    assert first["status"] == "completed"


def test_the_events_end_with_the_answer(tidegate: RunningTidegate) -> None:
    request_id = accepted(submit(tidegate, small_photo()))
    with httpx.stream(
        "GET",
        f"{tidegate.url}{STATUS}/{request_id}",
        headers={"accept": "text/event-stream"},
        timeout=60,
    ) as events:
        assert events.headers["content-type"].startswith("text/event-stream")
        told = [line[5:] for line in events.iter_lines() if line.startswith("data:")]
    states = [json.loads(one)["status"] for one in told]
    assert states[-1] == "completed"
    assert json.loads(told[-1]) == status_of(tidegate, request_id)
    order = ["queued", "processing", "completed"]
    assert [order.index(state) for state in states] == sorted(order.index(s) for s in states)


async def test_over_grpc(channel: grpc.aio.Channel) -> None:
    submitted = channel.unary_unary(
        f"{SERVICE}/SubmitDetection",
        request_serializer=pb.SubmitDetectionRequest.SerializeToString,
        response_deserializer=pb.Detection.FromString,
    )
    watched = channel.unary_stream(
        f"{SERVICE}/WatchDetection",
        request_serializer=pb.WatchDetectionRequest.SerializeToString,
        response_deserializer=pb.Detection.FromString,
    )
    got = channel.unary_unary(
        f"{SERVICE}/GetDetection",
        request_serializer=pb.GetDetectionRequest.SerializeToString,
        response_deserializer=pb.Detection.FromString,
    )
    request = pb.SubmitDetectionRequest(
        request=pb.DetectRequest(photo=photo_of("damage"), detection_types=["damage"]),
        idempotency_key=str(uuid.uuid4()),
    )
    first, again = await asyncio.gather(submitted(request), submitted(request))
    assert first.request_id == again.request_id
    seen = [one async for one in watched(pb.WatchDetectionRequest(request_id=first.request_id))]
    assert seen[-1].status == pb.DETECTION_STATUS_COMPLETED
    answer = await got(pb.GetDetectionRequest(request_id=first.request_id))
    assert answer == seen[-1]
    assert answer.results["damage"].damage.objects


def test_on_the_command_line(tidegate: RunningTidegate, tmp_path: Path) -> None:
    photo = tmp_path / "roof.jpg"
    photo.write_bytes(photo_of("damage"))
    sent = command_line("detect", str(photo), "--async", "--json", url=tidegate.url)
    assert sent.returncode == 0, sent.stderr
    request_id = lines_of(sent.stdout)[0]["request_id"]
    assert finished(tidegate, request_id)["status"] == "completed"
    shown = command_line("jobs", "show", request_id, "--json", url=tidegate.url)
    assert json.loads(shown.stdout)["state"] == "completed"
    listed = command_line("jobs", "list", url=tidegate.url)
    assert request_id[:8] in listed.stdout


def test_the_figures_to_scale_by_are_measured(tidegate: RunningTidegate) -> None:
    text = httpx.get(f"{tidegate.url}/metrics", timeout=10).text
    for priority in ("high", "normal", "low"):
        assert f'tidegate_queue_depth{{priority="{priority}"}}' in text
        assert f'tidegate_queue_oldest_age_seconds{{priority="{priority}"}}' in text
    for reason in ("unprocessable", "failed"):
        assert f'tidegate_dead_letters{{reason="{reason}"}}' in text


def test_a_deadline_of_its_own(tidegate: RunningTidegate) -> None:
    before = datetime.now(UTC)
    response = submit(tidegate, small_photo(), headers={"x-request-timeout-s": "3000"})
    job = job_of(tidegate, accepted(response))
    left = datetime.fromisoformat(job["deadline_at"]) - before
    assert timedelta(seconds=2990) < left < timedelta(seconds=3100)
    too_long = submit(tidegate, small_photo(), headers={"x-request-timeout-s": "99999999"})
    assert too_long.status_code == 400
    assert "604800" in too_long.json()["detail"]
