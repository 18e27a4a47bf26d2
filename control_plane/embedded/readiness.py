"""Asks a Triton on this machine whether it is ready, with as little as a probe needs."""

from __future__ import annotations

import asyncio
import contextlib

from control_plane.embedded.options import ADDRESS

READY_REQUEST = b"GET /v2/health/ready HTTP/1.0\r\nHost: localhost\r\n\r\n"


async def is_ready(http_port: int, timeout_s: float = 1.0) -> bool:
    """True when the server answers its readiness endpoint with 200; never raises."""
    try:
        async with asyncio.timeout(timeout_s):
            reader, writer = await asyncio.open_connection(ADDRESS, http_port)
            try:
                writer.write(READY_REQUEST)
                status_line = await reader.readline()
            finally:
                writer.close()
                with contextlib.suppress(OSError):
                    await writer.wait_closed()
    except (OSError, TimeoutError):
        return False
    return b" 200 " in status_line
