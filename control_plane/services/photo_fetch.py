"""Fetching the photo behind a URL, inside the request's deadline, for every edge alike."""

from __future__ import annotations

import asyncio

from control_plane.core.deadline import Deadline
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock, PhotoSource
from control_plane.services.tracing import span


async def fetch_photo(photos: PhotoSource, url: str, deadline: Deadline, clock: Clock) -> bytes:
    """The encoded photo.

    Raises ControlPlaneError: what ``photos`` refuses, and DEADLINE_EXCEEDED.
    """
    # Not the URL: it may be signed.
    with span("photo", scheme=url.partition(":")[0]) as traced:
        try:
            async with asyncio.timeout(deadline.remaining_s(clock.now_s())):
                photo = await photos.fetch(url)
        except TimeoutError:
            raise ControlPlaneError(
                ErrorCode.DEADLINE_EXCEEDED,
                "the request's deadline passed while its photo was fetched",
                field="photo_url",
            ) from None
        traced.put(bytes=len(photo))
        return photo
