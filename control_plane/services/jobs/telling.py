"""What is away, as callers are told of it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import QueueUnavailable, StoreUnavailable

RETRY_AFTER_S = 2.0


@asynccontextmanager
async def told(code: ErrorCode, what: str, *, timeout_s: float) -> AsyncIterator[None]:
    """A step that a caller waits for, bounded in time.

    Raises ControlPlaneError: STORE_UNAVAILABLE, QUEUE_UNAVAILABLE, and ``code`` where the step
    takes too long. what: whom it waits for.
    """
    try:
        async with asyncio.timeout(timeout_s):
            yield
    except StoreUnavailable as error:
        raise ControlPlaneError(
            ErrorCode.STORE_UNAVAILABLE,
            f"the job store does not answer: {error}",
            retry_after_s=RETRY_AFTER_S,
        ) from error
    except QueueUnavailable as error:
        raise ControlPlaneError(
            ErrorCode.QUEUE_UNAVAILABLE,
            f"the queue does not answer: {error}",
            retry_after_s=RETRY_AFTER_S,
        ) from error
    except TimeoutError as error:
        raise ControlPlaneError(
            code, f"{what} takes longer than {timeout_s:g} s", retry_after_s=RETRY_AFTER_S
        ) from error
