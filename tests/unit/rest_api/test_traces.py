"""``/api/v1/traces``, and what a detection leaves there."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.rest_api import trace_schemas as schemas
from control_plane.services.tracing import span
from tests.unit.rest_api.fakes import PHOTO, Edge, check_problem, upload
from tests.unit.services.tracing.making import tracer

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"


@pytest.fixture
def edge() -> Edge:
    edge = Edge()
    edge.tracing = tracer(edge.clock)
    return edge


async def get(edge: Edge, path: str) -> Any:
    async with edge.client() as client:
        response = await client.get(path)
    assert response.status_code == 200, response.text
    return response.json()


async def test_a_trace_is_shown_whole(edge: Edge) -> None:
    with edge.tracing.root("detect", correlation_id="c-1"):
        edge.clock.reading_s += 0.25
        with span("engine", engine="damage"):
            edge.clock.reading_s += 0.5
    shown = await get(edge, "/api/v1/traces/c-1")
    schemas.Trace.model_validate(shown)

    root, engine = shown.pop("spans")
    assert root == {
        "span_id": root["span_id"],
        "parent_id": None,
        "name": "detect",
        "start_ms": 0.0,
        "duration_ms": 750.0,
        "status": "ok",
        "error": None,
        "attributes": {},
    }
    assert (engine["parent_id"], engine["start_ms"]) == (root["span_id"], 250.0)
    assert engine["attributes"] == {"engine": "damage"}
    assert shown == {
        "trace_id": shown["trace_id"],
        "correlation_id": "c-1",
        "request_id": None,
        "name": "detect",
        "engines": ["damage"],
        "started_at": "2025-01-31T12:00:00Z",
        "duration_ms": 750.0,
        "status": "ok",
        "error": None,
        "refusal": None,
        "is_sampled": False,
        "is_complete": True,
        "parent_id": None,
        "spans_left_out": 0,
    }


async def test_one_that_is_under_way_is_shown(edge: Edge) -> None:
    with edge.tracing.root("detect", correlation_id="c-1"):
        shown = await get(edge, "/api/v1/traces/c-1")

    assert shown["is_complete"] is False
    assert shown["spans"][0]["duration_ms"] is None


async def test_one_that_is_not_kept_is_a_problem(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.get("/api/v1/traces/nobody")

    detail = check_problem(response, 404, ErrorCode.NOT_FOUND, "trace_id")
    assert "'nobody'" in detail


async def test_the_recent_ones_are_listed_without_their_spans(edge: Edge) -> None:
    with edge.tracing.root("detect", correlation_id="c-1"), span("engine", engine="materials"):
        edge.clock.reading_s += 2
    with (
        pytest.raises(ControlPlaneError),
        edge.tracing.root("detect", correlation_id="c-2"),
    ):
        raise ControlPlaneError(ErrorCode.OVERLOADED, "too much")
    listed = (await get(edge, "/api/v1/traces"))["traces"]

    assert [one["correlation_id"] for one in listed] == ["c-2", "c-1"]
    assert "spans" not in listed[0]
    assert (listed[0]["status"], listed[0]["error"]) == ("error", "overloaded: too much")
    for query, found in (
        ("limit=1", ["c-2"]),
        ("is_error=true", ["c-2"]),
        ("is_error=false", ["c-1"]),
        ("engine=material", ["c-1"]),
        ("slower_than_ms=1999", ["c-1"]),
        ("slower_than_ms=2000", []),
    ):
        listed = (await get(edge, f"/api/v1/traces?{query}"))["traces"]
        assert [one["correlation_id"] for one in listed] == found, query


@pytest.mark.parametrize("query", ["limit=0", "limit=501", "slower_than_ms=-1"])
async def test_a_query_that_is_wrong_is_refused(edge: Edge, query: str) -> None:
    async with edge.client() as client:
        response = await client.get(f"/api/v1/traces?{query}")

    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, query.partition("=")[0])


async def test_a_detection_is_a_trace_of_the_callers(edge: Edge) -> None:
    headers = {"traceparent": f"00-{TRACE}-{SPAN}-01", "x-correlation-id": "c-1"}
    async with edge.client() as client:
        answer = await client.post(
            "/api/v1/orchestrator/detect", files={"photo": ("roof.jpg", PHOTO)}, headers=headers
        )
    by_request = await get(edge, f"/api/v1/traces/{answer.json()['request_id']}")

    assert by_request == await get(edge, f"/api/v1/traces/{TRACE}")
    assert (by_request["trace_id"], by_request["parent_id"]) == (TRACE, SPAN)
    assert (by_request["name"], by_request["is_sampled"]) == ("detect", True)
    attributes = by_request["spans"][0]["attributes"]
    assert attributes == {
        "edge": "rest",
        "engines": "damage,materials,volume",
        "priority": "normal",
        "status": "completed",
    }


async def test_several_headers_of_one_name_are_one_list(edge: Edge) -> None:
    headers = [
        ("traceparent", f"00-{TRACE}-{SPAN}-01"),
        ("tracestate", "a=1"),
        ("tracestate", "b=2"),
    ]
    seen: list[Any] = []

    class Spy:
        def root(self, name: str, **how: Any) -> Any:
            seen.append(how["carried"])
            return edge.tracing.root(name, **how)

        find, recent = edge.tracing.find, edge.tracing.recent

    spied = Edge(detection=edge.detection)
    spied.tracing = Spy()  # type: ignore[assignment]
    async with spied.client() as client:
        await client.post(
            "/api/v1/orchestrator/detect", files={"photo": ("roof.jpg", PHOTO)}, headers=headers
        )

    assert seen == [{"traceparent": f"00-{TRACE}-{SPAN}-01", "tracestate": "a=1,b=2"}]


async def test_a_job_is_submitted_within_a_trace(edge: Edge) -> None:
    async with edge.client() as client:
        answer = await client.post(
            "/api/v1/orchestrator/detect",
            files={"photo": ("roof.jpg", PHOTO)},
            headers={"prefer": "respond-async", "x-correlation-id": "c-1"},
        )
    assert answer.status_code == 202
    shown = await get(edge, "/api/v1/traces/c-1")

    assert shown["name"] == "submit"


async def test_where_nothing_is_traced_everything_is_answered() -> None:
    edge = Edge()
    async with edge.client() as client:
        assert (await upload(client)).status_code == 200

    assert await get(edge, "/api/v1/traces") == {"traces": []}
