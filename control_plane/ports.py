"""What the services ask of the outside world. Adapters keep these promises.

Small protocols, each with the fewest methods that do; fakes for tests keep them too.
"""

from __future__ import annotations

from typing import Protocol


class Clock(Protocol):
    """Time, handed in so that decisions can be tested."""

    def now_s(self) -> float:
        """Seconds on a monotonic clock."""
        ...


class PhotoSource(Protocol):
    """Fetches photos by URL."""

    async def fetch(self, url: str) -> bytes:
        """The encoded photo behind ``url``, within the byte limit.

        Raises ControlPlaneError: INVALID_ARGUMENT (scheme), PHOTO_FORBIDDEN (outside
        what is allowed), PHOTO_NOT_FOUND, PHOTO_TOO_LARGE.
        """
        ...


class PhotoInspector(Protocol):
    """Checks a photo's head before anything is spent on it."""

    def inspect(self, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_INVALID or PHOTO_TOO_LARGE, naming the limit."""
        ...
