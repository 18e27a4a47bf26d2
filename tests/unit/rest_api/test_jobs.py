"""Jobs over REST: found, shown, replayed, discarded, sent again."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import Claim, DeadReason, JobFilter
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import job_schemas as schemas
from control_plane.services.operations import DEFAULT_REASON
from tests.unit.fake_jobs import JOB_ID, NOON_S, dead_job, finished, make_job
from tests.unit.rest_api.fakes import Edge, check_problem

JOBS = "/api/v1/jobs"
ONE = f"{JOBS}/{JOB_ID}"
OTHER_ID = "5a8e5b1c-0000-4000-8000-000000000002"


@pytest.fixture
def edge() -> Edge:
    return Edge()


async def test_jobs_are_listed_by_filter(edge: Edge) -> None:
    edge.jobs.put(dead_job(), make_job(OTHER_ID))
    query = {
        "state": ["failed", "queued"],
        "priority": "low",
        "dead": "failed",
        "engine": "material",
        "code": "photo_unavailable",
        "correlation_id": "c-1",
        "undelivered": "true",
        "created_after": "2025-01-31T12:00:00Z",
        "created_before": "2025-01-31T14:00:00+01:00",
        "limit": "2",
        "before": OTHER_ID.upper(),
    }
    async with edge.client() as client:
        body = (await client.get(JOBS, params=query)).json()
    schemas.Jobs.model_validate(body)
    assert [one["id"] for one in body["jobs"]] == [JOB_ID, OTHER_ID]
    assert body["next_before"] == OTHER_ID
    assert edge.jobs.done == [
        (
            "find",
            JobFilter(
                states=frozenset({DetectionStatus.FAILED, DetectionStatus.QUEUED}),
                priority=Priority.LOW,
                dead=DeadReason.FAILED,
                is_dead=True,
                is_undelivered=True,
                engine="materials",
                code=ErrorCode.PHOTO_UNAVAILABLE,
                correlation_id="c-1",
                created_after_s=NOON_S,
                created_before_s=NOON_S + 3600,
                before=OTHER_ID,
            ),
            2,
        )
    ]


async def test_without_a_filter_all_are_listed(edge: Edge) -> None:
    async with edge.client() as client:
        assert (await client.get(JOBS)).json() == {"jobs": [], "next_before": None}
        await client.get(JOBS, params={"dead": "any"})
    assert [one[1:] for one in edge.jobs.done] == [
        (JobFilter(), 50),
        (JobFilter(is_dead=True), 50),
    ]


@pytest.mark.parametrize(
    ("query", "status", "field"),
    [
        ({"state": "lost"}, 400, "state"),
        ({"dead": "yes"}, 400, "dead"),
        ({"priority": "urgent"}, 400, "priority"),
        ({"code": "x"}, 400, "code"),
        ({"limit": "501"}, 400, "limit"),
        ({"limit": "0"}, 400, "limit"),
        ({"created_after": "yesterday"}, 400, "created_after"),
        ({"created_before": "2025-01-31T12:00:00"}, 400, "created_before"),
        ({"before": "x"}, 404, "before"),
        ({"before": ""}, 404, "before"),
        ({"engine": ""}, 400, "engine"),
    ],
)
async def test_a_bad_filter_is_named(
    edge: Edge, query: dict[str, str], status: int, field: str
) -> None:
    async with edge.client() as client:
        response = await client.get(JOBS, params=query)
    assert response.status_code == status
    assert field in response.json()["field"]
    assert edge.jobs.done == []


async def test_one_job_is_shown_with_everything(edge: Edge) -> None:
    edge.jobs.put(dead_job(raw="\ud800{" + "x" * 3000, idempotency_key="photo-1"))
    async with edge.client() as client:
        body = (await client.get(ONE)).json()
    schemas.WholeJob.model_validate(body)
    assert body["answer"].pop("detection_id")
    assert body["answer"]["status"] == "failed"
    del body["answer"]
    raw = body.pop("raw")
    assert raw.startswith("?{xxx")
    assert len(raw) == 2001
    assert body == {
        "id": JOB_ID,
        "state": "failed",
        "priority": "normal",
        "dead": "failed",
        "correlation_id": "c-1",
        "engines": ["damage", "volume"],
        "photo_url": "file:///photos/roof.jpg",
        "photo_id": None,
        "is_uploaded": False,
        "releases": {},
        "metadata": {},
        "routing_key": JOB_ID,
        "idempotency_key": "photo-1",
        "created_at": "2025-01-31T12:00:00Z",
        "updated_at": "2025-01-31T12:00:00Z",
        "due_at": "2025-01-31T12:00:00Z",
        "deadline_at": "2025-01-31T13:00:00Z",
        "published_at": "2025-01-31T12:00:00Z",
        "run": 0,
        "attempts": 10,
        "claim": None,
        "error": {
            "code": "photo_unavailable",
            "message": "the store is away",
            "at": "2025-01-31T12:00:05Z",
            "field": "photo_url",
        },
        "handover": {
            "run": 0,
            "state": "given_up",
            "attempts": 3,
            "due_at": None,
            "delivered_at": None,
            "error": "HTTP 500",
        },
    }


async def test_a_message_that_could_not_be_read_is_shown_as_it_came(edge: Edge) -> None:
    edge.jobs.put(dead_job(request=None, raw="{not json", dead=DeadReason.UNPROCESSABLE))
    async with edge.client() as client:
        body = (await client.get(ONE)).json()
    assert (body["raw"], body["engines"], body["correlation_id"]) == ("{not json", [], None)
    assert body["dead"] == "unprocessable"


async def test_who_works_on_it_and_what_was_delivered_is_shown(edge: Edge) -> None:
    claimed = make_job(state=DetectionStatus.PROCESSING, claim=Claim("worker-1", 0, 1, NOON_S + 30))
    edge.jobs.put(claimed)
    async with edge.client() as client:
        body = (await client.get(ONE)).json()
        expires_at = "2025-01-31T12:00:30Z"
        assert body["claim"] == {"worker": "worker-1", "attempt": 1, "expires_at": expires_at}
        handover = dead_job().handover
        assert handover is not None
        for changes, state in (
            ({"delivered_at_s": NOON_S + 9}, "delivered"),
            ({"due_at_s": NOON_S + 9}, "waiting"),
        ):
            edge.jobs.put(replace(finished(make_job()), handover=replace(handover, **changes)))
            body = (await client.get(ONE)).json()
            assert body["handover"]["state"] == state
            assert body["answer"]["status"] == "completed"


async def test_figures_are_whole(edge: Edge) -> None:
    async with edge.client() as client:
        body = (await client.get(f"{JOBS}/figures")).json()
    assert body == {
        "waiting": {"high": 1, "normal": 0, "low": 40},
        "queue": {"high": 1, "normal": 0, "low": 39},
        "oldest_age_s": {"high": 0.0, "normal": 0.0, "low": 12.5},
        "states": {"queued": 41, "processing": 0},
        "dead": {"unprocessable": 0, "failed": 2},
        "undelivered": 1,
        "sending": 3,
    }


async def test_figures_do_without_a_queue_that_is_away(edge: Edge) -> None:
    async def away() -> Any:
        raise ControlPlaneError(ErrorCode.QUEUE_UNAVAILABLE, "away")

    edge.jobs.depths = away  # type: ignore[method-assign]
    async with edge.client() as client:
        body = (await client.get(f"{JOBS}/figures")).json()
    assert body["queue"] is None
    assert body["waiting"]["low"] == 40


@pytest.mark.parametrize("action", ["replay", "discard", "resend"])
async def test_one_job_is_acted_on(edge: Edge, action: str) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        signed = {"who": "ada", "reason": "the store is back"}
        response = await client.post(f"{ONE}/{action}", json=signed)
        assert response.status_code == 200, response.text
        again = await client.post(f"{ONE}/{action}", json={})
    assert edge.jobs.done[0] == (action, JOB_ID, "ada", "the store is back")
    body = response.json()
    assert body["run"] == (1 if action == "replay" else 0)
    assert (body["dead"] is None) == (action != "resend")
    check_problem(again, 409, ErrorCode.CONFLICT, None)


async def test_without_a_signature_the_edge_signs(edge: Edge) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        await client.post(f"{ONE}/discard", headers={"Content-Type": "application/json"})
    assert edge.jobs.done == [("discard", JOB_ID, "rest", DEFAULT_REASON)]


async def test_what_is_no_request_to_act_is_refused(edge: Edge) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        form = await client.post(f"{ONE}/replay", data={"who": "ada"})
        assert form.status_code == 415
        unknown = await client.post(f"{ONE}/replay", json={"force": True})
        check_problem(unknown, 400, ErrorCode.INVALID_ARGUMENT, "force")
        assert (await client.post(f"{ONE}/destroy", json={})).status_code == 400
        assert (await client.post(f"{JOBS}/destroy", json={"all": True})).status_code == 400
        missing = await client.post(f"{JOBS}/{OTHER_ID}/replay", json={})
        check_problem(missing, 404, ErrorCode.NOT_FOUND, "job")
        no_id = await client.post(f"{JOBS}/x/replay", json={})
        check_problem(no_id, 404, ErrorCode.NOT_FOUND, "job")
    assert edge.jobs.done == []


@pytest.mark.parametrize("action", ["replay", "discard"])
async def test_dead_letters_are_acted_on_by_filter(edge: Edge, action: str) -> None:
    edge.jobs.put(dead_job(), dead_job(OTHER_ID))
    order = {
        "dead": "failed",
        "code": "photo_unavailable",
        "engine": "material",
        "priority": "high",
        "correlation_id": "c-1",
        "created_after": "2025-01-31T12:00:00Z",
        "created_before": "2025-01-31T13:00:00Z",
        "before": OTHER_ID,
        "limit": 2,
        "who": "ada",
    }
    async with edge.client() as client:
        response = await client.post(f"{JOBS}/{action}", json=order)
    assert response.json() == {"count": 2, "ids": [JOB_ID, OTHER_ID], "may_have_more": True}
    wanted = JobFilter(
        priority=Priority.HIGH,
        dead=DeadReason.FAILED,
        is_dead=True,
        engine="materials",
        code=ErrorCode.PHOTO_UNAVAILABLE,
        correlation_id="c-1",
        created_after_s=NOON_S,
        created_before_s=NOON_S + 3600,
        before=OTHER_ID,
    )
    assert edge.jobs.done == [(f"{action}_all", wanted, 2, "ada", DEFAULT_REASON)]


@pytest.mark.parametrize("action", ["replay", "discard", "resend"])
@pytest.mark.parametrize("reason", ["failed", "unprocessable"])
async def test_a_reason_is_no_filter(edge: Edge, action: str, reason: str) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        order = {"all": True, "reason": reason}
        refused = await client.post(f"{JOBS}/{action}", json=order)
        detail = check_problem(refused, 400, ErrorCode.INVALID_ARGUMENT, "reason")
        assert "reason says why" in detail
        assert f"the filter is dead: '{reason}'" in detail
        assert edge.jobs.done == []
        said = await client.post(f"{JOBS}/{action}", json={"dead": "any", "reason": reason})
    assert said.status_code == 200


@pytest.mark.parametrize("order", [{"all": True}, {"dead": "any"}])
async def test_all_dead_letters_are_acted_on_when_it_is_said(
    edge: Edge, order: dict[str, Any]
) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        response = await client.post(f"{JOBS}/replay", json=order)
    assert response.json() == {"count": 1, "ids": [JOB_ID], "may_have_more": False}
    assert edge.jobs.done == [("replay_all", JobFilter(is_dead=True), 100, "rest", DEFAULT_REASON)]


@pytest.mark.parametrize(
    ("order", "wanted"),
    [
        ({"all": True}, JobFilter(is_undelivered=True)),
        ({"engine": "damage"}, JobFilter(is_undelivered=True, engine="damage")),
        ({"dead": "any"}, JobFilter(is_undelivered=True, is_dead=True)),
        (
            {"dead": "failed"},
            JobFilter(is_undelivered=True, is_dead=True, dead=DeadReason.FAILED),
        ),
    ],
)
async def test_results_that_were_given_up_are_sent_again_by_filter(
    edge: Edge, order: dict[str, Any], wanted: JobFilter
) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        response = await client.post(f"{JOBS}/resend", json={**order, "limit": 9})
        empty = await client.post(f"{JOBS}/resend", json={})
    assert response.json() == {"count": 1, "ids": [JOB_ID], "may_have_more": False}
    check_problem(empty, 400, ErrorCode.INVALID_ARGUMENT, "all")
    assert edge.jobs.done == [("resend_all", wanted, 9, "rest", DEFAULT_REASON)]


@pytest.mark.parametrize(
    ("order", "field"),
    [
        ({}, "all"),
        ({"limit": 5, "who": "ada"}, "all"),
        ({"before": OTHER_ID}, "all"),
        ({"limit": 0, "all": True}, "limit"),
        ({"limit": 10_001, "all": True}, "limit"),
        ({"code": "x"}, "code"),
        ({"state": "queued"}, "state"),
        ({"all": 1}, "all"),
        ({"created_after": "2025-01-31T12:00:00"}, "created_after"),
        ({"all": True, "who": "a\nb"}, "who"),
        ({"dead": "failed", "engine": ""}, "engine"),
    ],
)
async def test_an_order_that_chooses_nothing_does_nothing(
    edge: Edge, order: dict[str, Any], field: str
) -> None:
    edge.jobs.put(dead_job())
    async with edge.client() as client:
        response = await client.post(f"{JOBS}/discard", json=order)
        check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field)
    assert edge.jobs.done == []
