"""TritonMetrics against a server on a socket: what it reads, and what it will not."""

from __future__ import annotations

import asyncio
import gzip
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Literal

import pytest

from control_plane.adapters import triton_metrics
from control_plane.adapters.triton_metrics import TritonMetrics, open_client
from control_plane.core.triton_metrics import PENDING, MetricFamily, Sample
from control_plane.ports import ScrapeFailed

PAGE = f"""\
# HELP nv_inference_request_success Number of successful inference requests
# TYPE nv_inference_request_success counter
nv_inference_request_success{{model="echo",version="1"}} 5
# HELP {PENDING} Number of pending requests.
# TYPE {PENDING} gauge
{PENDING}{{model="echo",version="1"}} 3
{PENDING}{{model="a \\"b\\"",version="2"}} 0
"""
PENDING_FAMILY = MetricFamily(
    PENDING,
    "gauge",
    "Number of pending requests.",
    (
        Sample(PENDING, {"model": "echo", "version": "1"}, 3.0),
        Sample(PENDING, {"model": 'a "b"', "version": "2"}, 0.0),
    ),
)

Answer = Callable[[asyncio.StreamWriter], None]


def answering(body: bytes, status: str = "200 OK", *headers: str) -> Answer:
    lines = [f"HTTP/1.1 {status}", f"Content-Length: {len(body)}", *headers, "", ""]
    return lambda writer: writer.write("\r\n".join(lines).encode() + body)


@asynccontextmanager
async def page_of(answer: Answer) -> AsyncIterator[TritonMetrics]:
    served: set[asyncio.Task[None]] = set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        answer(writer)
        await reader.read()
        writer.close()

    def accept(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        served.add(asyncio.create_task(serve(reader, writer)))

    server = await asyncio.start_server(accept, "127.0.0.1", 0)
    host, port = server.sockets[0].getsockname()
    async with open_client(1) as client:
        yield TritonMetrics(f"http://{host}:{port}/metrics", client)
    await asyncio.gather(*served)
    server.close()
    await server.wait_closed()


async def failure_of(metrics: TritonMetrics, timeout_s: float = 10.0) -> str:
    with pytest.raises(ScrapeFailed) as failed:
        await metrics.scrape(PENDING, timeout_s=timeout_s)
    return str(failed.value)


async def test_the_wanted_family_is_read_and_nothing_else() -> None:
    async with page_of(answering(PAGE.encode())) as metrics:
        assert await metrics.scrape(PENDING, timeout_s=10.0) == (PENDING_FAMILY,)


async def test_a_wider_prefix_gives_every_family() -> None:
    async with page_of(answering(PAGE.encode())) as metrics:
        success, pending = await metrics.scrape("nv_", timeout_s=10.0)
    assert (success.name, success.kind) == ("nv_inference_request_success", "counter")
    assert [(each.name, each.value) for each in success.samples] == [
        ("nv_inference_request_success_total", 5.0)
    ]
    assert pending == PENDING_FAMILY


async def test_a_page_without_it_has_no_family() -> None:
    async with page_of(answering(b"")) as metrics:
        assert await metrics.scrape(PENDING, timeout_s=10.0) == ()


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (answering(b"", "503 Service Unavailable"), "HTTP status 503"),
        (answering(b"", "302 Found", "Location: http://127.0.0.1:1/"), "HTTP status 302"),
        (answering(f"{PENDING}{{model=".encode()), "no Prometheus text"),
        (answering(f"{PENDING}{{}} many".encode()), "no Prometheus text"),
        (lambda writer: writer.close(), "disconnected"),
        (lambda writer: writer.write(b"220 smtp\r\n\r\n"), "illegal"),
    ],
)
async def test_what_is_no_page_is_told(answer: Answer, said: str) -> None:
    async with page_of(answer) as metrics:
        assert said in await failure_of(metrics)


async def test_what_is_packed_is_not_unpacked() -> None:
    packed = gzip.compress(PAGE.encode())
    async with page_of(answering(packed, "200 OK", "Content-Encoding: gzip")) as metrics:
        assert await metrics.scrape(PENDING, timeout_s=10.0) == ()


async def test_a_page_that_does_not_end_is_given_up() -> None:
    start = b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nnv"
    async with page_of(lambda writer: writer.write(start)) as metrics:
        assert await failure_of(metrics, timeout_s=0.5) == "no whole answer within 0.5 s"


async def test_a_page_that_is_too_long_is_not_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(triton_metrics, "MAX_PAGE_BYTES", len(PAGE) - 1)
    async with page_of(answering(PAGE.encode())) as metrics:
        assert await failure_of(metrics) == f"more than {len(PAGE) - 1} bytes"


async def test_an_instance_that_is_away_is_told() -> None:
    async with page_of(answering(b"")) as metrics:
        pass
    async with open_client(1) as client:
        assert await failure_of(TritonMetrics(metrics._url, client))


class Turns(asyncio.Lock):
    """Tells when somebody wants his turn."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = asyncio.Event()

    async def acquire(self) -> Literal[True]:
        self.asked.set()
        return await super().acquire()


async def test_pages_that_come_at_once_are_read_one_after_the_other() -> None:
    turns = Turns()
    async with page_of(answering(PAGE.encode())) as metrics:
        one = TritonMetrics(metrics._url, metrics._client, turns)
        async with turns:
            turns.asked.clear()
            reading = asyncio.create_task(one.scrape(PENDING, timeout_s=5))
            async with asyncio.timeout(5):
                await turns.asked.wait()
            assert not reading.done()
        assert await reading == (PENDING_FAMILY,)


async def test_families_are_told_apart_where_one_has_no_words() -> None:
    page = "nv_bare 1\n" + PAGE
    async with page_of(answering(page.encode())) as metrics:
        found = await metrics.scrape("nv_", timeout_s=5)
    assert [one.name for one in found] == ["nv_bare", "nv_inference_request_success", PENDING]
