"""Pages kept current: each is rendered once a second for all who watch it.

A *live page* is a page and what was asked of it. While somebody watches, one task renders its
fragments every second; each watcher is sent those that differ from what it was sent before. A
watcher that is slow misses what was in between, and nothing of what is true now. Who connects
again is sent everything, so that after a lost connection the page is right at once.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field

import structlog

from control_plane.rest_api.dashboard.pages import Asked, Page
from control_plane.rest_api.event_streams import write_event

log = structlog.get_logger(__name__)

Fragments = Mapping[str, str]
"""HTML by the fragment's name."""

Render = Callable[[Page, Asked], Awaitable[Fragments]]

EVERY_S = 1.0
TICK_S = 4.0
"""At most so long nothing comes: a page takes a longer silence for a lost connection."""
TICK = "tick"


@dataclass(slots=True)
class _Live:
    page: Page
    asked: Asked
    fragments: dict[str, str] = field(default_factory=dict)
    watchers: int = 0
    rendered: asyncio.Event = field(default_factory=asyncio.Event)
    task: asyncio.Task[None] | None = None


class LivePages:
    """Bounded by who may watch: without a watcher there is nothing here."""

    def __init__(self, render: Render) -> None:
        self._render = render
        self._live: dict[tuple[object, ...], _Live] = {}

    @property
    def open(self) -> int:
        """How many pages are rendered now, each for itself."""
        return len(self._live)

    async def watch(self, page: Page, asked: Asked) -> AsyncGenerator[Fragments]:
        """All fragments, then those that changed, and none at times as a sign of life."""
        key = (page.name, *sorted(asked.items()))
        live = self._live.get(key)
        if live is None:
            live = self._live[key] = _Live(page, asked)
            live.task = asyncio.create_task(self._keep(live), name=f"dashboard {page.name}")
        live.watchers += 1
        sent: dict[str, str] = {}
        loop = asyncio.get_running_loop()
        spoke_s = loop.time()
        try:
            while True:
                rendered = live.rendered
                changed = {
                    name: html for name, html in live.fragments.items() if sent.get(name) != html
                }
                # By the clock: where rendering is slow, so many renderings are a longer silence.
                if changed or loop.time() - spoke_s >= TICK_S:
                    sent |= changed
                    spoke_s = loop.time()
                    yield changed
                await rendered.wait()
        finally:
            live.watchers -= 1
            if not live.watchers and live.task is not None:
                del self._live[key]
                live.task.cancel()
                await asyncio.gather(live.task, return_exceptions=True)

    async def _keep(self, live: _Live) -> None:
        while True:
            try:
                live.fragments = dict(await self._render(live.page, live.asked))
            except Exception:
                # Nothing is said: what is shown grows old, and the page says that by itself.
                log.exception("the dashboard could not render", page=live.page.name)
            else:
                done, live.rendered = live.rendered, asyncio.Event()
                done.set()
            await asyncio.sleep(EVERY_S)


def write_fragments(fragments: Fragments, tick: bytes, event_id: str) -> bytes:
    """Events that bring the fragments, and the sign of life. tick: its data, on one line."""
    events = [
        b"event: %b\n%b\n" % (name.encode(), _data_of(html)) for name, html in fragments.items()
    ]
    return b"".join(events) + write_event(TICK, tick, event_id=event_id)


def _data_of(html: str) -> bytes:
    # Whatever ends a line in the stream (WHATWG HTML, 9.2.5); it is one and the same in HTML.
    lines = re.split("\r\n|\r|\n", html)
    return b"".join(b"data: %b\n" % line.encode("utf-8", "replace") for line in lines)
