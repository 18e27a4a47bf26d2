"""POST /detect: what reaches the detection service and what comes back."""

from __future__ import annotations

import asyncio
import json
import uuid
from datetime import UTC, datetime
from typing import Any

import httpx
import pytest
from starlette.types import Message

from control_plane.core.answer_document import write_answer
from control_plane.core.detections import (
    DetectionAnswer,
    DetectionStatus,
    EngineFailure,
    EngineResult,
    Priority,
)
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import schemas
from control_plane.rest_api.app import create_app
from tests.unit.rest_api.fakes import (
    DETECT,
    DETECTION_ID,
    PHOTO,
    UUID,
    Edge,
    assert_still_answers,
    check_problem,
    upload,
)


@pytest.fixture
def edge() -> Edge:
    return Edge()


async def test_an_upload_is_answered_as_promised(edge: Edge) -> None:
    async with edge.client() as client:
        response = await upload(client, photo_id=UUID, detection_types="damage")
    assert response.status_code == 200
    body = response.json()
    assert uuid.UUID(body["request_id"]).version == 4
    assert body == {
        "request_id": edge.detection.asked[0].request_id,
        "detection_id": DETECTION_ID,
        "correlation_id": response.headers["x-correlation-id"],
        "photo_id": UUID,
        "status": "completed",
        "results": {"damage": {"counts": {"hail": 1}}},
        "errors": {},
        "processing_time_ms": 12.5,
        "model_versions": {"damage": "v1.1.0"},
        "served_by": {
            "damage": {
                "release": "1.1.0",
                "instance": "triton-0",
                "attempts": 1,
                "fallback_from": None,
                "cached": False,
            }
        },
        "timestamp": "2025-01-31T12:00:00+00:00",
    }
    schemas.Detection.model_validate_json(response.content)
    assert "total;dur=" in response.headers["server-timing"]


async def test_json_with_a_url_says_the_same_as_an_upload(edge: Edge) -> None:
    question = {
        "photo_id": UUID,
        "photo_url": edge.photos.url,
        "detection_types": ["volume", "material"],
        "priority": "high",
        "metadata": {"project_id": UUID, "user_id": UUID},
        "releases": {"volume": "1.0.0", "material": "canary"},
    }
    headers = {"X-Routing-Key": "roof-7", "X-Request-Timeout-S": "2.5"}
    multipart: dict[str, Any] = {
        "photo_id": UUID,
        "detection_types": ["volume", "material"],
        "priority": "high",
        "metadata": json.dumps(question["metadata"]),
        "releases": json.dumps(question["releases"]),
    }
    loose: dict[str, Any] = {
        "photo_id": UUID,
        "detection_types": "volume, material",
        "priority": "high",
        "metadata.project_id": UUID,
        "metadata.user_id": UUID,
        "release": ["volume=1.0.0", "material=canary"],
    }
    files = {"photo": PHOTO}
    async with edge.client() as client:
        await client.post(DETECT, json=question, headers=headers)
        await client.post(DETECT, data=multipart, files=files, headers=headers)
        await client.post(DETECT, data=loose, files=files, headers=headers)
    assert len(edge.detection.asked) == 3
    for asked in edge.detection.asked:
        assert asked.photo == PHOTO
        assert asked.photo_id == UUID
        assert asked.engines == ("volume", "materials")
        assert asked.priority is Priority.HIGH
        assert asked.releases == {"volume": "1.0.0", "materials": "canary"}
        assert asked.routing_key == "roof-7"
        assert asked.deadline.expires_at_s == 1002.5


async def test_what_is_left_out_has_a_default(edge: Edge) -> None:
    async with edge.client() as client:
        await client.post(DETECT, json={"photo_url": edge.photos.url, "priority": None})
    (asked,) = edge.detection.asked
    assert asked.engines == ("damage", "materials", "volume")
    assert asked.priority is Priority.NORMAL
    assert asked.photo_id is None
    assert asked.routing_key is None
    assert asked.deadline.expires_at_s == 1010.0


async def test_a_multipart_request_may_name_a_url(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, files={"photo_url": (None, edge.photos.url)})
    assert response.status_code == 200


async def test_a_part_of_the_answer_is_still_an_answer(edge: Edge) -> None:
    edge.detection.failures = {"volume": EngineFailure(ErrorCode.BACKEND_FAULT, "it broke")}
    async with edge.client() as client:
        response = await upload(client)
    assert response.status_code == 200
    body = response.json()
    assert body["status"] == "partial"
    assert body["errors"] == {
        "volume": {"code": "backend_fault", "message": "it broke", "retry_after_s": None}
    }
    assert sorted(body["results"]) == ["damage", "materials"]


