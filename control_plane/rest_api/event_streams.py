"""Server-sent events (WHATWG HTML, 9.2): a bounded number of streams, each ended cleanly.

A stream ends when its source does, when its caller leaves, and when the server stops; whichever
it is, the source is closed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from typing import TypeVar

import structlog
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from control_plane.errors import ControlPlaneError, ErrorCode

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"
HEARTBEAT_S = 15.0
"""Between signs of life: proxies close what is silent for longer, commonly 30 or 60 s."""
RETRY_MS = 2000
"""After how long a browser that lost the stream connects again."""
HEARTBEAT = b": still the same\n\n"

Value = TypeVar("Value")


class Watchers:
    """How many streams are open."""

    def __init__(self, most: int) -> None:
        self._most = most
        self._open = 0

    def enter(self) -> None:
        """Raises ControlPlaneError(OVERLOADED)."""
        if self._open >= self._most:
            raise ControlPlaneError(
                ErrorCode.OVERLOADED,
                f"{self._most} event streams are open, which is the most; ask for the status now "
                "and then instead",
                retry_after_s=float(RETRY_MS) / 1000,
            )
        self._open += 1

    def leave(self) -> None:
        self._open -= 1


class EventStream(StreamingResponse):
    """``first`` and what comes out of ``source``, each value written by ``write``.

    first: had before the stream begins, so that what ``source`` refuses can still be said.
    leave: called at the end.
    """

    def __init__(
        self,
        first: Value,
        source: AsyncIterator[Value],
        *,
        write: Callable[[Value], bytes],
        stopping: asyncio.Event,
        leave: Callable[[], None],
    ) -> None:
        # nginx would keep the events back until it has a page of them.
        headers = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
        self._events = stream(first, source, write=write, stopping=stopping)
        super().__init__(self._events, headers=headers, media_type=EVENT_STREAM)
        self._leave = leave

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._leave()
            # Where the caller left while an event was being sent, the source is open still.
            await self._events.aclose()


async def stream(
    first: Value,
    source: AsyncIterator[Value],
    *,
    write: Callable[[Value], bytes],
    stopping: asyncio.Event,
) -> AsyncGenerator[bytes]:
    """The bytes of the stream."""
    stop = asyncio.create_task(stopping.wait())
    coming = _next(source)
    try:
        yield b"retry: %d\n\n" % RETRY_MS + write(first)
        while not stop.done():
            done, _ = await asyncio.wait(
                {coming, stop}, timeout=HEARTBEAT_S, return_when=asyncio.FIRST_COMPLETED
            )
            if coming in done:
                value = coming.result()
                if value is None:
                    return
                coming = _next(source)
                yield write(value)
            elif not done:
                yield HEARTBEAT
    except ControlPlaneError as error:
        # The answer has begun: its end is all that can be said, and the caller comes again.
        log.info("event stream ended", code=error.code, reason=error.message)
    finally:
        stop.cancel()
        # A source that is cancelled in its step is closed by it.
        coming.cancel()
        await asyncio.gather(stop, coming, return_exceptions=True)


def write_event(name: str, data: bytes, *, event_id: str) -> bytes:
    """data: on one line."""
    return b"event: %b\nid: %b\ndata: %b\n\n" % (name.encode(), event_id.encode(), data)


def _next(source: AsyncIterator[Value]) -> asyncio.Task[Value | None]:
    """None: it has ended."""

    async def step() -> Value | None:
        return await anext(source, None)

    return asyncio.create_task(step())
