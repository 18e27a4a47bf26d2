"""Detections that become jobs: nobody waits for them, or they must not be asked twice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from control_plane.core.detections import Priority
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import schemas
from control_plane.services.jobs.intake import Unconfirmed
from tests.unit.fake_jobs import dead_job, finished, make_job
from tests.unit.rest_api.fakes import DETECT, PHOTO, UUID, Edge, check_problem

ASYNC = {"Prefer": "respond-async"}
JSON_BODY = {"photo_url": "file:///photos/roof.jpg", "detection_types": ["damage"]}


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.mark.parametrize(
    "preference",
    [
        *("respond-async", "wait=5, Respond-Async", "respond-async; x=1", 'respond-async = ""'),
        *('a="b, c", respond-async', 'a="\\", b";c, respond-async'),
    ],
)
async def test_who_does_not_wait_gets_a_place_to_ask_at(edge: Edge, preference: str) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers={"Prefer": preference})
        assert response.status_code == 202
        body = response.json()
        place = f"/api/v1/orchestrator/status/{body['request_id']}"
        assert response.headers["location"] == place
        assert response.headers["preference-applied"] == "respond-async"
        assert "idempotency-replayed" not in response.headers
        assert body["status"] == "queued"
        schemas.Detection.model_validate(body)
        assert (await client.get(place)).json() == body
    assert edge.detection.asked == []
    (submitted,) = edge.jobs.submitted
    assert submitted.deadline_s is None
    assert submitted.idempotency_key is None


@pytest.mark.parametrize(
    "preference",
    [
        *("respond-asynchronously", "respond-async=no", 'a="respond-async, respond-async, b"'),
        *('a="\\", respond-async, b"', 'a="b, respond-async', 'a="b\\'),
    ],
)
async def test_what_only_looks_like_that_preference_is_none(edge: Edge, preference: str) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers={"Prefer": preference})
    assert response.status_code == 200


async def test_all_that_is_asked_travels_with_the_job(edge: Edge) -> None:
    headers = {
        **ASYNC,
        "X-Request-Timeout-S": "600",
        "X-Routing-Key": "roof-7",
        "X-Correlation-ID": "batch-9",
        "Idempotency-Key": '"photo-1"',
    }
    question = {"photo_id": UUID, "detection_types": "volume, material", "priority": "low"}
    more = {"metadata.project_id": UUID, "release": "volume=1.0.0"}
    async with edge.client() as client:
        response = await client.post(
            DETECT, data={**question, **more}, files={"photo": PHOTO}, headers=headers
        )
    assert response.status_code == 202
    (submitted,) = edge.jobs.submitted
    assert submitted.photo == PHOTO
    assert submitted.priority is Priority.LOW
    assert submitted.idempotency_key == "photo-1"
    assert submitted.deadline_s == 600
    request = submitted.request
    assert request.engines == ("volume", "materials")
    assert request.correlation_id == "batch-9"
    assert request.photo_url is None
    assert request.photo_id == UUID
    assert request.releases == {"volume": "1.0.0"}
    assert request.metadata == {"project_id": UUID}
    assert request.routing_key == "roof-7"


async def test_a_job_may_be_given_more_time_than_a_caller_may_wait(edge: Edge) -> None:
    async with edge.client() as client:
        for timeout, status in (("3600", 202), ("3601", 400)):
            headers = {**ASYNC, "X-Request-Timeout-S": timeout}
            response = await client.post(DETECT, json=JSON_BODY, headers=headers)
            assert response.status_code == status


async def test_a_mistake_is_refused_before_anything_is_kept(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, json={"photo_url": 1}, headers=ASYNC)
        check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "photo_url")
    assert edge.jobs.submitted == []


@pytest.mark.parametrize(
    ("code", "status"),
    [(ErrorCode.CONFLICT, 409), (ErrorCode.OVERLOADED, 429), (ErrorCode.QUEUE_UNAVAILABLE, 503)],
)
async def test_what_the_intake_refuses_is_a_problem(
    edge: Edge, code: ErrorCode, status: int
) -> None:
    edge.jobs.error = ControlPlaneError(code, "no")
    async with edge.client() as client:
        check_problem(await client.post(DETECT, json=JSON_BODY, headers=ASYNC), status, code, None)


@pytest.mark.parametrize("headers", [ASYNC, {"Idempotency-Key": "a"}])
async def test_what_is_kept_and_not_confirmed_has_its_place(
    edge: Edge, headers: dict[str, str]
) -> None:
    job = make_job()
    edge.jobs.error = Unconfirmed(job, ControlPlaneError(ErrorCode.QUEUE_UNAVAILABLE, "away"))
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers=headers)
    detail = check_problem(response, 503, ErrorCode.QUEUE_UNAVAILABLE, None)
    assert "it is stored and will be worked on as soon as the queue is back" in detail
    assert response.json()["request_id"] == job.job_id
    assert response.headers["location"] == f"/api/v1/orchestrator/status/{job.job_id}"
    assert "retry-after" not in response.headers


async def test_a_repeat_is_the_same_job_and_says_so(edge: Edge) -> None:
    headers = {**ASYNC, "Idempotency-Key": "photo-1"}
    async with edge.client() as client:
        first = await client.post(DETECT, json=JSON_BODY, headers=headers)
        second = await client.post(DETECT, json=JSON_BODY, headers=headers)
    assert "idempotency-replayed" not in first.headers
    assert second.headers["idempotency-replayed"] == "true"
    assert second.status_code == 202
    assert second.json() == first.json()
    assert len(edge.jobs.jobs) == 1


async def test_who_waits_with_a_key_gets_the_answer_each_time(edge: Edge) -> None:
    edge.jobs.on_submit = finished
    headers = {"Idempotency-Key": "photo-1", "X-Request-Timeout-S": "2.5"}
    async with edge.client() as client:
        first = await client.post(DETECT, json=JSON_BODY, headers=headers)
        second = await client.post(DETECT, json=JSON_BODY, headers=headers)
    assert first.status_code == second.status_code == 200
    assert first.json()["status"] == "completed"
    assert first.json() == second.json()
    assert second.headers["idempotency-replayed"] == "true"
    assert edge.jobs.waited_s == [2.5, 2.5]
    # Who waits may go; the job has its own time.
    assert edge.jobs.submitted[0].deadline_s is None
    assert edge.detection.asked == []


async def test_an_answer_that_is_late_can_be_asked_for(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers={"Idempotency-Key": "a"})
        detail = check_problem(response, 504, ErrorCode.DEADLINE_EXCEEDED, None)
        (job_id,) = edge.jobs.jobs
        assert response.headers["location"].endswith(job_id)
        assert response.headers["location"] in detail
        assert response.json()["request_id"] == job_id
        edge.jobs.put(finished(edge.jobs.jobs[job_id]))
        later = await client.post(DETECT, json=JSON_BODY, headers={"Idempotency-Key": "a"})
        assert later.status_code == 200
        assert later.json()["request_id"] == job_id


async def test_what_ends_the_waiting_does_not_hide_the_place(edge: Edge) -> None:
    edge.jobs.wait_error = ControlPlaneError(ErrorCode.OVERLOADED, "too many wait")
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers={"Idempotency-Key": "a"})
    check_problem(response, 429, ErrorCode.OVERLOADED, None)
    (job_id,) = edge.jobs.jobs
    assert response.headers["location"].endswith(job_id)


async def test_a_job_that_failed_answers_who_waits_with_its_reason(edge: Edge) -> None:
    def fail(job: Any) -> Any:
        dead = dead_job(job.job_id)
        return replace(dead, request=job.request, idempotency_key=job.idempotency_key)

    edge.jobs.on_submit = fail
    headers = {"Idempotency-Key": "a"}
    async with edge.client() as client:
        response = await client.post(DETECT, json=JSON_BODY, headers=headers)
    assert response.status_code == 502
    assert response.json()["code"] == "photo_unavailable"
    assert response.json()["detection_status"] == "failed"
