"""What a worker answers: that it is well, what it counts, how much it logs; and nothing else."""

from __future__ import annotations

import json

import httpx
import pytest

from control_plane.errors import ConfigurationError, ErrorCode
from control_plane.rest_api.hosts import AllowedHosts
from control_plane.rest_api.server import HttpServer
from control_plane.rest_api.worker_app import create_worker_app
from tests.unit.fake_logs import FakeLevels, make_log_level
from tests.unit.rest_api.fakes import Edge, FakeStatus, check_problem, engine_view


def client_of(edge: Edge) -> httpx.AsyncClient:
    app = create_worker_app(
        status=edge.status,
        metrics=edge,
        log_level=edge.log_level,
        version="0.1.0",
        clock=edge.clock,
        hosts=edge.hosts,
    )
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://worker")


async def test_it_is_alive_ready_and_counts() -> None:
    edge = Edge()
    async with client_of(edge) as client:
        assert (await client.get("/healthz")).status_code == 200
        assert (await client.get("/readyz")).status_code == 200
        metrics = await client.get("/metrics")

    assert metrics.content == edge.metrics
    assert metrics.headers["content-type"].startswith("text/plain; version=0.0.4")


async def test_it_is_not_ready_while_no_engine_is() -> None:
    edge = Edge(status=FakeStatus((engine_view("damage", is_ready=False),)))
    async with client_of(edge) as client:
        check_problem(await client.get("/readyz"), 503, ErrorCode.RELEASE_NOT_READY, None)


async def test_its_log_level_can_be_changed() -> None:
    levels = FakeLevels()
    async with client_of(Edge(log_level=make_log_level(levels))) as client:
        await client.put("/api/v1/log-level", json={"level": "debug"})

    assert levels.level() == "debug"


async def test_it_takes_no_requests_and_no_orders() -> None:
    async with client_of(Edge()) as client:
        for path in ("/api/v1/orchestrator/detect", "/api/v1/fleet", "/docs", "/openapi.json", "/"):
            answer = await client.get(path)
            assert answer.status_code == 404
            assert json.loads(answer.content)["code"] == "not_found"


async def test_a_port_that_is_taken_is_told_by_its_setting() -> None:
    app = create_worker_app(
        status=FakeStatus(),
        metrics=Edge(),
        log_level=make_log_level(),
        version="0.1.0",
        clock=Edge().clock,
        hosts=Edge().hosts,
    )
    names = ("worker.http_host", "worker.http_port")
    first = HttpServer(app, "127.0.0.1", 0, settings=names)
    await first.start()
    try:
        with pytest.raises(ConfigurationError) as refused:
            await HttpServer(app, "127.0.0.1", first.port, settings=names).start()
        assert refused.value.field == "worker.http_port"
        assert "set worker.http_port to another" in refused.value.message
        with pytest.raises(ConfigurationError) as refused:
            await HttpServer(app, "no.such.host.invalid", 0, settings=names).start()
        assert refused.value.field == "worker.http_host"
    finally:
        await first.stop(0)


async def test_a_wrong_path_is_told_what_a_worker_has() -> None:
    async with client_of(Edge()) as client:
        detail = (await client.get("/api/v1/traces/c-1")).json()["detail"]
    assert "/docs" not in detail
    assert "/api/v1/log-level; traces and all else are asked of a control plane" in detail


async def test_it_answers_to_its_own_names_alone() -> None:
    edge = Edge(hosts=AllowedHosts((), "worker.http_allowed_hosts"))
    async with client_of(edge) as client:
        for path in ("/metrics", "/healthz", "/api/v1/log-level"):
            refused = await client.get(path)
            said = check_problem(refused, 421, ErrorCode.PERMISSION_DENIED, "Host")
            assert "worker.http_allowed_hosts" in said
            assert (await client.get(path, headers={"Host": "10.1.2.3"})).status_code == 200
