"""The composition root's own decisions: what ends the process, and what is refused at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane import bootstrap


class FakeFleet:
    """Embedded Tritons whose supervisions end by a bug, ``count`` of them."""

    def __init__(self, count: int, *, stays: bool) -> None:
        self.count = count
        self.stays = stays

    async def ended(self) -> AsyncGenerator[tuple[str, BaseException | None], None]:
        for index in range(self.count):
            yield f"triton-{index}", RuntimeError("a bug")
        if self.stays:
            await asyncio.Event().wait()


async def report(_is_ready: bool) -> None:
    """Nobody listens."""


def a_plane() -> Any:
    return SimpleNamespace(
        watches=(),
        status=SimpleNamespace(is_ready=lambda: True),
        grpc=SimpleNamespace(report=report),
    )


async def run_loops(fleet: Any, stop: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await bootstrap._run_loops(a_plane(), fleet, stop)


async def test_an_embedded_triton_nobody_looks_after_is_told_and_the_others_go_on() -> None:
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(run_loops(FakeFleet(1, stays=True), stop))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not running.done()
        stop.set()
        await running
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["instance"] == "triton-0"
    assert str(line["exc_info"]) == "a bug"


async def test_when_nobody_looks_after_any_embedded_triton_the_process_ends() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="no embedded Triton")):
        await run_loops(FakeFleet(2, stays=False), asyncio.Event())


async def test_without_embedded_tritons_the_loops_run_until_the_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    await run_loops(None, stop)
