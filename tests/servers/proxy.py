"""A TCP proxy in front of a server: it cuts, refuses and stalls when a test says so.

It runs on an event loop in a thread of its own, so that a test may use it from anywhere.
"""

from __future__ import annotations

import asyncio
import contextlib
import threading
from collections.abc import Callable
from concurrent.futures import Future
from typing import Self, TypeVar

T = TypeVar("T")

_CHUNK_BYTES = 64 * 1024
_CALL_TIMEOUT_S = 10


class Direction:
    """What flows one way through all connections."""

    def __init__(self) -> None:
        self.seen_bytes = 0
        self.cut_at: int | None = None
        self.may_flow = asyncio.Event()
        self.may_flow.set()


class Proxy:
    """Forwards connections to a port of the loopback. Use it as a context manager."""

    def __init__(self, target_port: int) -> None:
        self.target_port = target_port
        self.port = 0
        self.accepted = 0
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._server: asyncio.Server | None = None
        self._writers: set[asyncio.StreamWriter] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._is_refusing = False

    def __enter__(self) -> Self:
        self._thread.start()
        self._wait(asyncio.run_coroutine_threadsafe(self._open(), self._loop))
        return self

    def __exit__(self, *_: object) -> None:
        self._wait(asyncio.run_coroutine_threadsafe(self._close(), self._loop))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(_CALL_TIMEOUT_S)
        self._loop.close()

    def cut(self) -> None:
        """All connections there are end now, with a reset."""
        self._call(self._cut)

    def refuse(self) -> None:
        """New connections are ended at once, until ``accept``."""
        self._call(lambda: self._set_refusing(True))

    def accept(self) -> None:
        self._call(lambda: self._set_refusing(False))

    def stall(self, *, to_server: bool = True, to_client: bool = True) -> None:
        """Nothing flows any more, and nobody is told, until ``flow``."""
        self._call(lambda: self._set_flowing(to_server, to_client, False))

    def flow(self) -> None:
        self._call(lambda: self._set_flowing(True, True, True))

    def cut_after(
        self, *, to_server_bytes: int | None = None, to_client_bytes: int | None = None
    ) -> None:
        """All connections end once so many more bytes came; the last of them are not handed on.

        With ``to_client_bytes=1`` the server has got what was sent, and its answer is lost.
        """
        self._call(lambda: self._set_limits(to_server_bytes, to_client_bytes))

    @property
    def connections(self) -> int:
        return self._call(lambda: len(self._writers) // 2)

    def _call(self, act: Callable[[], T]) -> T:
        async def run() -> T:
            return act()

        return self._wait(asyncio.run_coroutine_threadsafe(run(), self._loop))

    def _wait(self, future: Future[T]) -> T:
        return future.result(_CALL_TIMEOUT_S)

    async def _open(self) -> None:
        self._to_server, self._to_client = Direction(), Direction()
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        assert self._server is not None
        self._server.close()
        # They end by themselves: a handler that is cancelled is told of as an error.
        self._set_flowing(True, True, True)
        self._cut()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _cut(self) -> None:
        for writer in self._writers:
            writer.transport.abort()

    def _set_refusing(self, is_refusing: bool) -> None:
        self._is_refusing = is_refusing

    def _set_flowing(self, to_server: bool, to_client: bool, may_flow: bool) -> None:
        for is_meant, direction in ((to_server, self._to_server), (to_client, self._to_client)):
            if is_meant and may_flow:
                direction.may_flow.set()
            elif is_meant:
                direction.may_flow.clear()

    def _set_limits(self, to_server: int | None, to_client: int | None) -> None:
        for limit, direction in ((to_server, self._to_server), (to_client, self._to_client)):
            direction.cut_at = None if limit is None else direction.seen_bytes + limit

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        self.accepted += 1
        if self._is_refusing:
            writer.transport.abort()
            return
        try:
            far_reader, far_writer = await asyncio.open_connection("127.0.0.1", self.target_port)
        except OSError:
            writer.transport.abort()
            return
        both = {writer, far_writer}
        self._writers |= both
        try:
            async with asyncio.TaskGroup() as tasks:
                tasks.create_task(self._pump(reader, far_writer, self._to_server))
                tasks.create_task(self._pump(far_reader, writer, self._to_client))
        finally:
            self._writers -= both
            for one in both:
                one.transport.abort()

    async def _pump(
        self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, way: Direction
    ) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(_CHUNK_BYTES):
                await way.may_flow.wait()
                way.seen_bytes += len(data)
                if way.cut_at is not None and way.seen_bytes >= way.cut_at:
                    way.cut_at = None
                    self._cut()
                    return
                writer.write(data)
                await writer.drain()
            if writer.can_write_eof():
                writer.write_eof()
