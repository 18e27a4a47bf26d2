"""The dashboard over fakes, on a real socket: for what no real fleet does when it is asked to.

It runs on an event loop in a thread of its own; a test changes the fakes between two looks.
"""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from control_plane.adapters.clock import MonotonicClock
from control_plane.core.rollout import Plan, State
from control_plane.core.traffic import RequestCounts
from control_plane.rest_api.app import create_app
from control_plane.rest_api.server import HttpServer
from control_plane.services.status import InstanceView, ReleaseView
from tests.integration.running import free_port
from tests.unit.rest_api.fakes import Edge, FakeStatus, engine_view, instance_view
from tests.unit.rollouts import assessment, make_engine

TIMEOUT_S = 10.0


class FakeSite:
    """``start`` and ``stop``, as often as wanted: its address stays. edge: the fakes."""

    def __init__(self, edge: Edge) -> None:
        self.edge = edge
        self.port = free_port()
        self.url = f"http://127.0.0.1:{self.port}"
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self._thread.start()

    def start(self) -> None:
        async def begin() -> HttpServer:
            self.edge.stopping = asyncio.Event()
            app = create_app(self.edge.services())
            server = HttpServer(app, "127.0.0.1", self.port, stopping=self.edge.stopping)
            await server.start()
            return server

        self._server = self.run(begin())

    def stop(self) -> None:
        self.run(self._server.stop(2.0))

    def close(self) -> None:
        self.stop()
        self.run(_settle())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(TIMEOUT_S)
        self._loop.close()

    def change(self, change: Callable[[Edge], object]) -> None:
        """Between two looks at the fakes."""

        async def apply() -> None:
            change(self.edge)

        self.run(apply())

    def run(self, work: Coroutine[Any, Any, Any]) -> Any:
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(TIMEOUT_S)


async def _settle() -> None:
    """What was begun for a page is ended before the loop is."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    for task in tasks:
        task.cancel()
    await asyncio.gather(*tasks, return_exceptions=True)


@contextmanager
def fake_site(edge: Edge) -> Iterator[FakeSite]:
    site = FakeSite(edge)
    site.start()
    try:
        yield site
    finally:
        site.close()


def busy_edge(engine: str = "damage", instance: str = "triton-0", reason: str = "why") -> Edge:
    """Two releases, a canary in its third step, an instance that is ill, requests that came."""
    releases = (
        ReleaseView("1.0.0", {"detector": 1}, True, 7500, (instance,), is_serving=True),
        ReleaseView("1.1.0", {"detector": 2}, False, 2500, (instance,), is_canary=True),
    )
    view = replace(engine_view(engine), stable="1.0.0", releases=releases)
    clock = MonotonicClock()
    edge = Edge(
        status=FakeStatus(engine_views=(view,), instance_views=(ill(instance, reason),)),
        clock=clock,  # type: ignore[arg-type]
        counts=RequestCounts(clock.now_s() - 1000.0),
    )
    edge.rollouts.engines = {engine: make_engine(engine)}
    return edge


def ill(name: str, reason: str) -> InstanceView:
    return replace(
        instance_view(name, health="degraded"),
        health_reason=reason,
        breakers={f"{name} 1.1.0": "open"},
    )


async def begin_canary(edge: Edge, engine: str, reason: str) -> str:
    view = await edge.rollouts.start(engine, "1.1.0", Plan(), who=reason, reason=reason)
    name = view.rollout.rollout_id
    edge.rollouts.move(name, state=State.STEP, step=3, reason=reason)
    edge.rollouts.looks[name] = [assessment(3)]
    return name


def count_requests(edge: Edge, engine: str, count: int = 200) -> None:
    now_s = edge.clock.now_s()
    for version in ("1.0.0", "1.1.0"):
        release = edge.counts._engine(engine).release(version, now_s)
        for number in range(count):
            at_s = now_s - 5.0 * (number % 12)
            release.window.add(at_s, 0.02 + 0.0005 * number, is_error=number % 50 == 0)
            release.window.add_confidence(at_s, 0.6 + number % 40 / 100)
