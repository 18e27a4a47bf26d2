"""Tells gRPC health checks whether requests are to be sent to this process."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

log = structlog.get_logger(__name__)

INTERVAL_S = 0.2


async def report_readiness(
    is_ready: Callable[[], bool], report: Callable[[bool], Awaitable[None]]
) -> None:
    """Never ends. Reports the first answer and every change of it."""
    reported: bool | None = None
    while True:
        ready = is_ready()
        if ready is not reported:
            await report(ready)
            log.info("ready to serve" if ready else "not ready to serve")
            reported = ready
        await asyncio.sleep(INTERVAL_S)
