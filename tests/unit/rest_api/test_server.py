"""HttpServer on a real socket: start, stop, and callers who do not keep to the rules."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import pytest
from structlog.testing import capture_logs

from control_plane.errors import ConfigurationError, ErrorCode
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpLimits, HttpServer
from tests.unit.fake_jobs import JOB_ID, make_job
from tests.unit.rest_api.fakes import DETECT, PHOTO, Edge, assert_still_answers, check_problem

LIMITS = HttpLimits(head_timeout_s=0.2, linger_s=0.2, max_head_bytes=4096)
PATIENT_S = 10.0


@pytest.fixture
def edge() -> Edge:
    return Edge()


@asynccontextmanager
async def serve(edge: Edge, limits: HttpLimits = LIMITS) -> AsyncIterator[HttpServer]:
    server = HttpServer(create_app(edge.services()), "127.0.0.1", 0, limits, edge.stopping)
    await server.start()
    try:
        yield server
    finally:
        await server.stop(0)


def client_of(server: HttpServer) -> httpx.AsyncClient:
    return httpx.AsyncClient(base_url=server.url, trust_env=False, timeout=PATIENT_S)


class Wire:
    """A connection on which anything can be said."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.reader = reader
        self.writer = writer

    async def say(self, words: bytes) -> None:
        self.writer.write(words)
        await self.writer.drain()

    async def read_answer(self) -> tuple[int, dict[str, str], Any]:
        async with asyncio.timeout(PATIENT_S):
            head = (await self.reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
            headers = dict(line.lower().split(": ", 1) for line in head[1:] if line)
            body = await self.reader.readexactly(int(headers["content-length"]))
        return int(head[0].split()[1]), headers, json.loads(body)

    async def wait_until_closed(self) -> bytes:
        """What still comes before the server ends the connection."""
        async with asyncio.timeout(PATIENT_S):
            try:
                return await self.reader.read()
            except ConnectionResetError:
                return b""


@asynccontextmanager
async def wire_to(server: HttpServer) -> AsyncIterator[Wire]:
    reader, writer = await asyncio.open_connection("127.0.0.1", server.port)
    try:
        yield Wire(reader, writer)
    finally:
        writer.close()


async def no_more_connections(server: HttpServer) -> None:
    async with asyncio.timeout(PATIENT_S):
        while True:
            try:
                async with wire_to(server):
                    continue
            except ConnectionError:  # refused, or reset as the listener closes
                return


async def test_it_serves_and_stops_and_leaves_signals_alone(edge: Edge) -> None:
    handlers = [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
    async with serve(edge) as server:
        assert handlers == [signal.getsignal(number) for number in (signal.SIGINT, signal.SIGTERM)]
        assert server.url == f"http://127.0.0.1:{server.port}"
        async with client_of(server) as client:
            await assert_still_answers(client)
            response = await client.get("/healthz")
        assert "server" not in response.headers
        assert response.headers["x-correlation-id"]
    with pytest.raises(ConnectionRefusedError):
        await asyncio.open_connection("127.0.0.1", server.port)


async def test_a_taken_port_is_named_with_its_setting(edge: Edge) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        server = HttpServer(create_app(edge.services()), "127.0.0.1", port)
        with pytest.raises(ConfigurationError) as refusal:
            await server.start()
        await server.stop(0)
    assert refusal.value.field == "http.port"
    for words in ("127.0.0.1", str(port), "http.port", "in use"):
        assert words in refusal.value.message


async def test_a_host_that_is_not_ours_is_named_with_its_setting(edge: Edge) -> None:
    server = HttpServer(create_app(edge.services()), "no-such-host.invalid", 0)
    with pytest.raises(ConfigurationError) as refusal:
        await server.start()
    assert refusal.value.field == "http.host"
    assert "no-such-host.invalid" in refusal.value.message


async def test_stopping_lets_a_request_under_way_finish(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    async with serve(edge) as server, client_of(server) as client:
        request = asyncio.create_task(client.post(DETECT, files={"photo": PHOTO}))
        await edge.detection.started.wait()
        stop = asyncio.create_task(server.stop(PATIENT_S))
        await no_more_connections(server)
        edge.detection.gate.set()
        assert (await request).status_code == 200
        await stop


async def test_stopping_ends_what_takes_longer_than_the_grace(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    async with serve(edge) as server, client_of(server) as client:
        request = asyncio.create_task(client.post(DETECT, files={"photo": PHOTO}))
        await edge.detection.started.wait()
        async with asyncio.timeout(PATIENT_S):
            await server.stop(0.01)
            result = (await asyncio.gather(request, return_exceptions=True))[0]
    assert edge.detection.cancelled.is_set()
    assert isinstance(result, httpx.HTTPError) or result.status_code >= 500


async def test_stopping_ends_event_streams_at_once(edge: Edge) -> None:
    edge.jobs.put(make_job())
    async with serve(edge) as server, client_of(server) as client:
        async with client.stream("GET", f"/api/v1/orchestrator/status/{JOB_ID}/events") as stream:
            lines = stream.aiter_lines()
            heard = [await anext(lines) for _ in range(3)]
            assert heard[2] == "event: status"
            stopping = asyncio.create_task(server.stop(60))
            # It ends as an answer that is whole, not as a connection that breaks.
            assert [line async for line in lines][-1] == ""
        await stopping
    assert edge.jobs.watching == 0


async def test_a_caller_who_leaves_an_event_stream_leaves_nothing_behind(edge: Edge) -> None:
    edge.jobs.put(make_job())
    async with serve(edge) as server, client_of(server) as client:
        async with client.stream("GET", f"/api/v1/orchestrator/status/{JOB_ID}/events") as stream:
            await anext(stream.aiter_lines())
        async with asyncio.timeout(5):
            while edge.jobs.watching:  # noqa: ASYNC110 - the server's end has no event of its own
                await asyncio.sleep(0.01)


async def test_stopping_again_with_less_patience_ends_the_rest_sooner(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    async with serve(edge) as server, client_of(server) as client:
        request = asyncio.create_task(client.post(DETECT, files={"photo": PHOTO}))
        await edge.detection.started.wait()
        gentle = asyncio.create_task(server.stop(3600))
        await no_more_connections(server)
        assert not gentle.done()
        async with asyncio.timeout(PATIENT_S):
            await server.stop(0)
            await gentle
            await asyncio.gather(request, return_exceptions=True)
    assert edge.detection.cancelled.is_set()


async def test_before_it_stops_each_connection_ends_with_an_answer_that_says_so(
    edge: Edge,
) -> None:
    async with serve(edge) as server, wire_to(server) as wire:
        await wire.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert "connection" not in (await wire.read_answer())[1]
        await server.announce_stop()
        await wire.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        status, headers, _ = await wire.read_answer()
        assert (status, headers["connection"]) == (200, "close")
        assert await wire.wait_until_closed() == b""
        async with client_of(server) as client:
            await assert_still_answers(client)


async def test_a_caller_who_hangs_up_takes_the_work_along(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    async with serve(edge) as server:
        body = json.dumps({"photo_url": edge.photos.url}).encode()
        async with wire_to(server) as wire:
            await wire.say(
                b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\n"
                b"Content-Length: %d\r\n\r\n%b" % (DETECT.encode(), len(body), body)
            )
            await edge.detection.started.wait()
        async with asyncio.timeout(PATIENT_S):
            await edge.detection.cancelled.wait()


@pytest.mark.parametrize(
    ("words", "status", "code"),
    [
        (b"hello there\r\n\r\n", 400, ErrorCode.INVALID_ARGUMENT),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400, ErrorCode.INVALID_ARGUMENT),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000 + b"\r\n\r\n", 431, ErrorCode.MESSAGE_TOO_LARGE),
        (b"GET / HTTP/1.1\r\nX: " + b"a" * 5000, 431, ErrorCode.MESSAGE_TOO_LARGE),
        (b"GET /" + b"a" * 5000 + b" HTTP/1.1\r\nX: y\r\n\r\n", 431, ErrorCode.MESSAGE_TOO_LARGE),
        (b"GET / HTTP/1.1\r\n" + b"X: y\r\n" * 3000, 431, ErrorCode.MESSAGE_TOO_LARGE),
    ],
)
async def test_a_bad_head_is_a_problem_and_the_end_of_its_connection_only(
    edge: Edge, words: bytes, status: int, code: ErrorCode
) -> None:
    async with serve(edge) as server:
        async with wire_to(server) as wire:
            await wire.say(words)
            told, headers, body = await wire.read_answer()
            assert (told, body["status"], body["code"]) == (status, status, code.value)
            assert headers["content-type"] == "application/problem+json"
            assert headers["x-correlation-id"] == body["correlation_id"]
            if status == 431:
                assert "4096" in body["detail"]
            assert await wire.wait_until_closed() == b""
        async with client_of(server) as client:
            await assert_still_answers(client)


async def test_a_bad_head_is_logged_under_the_id_that_it_brought(edge: Edge) -> None:
    async with serve(edge) as server, wire_to(server) as wire:
        with capture_logs() as lines:
            await wire.say(
                b"GET / HTTP/1.1\r\nX-Correlation-ID: c-8\r\nX: " + b"a" * 5000 + b"\r\n\r\n"
            )
            _, headers, body = await wire.read_answer()
        assert headers["x-correlation-id"] == body["correlation_id"] == "c-8"
    assert [(line["status"], line["correlation_id"]) for line in lines] == [(431, "c-8")]


async def test_what_follows_a_request_and_is_none_does_not_get_its_id(edge: Edge) -> None:
    async with serve(edge) as server, wire_to(server) as wire:
        await wire.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\nX-Correlation-ID: c-9\r\n\r\n")
        assert (await wire.read_answer())[1]["x-correlation-id"] == "c-9"
        await wire.say(b"\x16\x03\x01\x02\x00\r\n\r\n")
        status, headers, _ = await wire.read_answer()
        assert (status, headers["x-correlation-id"] != "c-9") == (400, True)


@pytest.mark.parametrize("words", [b"", b"GET / HTTP/1.1\r\nHost:"])
async def test_a_head_that_does_not_come_ends_the_connection(edge: Edge, words: bytes) -> None:
    async with serve(edge) as server, wire_to(server) as wire:
        await wire.say(words)
        assert await wire.wait_until_closed() == b""


async def test_a_later_head_that_does_not_come_ends_the_connection_too(edge: Edge) -> None:
    async with serve(edge) as server, wire_to(server) as wire:
        await wire.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.read_answer())[0] == 200
        await wire.say(b"GET /healthz HT")
        assert await wire.wait_until_closed() == b""


async def test_a_refused_upload_is_answered_at_once_and_then_cut_off(edge: Edge) -> None:
    async with serve(edge) as server:
        async with wire_to(server) as wire:
            await wire.say(
                b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
                b"Content-Length: 10000000000\r\n\r\n" % DETECT.encode()
            )
            status, _, body = await wire.read_answer()
            assert (status, body["code"]) == (413, "photo_too_large")
            await wire.say(b"x" * 100_000)
            assert await wire.wait_until_closed() == b""
        async with client_of(server) as client:
            await assert_still_answers(client)


async def test_a_refused_upload_that_ends_keeps_its_connection(edge: Edge) -> None:
    size = edge.limits.max_bytes + 200_000
    async with serve(edge) as server, wire_to(server) as wire:
        await wire.say(
            b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Type: multipart/form-data; boundary=b\r\n"
            b"Content-Length: %d\r\n\r\n" % (DETECT.encode(), size)
        )
        assert (await wire.read_answer())[0] == 413
        await wire.say(b"x" * size + b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await wire.read_answer())[0] == 200


async def test_too_many_at_once_are_told_to_come_back(edge: Edge) -> None:
    edge.detection.gate = asyncio.Event()
    async with serve(edge, HttpLimits(max_requests=1)) as server, client_of(server) as client:
        first = asyncio.create_task(client.post(DETECT, files={"photo": PHOTO}))
        await edge.detection.started.wait()
        with capture_logs() as lines:
            refused = await client.get("/docs", headers={"X-Correlation-ID": "c-7"})
        check_problem(refused, 429, ErrorCode.OVERLOADED, None)
        assert refused.headers["retry-after"] == "1"
        assert refused.headers["x-correlation-id"] == refused.json()["correlation_id"] == "c-7"
        assert refused.headers["x-content-type-options"] == "nosniff"
        assert [(line["event"], line["status"]) for line in lines] == [("request", 429)]
        edge.detection.gate.set()
        assert (await first).status_code == 200
        await assert_still_answers(client)


async def test_too_many_connections_are_told_to_come_back(edge: Edge) -> None:
    async with serve(edge, HttpLimits(max_connections=1)) as server, wire_to(server) as idle:
        await idle.say(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        assert (await idle.read_answer())[0] == 200
        async with client_of(server) as client:
            check_problem(await client.get("/healthz"), 429, ErrorCode.OVERLOADED, None)


async def test_a_server_on_ipv6_writes_its_url_with_brackets(edge: Edge) -> None:
    assert HttpServer(create_app(edge.services()), "::1", 9000).url == "http://[::1]:9000"