async def test_no_answer_at_all_is_a_problem_that_keeps_what_is_known(edge: Edge) -> None:
    edge.detection.failures = {
        "damage": EngineFailure(ErrorCode.BACKEND_UNAVAILABLE, "nobody there"),
        "volume": EngineFailure(ErrorCode.DEADLINE_EXCEEDED, "too slow"),
    }
    async with edge.client() as client:
        response = await upload(client, detection_types="damage,volume")
    detail = check_problem(response, 504, ErrorCode.DEADLINE_EXCEEDED, None)
    assert "damage: nobody there; volume: too slow" in detail
    body = response.json()
    assert body["detection_status"] == "failed"
    assert sorted(body["errors"]) == ["damage", "volume"]
    assert body["request_id"]
    schemas.Problem.model_validate(body)


def test_a_fallback_is_told() -> None:
    result = EngineResult({}, "1.0.0", "triton-0", 2, fallback_from="1.1.0")
    answer = DetectionAnswer(
        request_id="r-1",
        detection_id="d-1",
        correlation_id="c-1",
        status=DetectionStatus.COMPLETED,
        results={"damage": result},
        errors={},
        processing_time_ms=1.0,
        timestamp=datetime.now(UTC),
    )
    assert write_answer(answer)["served_by"]["damage"]["fallback_from"] == "1.1.0"


async def test_an_overload_of_all_engines_tells_when_to_come_back(edge: Edge) -> None:
    edge.detection.failures = {
        "damage": EngineFailure(ErrorCode.OVERLOADED, "full", 0.4),
        "volume": EngineFailure(ErrorCode.OVERLOADED, "full", 1.5),
    }
    async with edge.client() as client:
        response = await upload(client, detection_types="damage,volume")
    check_problem(response, 429, ErrorCode.OVERLOADED, None)
    assert response.headers["retry-after"] == "2"
    assert response.json()["retry_after_s"] == 1.5
    assert response.json()["errors"]["damage"]["retry_after_s"] == 0.4


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ControlPlaneError(ErrorCode.PHOTO_INVALID, "no image", field="photo"), 422),
        (ControlPlaneError(ErrorCode.UNKNOWN_RELEASE, "no 9.9.9", field="releases"), 404),
    ],
)
async def test_a_callers_mistake_found_later_is_a_problem(
    edge: Edge, error: ControlPlaneError, status: int
) -> None:
    edge.detection.error = error
    async with edge.client() as client:
        check_problem(await upload(client), status, error.code, error.field)
        edge.detection.error = None
        await assert_still_answers(client)


@pytest.mark.parametrize(
    ("headers", "status", "code", "field", "words"),
    [
        ({"X-Request-Timeout-S": "0"}, 504, "deadline_exceeded", "X-Request-Timeout-S", "past"),
        ({"X-Request-Timeout-S": "-3"}, 504, "deadline_exceeded", "X-Request-Timeout-S", "-3"),
        ({"X-Request-Timeout-S": "61"}, 400, "invalid_argument", "X-Request-Timeout-S", "60"),
        ({"X-Request-Timeout-S": "soon"}, 400, "invalid_argument", "X-Request-Timeout-S", "soon"),
        ({"X-Request-Timeout-S": "nan"}, 400, "invalid_argument", "X-Request-Timeout-S", "nan"),
        ({"X-Request-Timeout-S": "inf"}, 400, "invalid_argument", "X-Request-Timeout-S", "inf"),
        ({"X-Routing-Key": "k" * 129}, 400, "invalid_argument", "X-Routing-Key", "128"),
        ({"Idempotency-Key": ""}, 400, "invalid_argument", "Idempotency-Key", "empty"),
        ({"Idempotency-Key": "k" * 256}, 400, "invalid_argument", "Idempotency-Key", "255"),
        ({"Content-Encoding": "gzip"}, 415, "invalid_argument", "Content-Encoding", "gzip"),
    ],
)
async def test_a_bad_header_is_named(
    edge: Edge, headers: dict[str, str], status: int, code: str, field: str, words: str
) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, files={"photo": PHOTO}, headers=headers)
        assert words in check_problem(response, status, ErrorCode(code), field)
        assert edge.detection.asked == []
        await assert_still_answers(client)


