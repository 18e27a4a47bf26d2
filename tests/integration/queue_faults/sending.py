"""The webhook of a run, as a worker sends to it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from control_plane.adapters.webhook import Webhook
from control_plane.ports import ResultSink
from tests.integration.queue_faults.assembly import SECRET, Place

TIMEOUT_S = 1.0


@asynccontextmanager
async def open_sink(place: Place) -> AsyncIterator[ResultSink | None]:
    """None where results go nowhere."""
    if not place.webhook:
        yield None
        return
    async with Webhook(place.webhook, secret=SECRET, timeout_s=TIMEOUT_S) as sink:
        yield sink
