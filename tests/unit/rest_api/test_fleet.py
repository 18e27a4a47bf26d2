"""The fleet over REST: what is shown, what is done, and what is no request to act."""

from __future__ import annotations

from dataclasses import asdict, replace
from datetime import datetime
from typing import Any

import pytest

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import fleet_schemas as schemas
from control_plane.services.operations import Action
from control_plane.services.status import LoadView
from tests.unit.rest_api.fakes import NOON, Edge, FakeOperations, check_problem, instance_view

DRAIN = "/api/v1/fleet/triton-0/drain"
CHANGE = {
    "at": "2025-01-31T12:00:00Z",
    "instance": "triton-0",
    "engine": None,
    "was": "unknown",
    "now": "healthy",
    "reason": "all is well",
}
INSTANCE = {
    "name": "triton-0",
    "url": "127.0.0.1:8001",
    "state": "ready",
    "serving": {"damage": ["1.1.0"]},
    "in_flight": 2,
    "breakers": {},
    "reason": "",
    "observed_ago_s": 0.25,
    "health": "healthy",
    "health_reason": "all is well",
    "health_since": "2025-01-31T12:00:00Z",
    "engines": {"damage": {"fitness": "fit", "reason": "probe: ok", "in_flight": 2}},
    "last_change": CHANGE,
    "load": None,
    "load_reason": "not scraped yet",
}


@pytest.fixture
def edge() -> Edge:
    return Edge()


async def test_what_an_instance_says_of_its_load_is_shown_as_it_is(edge: Edge) -> None:
    load = LoadView(0.5, 3, {"damage 1.0.0": 12.5}, 0.25, 1, 2, None, None, None)
    edge.status.instance_views = (replace(instance_view(), load=load, load_reason=""),)
    async with edge.client() as client:
        shown = (await client.get("/api/v1/fleet")).json()["instances"][0]
    assert shown["load"] == asdict(load)
    assert shown["load_reason"] == ""


async def test_the_fleet_is_shown_with_what_changed_lately(edge: Edge) -> None:
    async with edge.client() as client:
        answer = (await client.get("/api/v1/fleet")).json()
    assert answer == {"instances": [INSTANCE], "changes": [CHANGE]}
    assert datetime.fromisoformat(answer["changes"][0]["at"]) == NOON  # as RFC 3339 has it


async def test_one_instance_is_shown_with_its_history(edge: Edge) -> None:
    async with edge.client() as client:
        answer = (await client.get("/api/v1/fleet/triton-0")).json()
        unknown = await client.get("/api/v1/fleet/triton-7")
    assert answer == {**INSTANCE, "history": [CHANGE, {**CHANGE, "engine": "damage"}]}
    check_problem(unknown, 404, ErrorCode.NOT_FOUND, "instance")


@pytest.mark.parametrize("action", list(Action))
async def test_an_action_is_done_and_the_instance_shown(edge: Edge, action: Action) -> None:
    async with edge.client() as client:
        body = {"reason": "new driver", "force": True, "who": "ada"}
        response = await client.post(f"/api/v1/fleet/triton-0/{action}", json=body)
    assert response.status_code == 200
    schemas.InstanceWithHistory.model_validate(response.json())
    assert edge.operations.done == [(action, "triton-0", "ada", "new driver", True)]


@pytest.mark.parametrize("body", [b"", b"{}"])
async def test_reason_and_force_may_be_left_out(edge: Edge, body: bytes) -> None:
    async with edge.client() as client:
        headers = {"content-type": "application/json; charset=utf-8"}
        response = await client.post(DRAIN, content=body, headers=headers)
    assert response.status_code == 200
    assert edge.operations.done == [(Action.DRAIN, "triton-0", "rest", "", False)]


# What a page of another origin can send without asking first (Fetch, "CORS-safelisted").
@pytest.mark.parametrize(
    "headers",
    [
        {},
        {"content-type": "text/plain"},
        {"content-type": "application/x-www-form-urlencoded"},
        {"content-type": "multipart/form-data; boundary=x"},
        {"content-type": "text/plain; application/json"},
    ],
)
@pytest.mark.parametrize("body", [b"", b'{"force": true}'])
async def test_what_a_web_page_could_send_does_nothing(
    edge: Edge, headers: dict[str, str], body: bytes
) -> None:
    async with edge.client() as client:
        response = await client.post(DRAIN, content=body, headers=headers)
        detail = check_problem(response, 415, ErrorCode.INVALID_ARGUMENT, "Content-Type")
        assert "send application/json, also without a body" in detail
    assert edge.operations.done == []


async def test_a_browser_that_asks_first_is_told_no(edge: Edge) -> None:
    asking = {"origin": "http://evil.example", "access-control-request-method": "POST"}
    async with edge.client() as client:
        response = await client.options(DRAIN, headers=asking)
    assert response.status_code == 405
    assert not [name for name in response.headers if name.startswith("access-control-")]


@pytest.mark.parametrize(
    ("body", "field"),
    [
        (b"[]", "body"),
        (b"{", "body"),
        (b'{"force": "yes"}', "force"),
        (b'{"reason": 7}', "reason"),
        (b'{"who": "ada\\u0007"}', "who"),
        (b'{"forced": true}', "forced"),
    ],
)
async def test_a_mistake_in_the_body_is_named(edge: Edge, body: bytes, field: str) -> None:
    async with edge.client() as client:
        response = await client.post(
            DRAIN, content=body, headers={"content-type": "application/json"}
        )
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field)
    assert edge.operations.done == []


async def test_an_action_that_does_not_exist_is_told_with_those_that_do(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.post("/api/v1/fleet/triton-0/reboot", json={})
        detail = check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "action")
    assert all(action in detail for action in Action)


async def test_a_conflict_is_409(edge: Edge) -> None:
    edge.operations = FakeOperations(error=ControlPlaneError(ErrorCode.CONFLICT, "the last one"))
    async with edge.client() as client:
        response: Any = await client.post(DRAIN, json={})
        assert check_problem(response, 409, ErrorCode.CONFLICT, None) == "the last one"
