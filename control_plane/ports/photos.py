"""Where photos come from, and the first look at one."""

from __future__ import annotations

from typing import Protocol


class PhotoSource(Protocol):
    """Fetches photos by URL."""

    def check(self, url: str) -> None:
        """Refuses what ``fetch`` would without looking: for who asks now and fetches later.

        Raises ControlPlaneError: INVALID_ARGUMENT, PHOTO_FORBIDDEN.
        """
        ...

    async def fetch(self, url: str) -> bytes:
        """The encoded photo behind ``url``, within the byte limit.

        Raises ControlPlaneError: INVALID_ARGUMENT (scheme), PHOTO_FORBIDDEN (outside
        what is allowed), PHOTO_NOT_FOUND, PHOTO_TOO_LARGE; PHOTO_UNAVAILABLE when where it
        lies does not answer.
        """
        ...


class PhotoInspector(Protocol):
    """Checks a photo's head before anything is spent on it."""

    def inspect(self, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_INVALID or PHOTO_TOO_LARGE, naming the limit."""
        ...
