"""A name that is not answered to reaches nothing; what no page can be behind is served."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import httpx
import pytest
from structlog.testing import capture_logs

from control_plane.errors import ErrorCode
from control_plane.rest_api.app import create_app
from control_plane.rest_api.hosts import AllowedHosts
from control_plane.rest_api.server import HttpServer
from tests.unit.rest_api.fakes import Edge, check_problem
from tests.unit.rest_api.test_server import wire_to

REBOUND = "rebound.example:9000"
ALWAYS = (
    "localhost",
    "LocalHost:9000",
    "localhost.",
    "gate.localhost:9000",
    "127.0.0.1",
    "127.8.9.1:9000",
    "10.1.2.3:9000",
    "203.0.113.7",
    "[::1]",
    "[::1]:9000",
    "[2001:db8::7]:9000",
    "",
)
NEVER = (
    "rebound.example",
    REBOUND,
    "localhost.rebound.example",
    "127.0.0.1.rebound.example:9000",
    "notlocalhost",
    "[rebound.example]",
    "[localhost]",
    # What begins like an address.
    "[::1].rebound.example",
    "[::1",
    "127.0.0.1:80@rebound.example",
    "127.0.0.1:80:rebound.example",
    "localhost:rebound.example",
    "user@127.0.0.1",
    # As no browser writes an address; a name server might be asked for it.
    "127.1",
    "0x7f000001",
    ":9000",
    "rebound.example\xff",
)


@asynccontextmanager
async def client_of(edge: Edge, *names: str) -> AsyncIterator[httpx.AsyncClient]:
    edge.hosts = AllowedHosts(names)
    async with edge.client() as client:
        yield client


@pytest.mark.parametrize("host", ALWAYS)
def test_no_page_can_be_behind_these(host: str) -> None:
    assert AllowedHosts(()).has(host)
    assert AllowedHosts(("gate.example",)).has(host)


@pytest.mark.parametrize("host", NEVER)
def test_a_name_that_is_not_given_is_none(host: str) -> None:
    assert not AllowedHosts(()).has(host)
    assert not AllowedHosts(("gate.example", ".lan.example", "*.pods.example")).has(host)


@pytest.mark.parametrize(
    ("name", "has", "has_not"),
    [
        ("gate.example", ["gate.example", "GATE.example:80", "gate.example."], ["a.gate.example"]),
        (
            ".lan.example",
            ["lan.example", "a.lan.example", "a.b.lan.example:9000"],
            ["alan.example", "lan.example.rebound.example"],
        ),
        ("*.lan.example", ["a.lan.example:9000"], ["lan.example", "alan.example"]),
        ("*", list(NEVER), []),
    ],
)
def test_a_name_stands_for(name: str, has: list[str], has_not: list[str]) -> None:
    hosts = AllowedHosts((name,))
    assert [host for host in has if not hosts.has(host)] == []
    assert [host for host in has_not if hosts.has(host)] == []


@pytest.mark.parametrize(
    "path", ["/", "/dashboard/jobs", "/api/v1/fleet", "/metrics", "/healthz", "/readyz", "/docs"]
)
async def test_nothing_is_exempt(path: str) -> None:
    async with client_of(Edge()) as client:
        refused = await client.get(path, headers={"Host": REBOUND})
        assert (await client.get(path, headers={"Host": "10.1.2.3:9000"})).status_code == 200
    detail = check_problem(refused, 421, ErrorCode.PERMISSION_DENIED, "Host")
    assert "add the name to http.allowed_hosts" in detail
    assert "rebound" not in refused.text


async def test_a_page_that_rebound_its_name_gives_no_orders() -> None:
    edge = Edge()
    # All that the dashboard's check of the origin asks for.
    headers = {"Host": REBOUND, "Origin": f"http://{REBOUND}", "HX-Request": "true"}
    order = "/dashboard/instances/triton-0/drain"
    async with client_of(edge) as client:
        refused = await client.post(order, headers=headers, data={"who": "", "reason": ""})
        check_problem(refused, 421, ErrorCode.PERMISSION_DENIED, "Host")
        refused = await client.post(
            "/api/v1/fleet/triton-0/drain", headers={"Host": REBOUND}, json={"by": "page"}
        )
        check_problem(refused, 421, ErrorCode.PERMISSION_DENIED, "Host")
    assert edge.operations.done == []


async def test_a_name_that_is_given_is_served_and_one_that_is_not_is_in_the_log() -> None:
    async with client_of(Edge(), ".lan.example") as client:
        answer = await client.get("/api/v1/fleet", headers={"Host": "gate.lan.example:9000"})
        assert answer.status_code == 200
        with capture_logs() as logs:
            await client.get("/api/v1/fleet", headers={"Host": REBOUND})
    (line,) = (line for line in logs if line["event"] == "request")
    assert line["status"] == 421
    assert "rebound" not in str(line)


async def test_the_second_of_two_is_looked_at_too() -> None:
    async with client_of(Edge()) as client:
        headers = [("Host", "localhost"), ("Host", REBOUND)]
        assert (await client.get("/healthz", headers=headers)).status_code == 421


async def test_a_probe_by_http_1_0_names_no_host() -> None:
    edge = Edge(hosts=AllowedHosts(()))
    server = HttpServer(create_app(edge.services()), "127.0.0.1", 0, stopping=edge.stopping)
    await server.start()
    try:
        async with wire_to(server) as wire:
            await wire.say(b"GET /healthz HTTP/1.0\r\n\r\n")
            status, headers, _ = await wire.read_answer()
            assert (status, headers["content-type"]) == (200, "application/json")
    finally:
        await server.stop(0)
