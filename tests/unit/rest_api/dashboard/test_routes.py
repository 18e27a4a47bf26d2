"""The pages' addresses: what they answer, under which policy, and what they refuse."""

from __future__ import annotations

import asyncio
import re
from urllib.parse import quote

import pytest
from structlog.testing import capture_logs

from control_plane.errors import ErrorCode
from control_plane.rest_api.dashboard.assets import FOLDER, MEDIA_TYPES
from tests.unit.rest_api.fakes import Edge, FakeStatus, check_problem, engine_view, instance_view

PAGES = ("/", "/?span=1m", "/dashboard/engines/damage", "/dashboard/engines/damage?latency=p50")


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_loads_nothing_from_elsewhere_and_has_nothing_inline(path: str) -> None:
    async with Edge().client() as client:
        page = await client.get(path)
        assert page.status_code == 200
        policy = page.headers["content-security-policy"]
        assert "script-src 'self';" in policy
        assert "style-src 'self';" in policy
        assert "unsafe" not in policy
        assert page.headers["referrer-policy"] == "same-origin"
        assert page.headers["cache-control"] == "no-store"
        assert not re.search(r"<script>|<style| style=| on\w+=|//(?!www\.w3\.org)", page.text)
        links = re.findall(r'(?:src|href)="(/dashboard/static/[^"]+)"', page.text)
        assert len(links) >= 8
        for link in links:
            asset = await client.get(link)
            assert asset.status_code == 200
            assert "immutable" in asset.headers["cache-control"]


async def test_every_file_is_served_with_its_kind_and_asked_for_once() -> None:
    names = [path.name for path in FOLDER.iterdir() if path.suffix in MEDIA_TYPES]
    assert {"htmx.min.js", "uplot.min.js", "dashboard.js", "dashboard.css"} <= set(names)
    async with Edge().client() as client:
        for name in names:
            asset = await client.get(f"/dashboard/static/{name}")
            assert asset.headers["content-type"] == MEDIA_TYPES["." + name.rpartition(".")[2]]
            assert asset.headers["cache-control"] == "no-cache"
            assert b"sourceMappingURL" not in asset.content
            known = {"If-None-Match": asset.headers["etag"]}
            again = await client.get(f"/dashboard/static/{name}", headers=known)
            assert (again.status_code, again.content) == (304, b"")
        for missing in ("none.js", "NOTICE", "..%2fassets.py"):
            answer = await client.get(f"/dashboard/static/{missing}")
            assert answer.status_code == 404


async def test_what_is_not_there_is_said_on_a_page() -> None:
    async with Edge().client() as client:
        unknown = await client.get("/dashboard/engines/%3Cscript%3E")
        assert unknown.status_code == 404
        assert unknown.headers["content-type"] == "text/html; charset=utf-8"
        assert "unknown engine &#39;&lt;script&gt;&#39;" in unknown.text
        assert "<script>" not in unknown.text
        wrong = await client.get("/?span=2h")
        assert wrong.status_code == 400
        assert "span is &#39;2h&#39;; it must be one of 1m, 5m, 15m" in wrong.text
        long = await client.get("/?span=" + "x" * 300)
        assert long.status_code == 400


async def test_the_docs_are_still_there() -> None:
    async with Edge().client() as client:
        assert "swagger-ui" in (await client.get("/docs")).text
        document = (await client.get("/openapi.json")).json()
    assert not [path for path in document["paths"] if path.startswith("/dashboard")]


async def read_events(edge: Edge, path: str, *, until: bytes) -> bytes:
    """What the stream brings, until it has brought that; then the server stops."""
    found = b""

    async def receive() -> dict[str, object]:
        await asyncio.Event().wait()
        raise AssertionError

    async def send(message: dict[str, object]) -> None:
        nonlocal found
        if message["type"] == "http.response.body":
            body = message.get("body", b"")
            assert isinstance(body, bytes)
            found += body
            if until in found:
                edge.stopping.set()
        else:
            assert message["status"] == 200

    from control_plane.rest_api.app import create_app

    plain, _, query = path.partition("?")
    scope = {
        "type": "http",
        "method": "GET",
        "path": plain,
        "raw_path": plain.encode(),
        "query_string": query.encode(),
        "headers": [],
        "http_version": "1.1",
        "asgi": {"version": "3.0", "spec_version": "2.4"},
    }
    async with asyncio.timeout(30):
        await create_app(edge.services())(scope, receive, send)
    return found


async def test_the_stream_brings_every_fragment_of_the_page() -> None:
    events = await read_events(Edge(), "/dashboard/events?page=overview", until=b"event: tick")
    assert events.startswith(b"retry: ")
    names = re.findall(rb"^event: (\w+)$", events, re.MULTILINE)
    assert names == [
        *(b"trouble", b"attention", b"engines", b"instances", b"queues", b"plane", b"lately"),
        b"tick",
    ]
    assert re.search(rb'^data: \{"at":\d+,"assets":"[0-9a-f]{12}"\}$', events, re.MULTILINE)


async def test_an_engine_that_is_gone_is_said_in_the_stream() -> None:
    path = "/dashboard/events?page=engine&engine=gone&span=15m&latency=p95"
    events = await read_events(Edge(), path, until=b"event: tick")
    assert b"unknown engine" in events
    assert re.findall(rb"^event: (\w+)$", events, re.MULTILINE) == [b"trouble", b"tick"]


async def test_a_mistake_in_here_is_told_and_not_taken_for_a_lost_connection(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    edge = Edge()

    def boom() -> None:
        raise RuntimeError("secret")

    monkeypatch.setattr(edge.status, "instances", boom)
    with capture_logs() as logs:
        path = "/dashboard/events?page=overview"
        events = await read_events(edge, path, until=b"event: tick")
        async with edge.client() as client:
            page = await client.get("/")
    assert re.findall(rb"^event: (\w+)$", events, re.MULTILINE) == [b"trouble", b"tick"]
    assert b"something went wrong here; the log has it" in events
    assert page.status_code == 500
    assert "something went wrong here; the log has it" in page.text
    assert "secret" not in page.text
    said = [line for line in logs if line["event"] == "the dashboard could not render"]
    assert [line["page"] for line in said] == ["overview", "overview"]


async def test_streams_are_refused_that_make_no_sense_or_are_too_many() -> None:
    edge = Edge()
    async with edge.client() as client:
        none = await client.get("/dashboard/events?page=nothing")
        check_problem(none, 404, ErrorCode.NOT_FOUND, "page")
        edge.stopping.set()
        stopping = await client.get("/dashboard/events?page=overview")
        check_problem(stopping, 503, ErrorCode.SHUTTING_DOWN, None)


HOSTILE = '"><img src=x onerror=window.pwned=1>'


async def test_what_strangers_chose_is_text_everywhere() -> None:
    view, instance = engine_view(HOSTILE), instance_view(HOSTILE, health="unhealthy")
    edge = Edge(status=FakeStatus(engine_views=(view,), instance_views=(instance,)))
    async with edge.client() as client:
        for path in ("/", "/dashboard/engines/" + quote(HOSTILE)):
            page = await client.get(path)
            assert page.status_code == 200
            assert "&#34;&gt;&lt;img src=x onerror" in page.text
            assert "<img src=x" not in page.text
