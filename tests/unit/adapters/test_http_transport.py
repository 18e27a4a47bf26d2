"""A pool of connections of which requests are cancelled, at every moment there is."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import httpx
import pytest

from control_plane.adapters.http_transport import LastingTransport

LIMITS = httpx.Limits(max_connections=2, max_keepalive_connections=2)
PATIENT_S = 30.0
ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n"


class Server:
    """Answers ``/`` at once; the second half of ``/halves``, and all of ``/late``, when it is told
    to."""

    def __init__(self) -> None:
        self.url = ""
        self.connections = 0
        self.may_go_on = asyncio.Event()

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self.connections += 1
        try:
            while head := await reader.readuntil(b"\r\n\r\n"):
                if b"/late" in head:
                    await self.may_go_on.wait()
                writer.write(ANSWER + b"ha")
                if b"/halves" in head:
                    await self.may_go_on.wait()
                writer.write(b"lf")
        except (asyncio.IncompleteReadError, ConnectionError):
            pass  # it was cut off
        finally:
            self.connections -= 1
            writer.close()


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    served = Server()
    listening = await asyncio.start_server(served.serve, "127.0.0.1", 0)
    async with listening:
        host, port = listening.sockets[0].getsockname()
        served.url = f"http://{host}:{port}/"
        yield served


async def until_connections(server: Server, number: int) -> None:
    async with asyncio.timeout(PATIENT_S):
        while server.connections != number:  # noqa: ASYNC110 -- a socket tells nobody
            await asyncio.sleep(0.001)


@pytest.mark.parametrize("steps", range(40))
async def test_after_requests_that_were_cancelled_others_are_answered(
    server: Server, steps: int
) -> None:
    async with httpx.AsyncClient(transport=LastingTransport(LIMITS), timeout=None) as client:
        cut_off = [asyncio.create_task(client.get(server.url)) for _ in range(5)]
        for _ in range(steps):
            await asyncio.sleep(0)
        for task in cut_off:
            task.cancel()
        await asyncio.gather(*cut_off, return_exceptions=True)
        async with asyncio.timeout(PATIENT_S):
            answers = await asyncio.gather(*(client.get(server.url) for _ in range(4)))
        assert [answer.content for answer in answers] == [b"half"] * 4
    await until_connections(server, 0)


async def test_who_is_answered_meanwhile_is_answered_to_the_end(server: Server) -> None:
    transport = LastingTransport(LIMITS)
    async with httpx.AsyncClient(transport=transport, timeout=None) as client:
        async with client.stream("GET", server.url + "halves") as slow:
            assert slow.status_code == httpx.codes.OK
            cut_off = asyncio.create_task(client.get(server.url + "late"))
            await until_connections(server, 2)
            cut_off.cancel()
            await asyncio.gather(cut_off, return_exceptions=True)
            assert (await client.get(server.url)).content == b"half"
            server.may_go_on.set()
            assert await slow.aread() == b"half"
        # The pool that was left is closed with its last request, and only the new one is there.
        await until_connections(server, 1)
    await until_connections(server, 0)


async def test_connections_are_used_again(server: Server) -> None:
    async with httpx.AsyncClient(transport=LastingTransport(LIMITS), timeout=None) as client:
        for _ in range(5):
            assert (await client.get(server.url)).content == b"half"
            assert server.connections == 1


async def test_a_server_that_is_not_there_leaves_the_pool_as_it_is(server: Server) -> None:
    async with httpx.AsyncClient(transport=LastingTransport(LIMITS), timeout=None) as client:
        assert (await client.get(server.url)).content == b"half"
        with pytest.raises(httpx.ConnectError):
            await client.get("http://127.0.0.1:1/")
        await client.get(server.url)
        assert server.connections == 1
