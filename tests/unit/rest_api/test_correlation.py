"""The id in, through and out; the access line; the headers every answer has."""

from __future__ import annotations

import uuid
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from control_plane.rest_api.correlation import CorrelationMiddleware
from tests.unit.rest_api.fakes import UUID, Edge, engine_view, upload


@pytest.fixture
def edge() -> Edge:
    return Edge()


@pytest.mark.parametrize("path", ["/healthz", "/nothing", "/api/v1/fleet", "/docs"])
async def test_a_good_id_comes_back_with_every_answer(edge: Edge, path: str) -> None:
    async with edge.client() as client:
        response = await client.get(path, headers={"X-Correlation-ID": "Shop:42/roof_7.a-b"})
    assert response.headers["x-correlation-id"] == "Shop:42/roof_7.a-b"


@pytest.mark.parametrize("bad", ["", "a" * 129, "with space", "line\\nbreak{}", "ü"])
async def test_a_bad_id_is_replaced(edge: Edge, bad: str) -> None:
    async with edge.client() as client:
        response = await client.get("/healthz", headers={"X-Correlation-ID": bad.encode()})
    made = response.headers["x-correlation-id"]
    assert uuid.UUID(made).version == 4


async def test_the_id_reaches_the_service_and_its_log_lines(edge: Edge) -> None:
    seen: list[dict[str, Any]] = []

    class Looking(type(edge.detection)):  # type: ignore[misc]
        async def detect(self, request: Any) -> Any:
            seen.append(dict(structlog.contextvars.get_contextvars()))
            return await super().detect(request)

    edge.detection = Looking()
    async with edge.client() as client:
        response = await client.post(
            "/api/v1/orchestrator/detect",
            files={"photo": b"x"},
            data={"metadata.project_id": UUID},
            headers={"X-Correlation-ID": "c-1"},
        )
        assert edge.detection.asked[0].correlation_id == "c-1"
        assert response.json()["correlation_id"] == "c-1"
        second = await upload(client)
    assert seen == [
        {"correlation_id": "c-1", "project_id": UUID},
        {"correlation_id": second.headers["x-correlation-id"]},
    ]


async def test_one_access_line_per_request_with_the_route_and_not_the_path(edge: Edge) -> None:
    async with edge.client() as client:
        with capture_logs() as lines:
            await client.get("/api/v1/engines/damage/releases")
            await client.get("/nothing/at/all")
            await client.get("/healthz")
    told = [(line["log_level"], line["route"], line["status"], line["method"]) for line in lines]
    assert told == [
        ("info", "/api/v1/engines/{engine}/releases", 200, "GET"),
        ("info", "unmatched", 404, "GET"),
        ("debug", "/healthz", 200, "GET"),
    ]
    assert all(line["duration_ms"] == 0.0 for line in lines)


async def test_browsers_are_told_not_to_guess_or_frame(edge: Edge) -> None:
    async with edge.client() as client:
        for path in ("/healthz", "/nothing", "/docs"):
            headers = (await client.get(path)).headers
            assert headers["x-content-type-options"] == "nosniff"
            assert "frame-ancestors 'none'" in headers["content-security-policy"]
            assert "server" not in headers


async def test_what_is_not_http_passes_by() -> None:
    passed: list[str] = []

    async def app(scope: Any, receive: Any, send: Any) -> None:
        passed.append(scope["type"])

    async def never(*_: Any) -> Any:
        raise AssertionError

    await CorrelationMiddleware(app, lambda: 0.0)({"type": "lifespan"}, never, never)
    assert passed == ["lifespan"]


async def test_the_line_of_a_refused_request_has_its_code_and_nothing_that_the_caller_wrote(
    edge: Edge,
) -> None:
    merge = structlog.contextvars.merge_contextvars
    async with edge.client() as client:
        with capture_logs(processors=[merge]) as lines:
            await client.get("/a-secret-in-a-path")
            await client.put("/api/v1/log-level", json={"level": "a-secret"})
            await client.get("/healthz")
    told = [(line.get("code"), line.get("field"), line.get("reason")) for line in lines]
    assert told[-3:] == [
        ("not_found", "path", None),
        ("invalid_argument", "level", None),
        (None, None, None),
    ]
    assert "secret" not in str(lines)


async def test_the_line_of_a_failed_request_has_its_reason(edge: Edge) -> None:
    edge.status.engine_views = (engine_view(is_ready=False),)
    edge.status.was_whole = False
    async with edge.client() as client:
        with capture_logs(processors=[structlog.contextvars.merge_contextvars]) as lines:
            answer = await client.get("/readyz")
    assert answer.status_code == 503
    assert lines[-1]["reason"] == answer.json()["detail"]
    assert "code" not in structlog.contextvars.get_contextvars()
