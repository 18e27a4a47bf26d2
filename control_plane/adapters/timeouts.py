"""A bound on the time that something outside may take, told in the caller's terms."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from control_plane.errors import ControlPlaneError


@asynccontextmanager
async def within(timeout_s: float, late: ControlPlaneError) -> AsyncIterator[None]:
    """Raises ``late`` when the time is up. Somebody else's timeout or cancellation passes."""
    limit = asyncio.timeout(timeout_s)
    try:
        async with limit:
            yield
    except TimeoutError:
        if limit.expired():
            raise late from None
        raise
