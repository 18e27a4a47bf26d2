"""All sources as one: a photo URL goes to the source of its scheme."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

from control_plane.adapters.photos.urls import split_url, wrong_scheme


class SchemeSource(Protocol):
    """A PhotoSource of one scheme. is_on: whether the settings open anything by it."""

    @property
    def is_on(self) -> bool: ...

    def check(self, url: str) -> None: ...

    async def fetch(self, url: str) -> bytes: ...


class PhotosByScheme:
    """A PhotoSource of several schemes.

    A scheme that is known and switched off is refused by its own source, which names the setting.
    """

    def __init__(self, sources: Mapping[str, SchemeSource]) -> None:
        self._sources = dict(sources)

    def check(self, url: str) -> None:
        """Raises ControlPlaneError: INVALID_ARGUMENT, PHOTO_FORBIDDEN."""
        self._source(url).check(url)

    async def fetch(self, url: str) -> bytes:
        """Raises ControlPlaneError, as the source of its scheme does."""
        return await self._source(url).fetch(url)

    def _source(self, url: str) -> SchemeSource:
        parts = split_url(url)
        source = self._sources.get(parts.scheme)
        if source is None:
            raise wrong_scheme(parts, (name for name, one in self._sources.items() if one.is_on))
        return source