@pytest.mark.parametrize(
    ("value", "may_use_cache"),
    [("no-cache", False), ("max-age=0, No-Store", False), ("max-age=60", True), ("", True)],
)
async def test_who_wants_no_stored_answer_says_so(
    edge: Edge, value: str, may_use_cache: bool
) -> None:
    async with edge.client() as client:
        await client.post(DETECT, files={"photo": PHOTO}, headers={"Cache-Control": value})
        await upload(client)
    assert [asked.may_use_cache for asked in edge.detection.asked] == [may_use_cache, True]


async def test_other_preferences_are_ignored(edge: Edge) -> None:
    async with edge.client() as client:
        headers = {"Prefer": "return=minimal"}
        response = await client.post(DETECT, files={"photo": PHOTO}, headers=headers)
    assert response.status_code == 200


async def test_a_photo_that_comes_too_late_ends_with_the_deadline(edge: Edge) -> None:
    edge.photos.gate = asyncio.Event()
    async with edge.client() as client:
        response = await client.post(
            DETECT, json={"photo_url": edge.photos.url}, headers={"X-Request-Timeout-S": "0.01"}
        )
        check_problem(response, 504, ErrorCode.DEADLINE_EXCEEDED, "photo_url")
        await assert_still_answers(client)


class Caller:
    """Speaks ASGI itself, to hang up when a client library could not."""

    def __init__(self, *messages: Message) -> None:
        self._messages = list(messages)
        self.has_left = asyncio.Event()
        self.sent: list[Message] = []

    async def receive(self) -> Message:
        if self._messages:
            return self._messages.pop(0)
        await self.has_left.wait()
        return {"type": "http.disconnect"}

    async def send(self, message: Message) -> None:
        self.sent.append(message)

    async def call(self, edge: Edge, content_type: str = "application/json") -> None:
        scope = {
            "type": "http",
            "method": "POST",
            "path": DETECT,
            "raw_path": DETECT.encode(),
            "query_string": b"",
            "root_path": "",
            "headers": [(b"content-type", content_type.encode())],
        }
        await create_app(edge.services())(scope, self.receive, self.send)


async def test_a_caller_who_leaves_takes_the_work_along(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    question = json.dumps({"photo_url": edge.photos.url}).encode()
    caller = Caller({"type": "http.request", "body": question, "more_body": False})
    call = asyncio.create_task(caller.call(edge))
    await edge.detection.started.wait()
    caller.has_left.set()
    await call
    assert edge.detection.cancelled.is_set()
    assert caller.sent[0]["status"] == 499


async def test_a_cancellation_from_elsewhere_passes_through(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    question = json.dumps({"photo_url": edge.photos.url}).encode()
    caller = Caller({"type": "http.request", "body": question, "more_body": False})
    call = asyncio.create_task(caller.call(edge))
    await edge.detection.started.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert edge.detection.cancelled.is_set()
    assert caller.sent == []


async def test_a_caller_who_leaves_while_uploading_is_no_error_of_ours(edge: Edge) -> None:
    caller = Caller({"type": "http.request", "body": b"{", "more_body": True})
    caller.has_left.set()
    await caller.call(edge)
    assert caller.sent[0]["status"] == 499
    assert edge.detection.asked == []


async def test_a_body_that_never_ends_is_given_up(edge: Edge) -> None:
    edge.limits = type(edge.limits)(100_000, 10.0, 60.0, body_timeout_s=0.01)
    caller = Caller({"type": "http.request", "body": b"{", "more_body": True})
    await caller.call(edge)
    assert caller.sent[0]["status"] == 408
    body = json.loads(caller.sent[1]["body"])
    assert (body["code"], body["field"]) == ("deadline_exceeded", "body")
    assert "0.01 s" in body["detail"]


async def test_ten_at_once_do_not_mix(edge: Edge) -> None:
    async with edge.client() as client:
        ids = [str(uuid.uuid4()) for _ in range(10)]

        async def ask(photo_id: str) -> httpx.Response:
            return await client.post(
                DETECT,
                files={"photo": PHOTO},
                data={"photo_id": photo_id},
                headers={"X-Correlation-ID": f"c-{photo_id}"},
            )

        answers = [response.json() for response in await asyncio.gather(*map(ask, ids))]
    assert [answer["photo_id"] for answer in answers] == ids
    assert [answer["correlation_id"] for answer in answers] == [f"c-{one}" for one in ids]
    assert len({answer["request_id"] for answer in answers}) == 10
