"""Health, readiness, engines, releases: what is shown of the views."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.errors import ErrorCode
from control_plane.rest_api import schemas
from control_plane.services.standing import Standing
from tests.unit.rest_api.fakes import (
    NOON,
    Edge,
    FakeStatus,
    check_problem,
    engine_view,
    instance_view,
)

RELEASES = [
    {
        "release": "1.0.0",
        "pins": {"damage_detector": 1},
        "is_stable": False,
        "weight_bp": 0,
        "ready_on": [],
        "ejected": 0,
        "benched": 0,
        "is_panicking": False,
        "panics": 0,
        "is_canary": False,
        "shadow_bp": 500,
        "is_serving": False,
    },
    {
        "release": "1.1.0",
        "pins": {"damage_detector": 2},
        "is_stable": True,
        "weight_bp": 10_000,
        "ready_on": ["triton-0"],
        "ejected": 1,
        "benched": 2,
        "is_panicking": True,
        "panics": 14,
        "is_canary": True,
        "shadow_bp": 0,
        "is_serving": True,
    },
]


@pytest.fixture
def edge() -> Edge:
    return Edge()


async def get(edge: Edge, path: str) -> Any:
    async with edge.client() as client:
        response = await client.get(path)
    assert response.status_code == 200
    return response.json()


@pytest.mark.parametrize("path", ["/api/v1/engines", "/api/v1/orchestrator/models"])
async def test_engines_are_shown_with_their_releases(edge: Edge, path: str) -> None:
    assert await get(edge, path) == {
        "engines": [
            {
                "name": "damage",
                "kind": "ensemble",
                "stable": "1.1.0",
                "is_ready": True,
                "releases": RELEASES,
                "admission": {
                    "limit": 40,
                    "in_flight": 3,
                    "admitted": {"high": 1, "normal": 20, "low": 5},
                    "shed": {"high": 0, "normal": 0, "low": 2},
                },
                "retry_budget_remaining": 29.5,
            }
        ]
    }


async def test_one_engines_releases_under_its_name_and_its_alias(edge: Edge) -> None:
    edge.status = FakeStatus((engine_view("materials"),))
    for name in ("materials", "material"):
        answer = await get(edge, f"/api/v1/engines/{name}/releases")
        assert answer == {"engine": "materials", "stable": "1.1.0", "releases": RELEASES}


async def test_an_engine_that_does_not_exist_is_named(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.get("/api/v1/engines/roof/releases")
        detail = check_problem(response, 404, ErrorCode.UNKNOWN_ENGINE, "engine")
        assert "known: damage" in detail


READY, WAITING = engine_view(), engine_view("volume", is_ready=False)
UP, DOWN = instance_view(), instance_view("triton-1", state="unreachable")
DRAINING = instance_view("triton-1", health="draining")


@pytest.mark.parametrize(
    ("engines", "instances", "word"),
    [
        ((READY,), (UP,), "ok"),
        ((READY,), (UP, DOWN), "degraded"),
        ((READY,), (UP, DRAINING), "degraded"),
        ((READY, WAITING), (UP,), "degraded"),
        ((WAITING,), (UP,), "unavailable"),
        ((), (DOWN,), "unavailable"),
        ((), (), "unavailable"),
    ],
)
async def test_health_is_one_word_and_what_it_rests_on(
    edge: Edge, engines: Any, instances: Any, word: str
) -> None:
    edge.status = FakeStatus(engines, instances)
    answer = await get(edge, "/api/v1/orchestrator/health")
    schemas.Health.model_validate(answer)
    assert answer["status"] == word
    assert answer["version"] == "0.1.0"
    assert answer["instances"] == {view.name: view.state for view in instances}
    assert set(answer["engines"]) == {view.name for view in engines}
    if READY in engines:
        expected = {"is_ready": True, "stable": "1.1.0", "ready_on": ["triton-0"]}
        assert answer["engines"]["damage"] == expected


async def test_alive_and_ready(edge: Edge) -> None:
    assert await get(edge, "/healthz") == {"status": "ok"}
    answer = await get(edge, "/readyz")
    schemas.Ready.model_validate(answer)
    assert answer == {"status": "ok", "not_ready": []}


async def test_ready_says_who_is_missing(edge: Edge) -> None:
    edge.status = FakeStatus((READY, WAITING), was_whole=True)
    assert await get(edge, "/readyz") == {"status": "ok", "not_ready": ["volume"]}
    assert (await get(edge, "/api/v1/orchestrator/health"))["status"] == "degraded"


async def test_alive_and_not_ready_when_it_is_about_to_stop(edge: Edge) -> None:
    edge.status = FakeStatus(is_stopping=True)
    assert await get(edge, "/healthz") == {"status": "ok"}
    async with edge.client() as client:
        refused = await client.get("/readyz")
    assert check_problem(refused, 503, ErrorCode.SHUTTING_DOWN, None) == "shutting down"


@pytest.mark.parametrize(
    ("engines", "named", "words"),
    [((READY, WAITING), ["volume"], "not ready: volume"), ((), [], "no engine is known")],
)
async def test_not_ready_says_who_is_missing(
    edge: Edge, engines: Any, named: list[str], words: str
) -> None:
    edge.status = FakeStatus(engines)
    async with edge.client() as client:
        response = await client.get("/readyz")
        assert words in check_problem(response, 503, ErrorCode.RELEASE_NOT_READY, None)
        assert response.json()["engines"] == named
        assert response.headers["retry-after"] == "1"
        assert (await client.get("/healthz")).status_code == 200


async def test_health_tells_of_a_plane_that_follows(edge: Edge) -> None:
    answer = await get(edge, "/api/v1/orchestrator/health")
    assert answer["status"] == "ok"
    assert answer["plane"] == "gate-1"
    assert answer["other_planes"] == []
    assert answer["leader"] == {"is_leading": False, "epoch": None, "since": None}
    assert answer["state"] == {"revision": 0, "is_away": False}
    assert answer["complaints"] == []


async def test_health_tells_of_the_leader_and_of_what_the_catalogue_lacks(edge: Edge) -> None:
    edge.standing.standing = Standing(
        "gate-1", ("gate-2",), epoch=3, led_since=NOON, revision=7, complaints=("1.1.0 is gone",)
    )
    answer = await get(edge, "/api/v1/orchestrator/health")
    schemas.Health.model_validate(answer)
    assert answer["status"] == "ok"
    assert answer["other_planes"] == ["gate-2"]
    assert answer["leader"] == {"is_leading": True, "epoch": 3, "since": "2025-01-31T12:00:00Z"}
    assert answer["state"]["revision"] == 7
    assert answer["complaints"] == ["1.1.0 is gone"]


async def test_without_the_queue_a_plane_is_degraded_and_still_ready(edge: Edge) -> None:
    assert (await get(edge, "/api/v1/orchestrator/health"))["queue"] == {"is_away": False}
    edge.standing.standing = Standing("gate-1", is_queue_away=True)
    answer = await get(edge, "/api/v1/orchestrator/health")
    schemas.Health.model_validate(answer)
    assert answer["status"] == "degraded"
    assert answer["queue"] == {"is_away": True}
    assert (await get(edge, "/readyz"))["status"] == "ok"


async def test_without_its_store_a_plane_is_degraded_and_still_ready(edge: Edge) -> None:
    edge.standing.standing = Standing("gate-1", is_store_away=True)
    answer = await get(edge, "/api/v1/orchestrator/health")
    assert answer["status"] == "degraded"
    assert answer["state"]["is_away"] is True
    assert (await get(edge, "/readyz"))["status"] == "ok"
