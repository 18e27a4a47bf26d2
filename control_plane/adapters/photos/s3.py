"""Photos by ``s3://bucket/key``, from allowed buckets only.

The key is what stands behind the bucket, percent-decoded once, and is otherwise taken literally:
``+`` is a plus, ``//`` two slashes, upper and lower case differ. ``?`` and ``#`` have to be written
as %3F and %23. A key with ``.`` or ``..`` between slashes is refused: S3 takes it for a name, but
what stands in between may take it for a way out of the bucket.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Collection
from contextlib import asynccontextmanager
from typing import Any

from control_plane.adapters.photo_refusals import forbidden, malformed, switched_off, unavailable
from control_plane.adapters.photos.urls import decode_path, split_url, wrong_scheme
from control_plane.adapters.s3.client import S3Options, open_client
from control_plane.adapters.s3.reading import read_object
from control_plane.adapters.timeouts import within

SCHEME = "s3"
BUCKETS_SETTING = "photos.buckets"
MAX_KEY_BYTES = 1024
OBJECT = "the object at photo_url"


class S3Photos:
    """A PhotoSource for ``s3://`` URLs.

    client: aiobotocore's; None where no bucket is allowed.
    timeout_s: how long one photo may take in all, whatever its reader's deadline is.
    """

    def __init__(
        self, client: Any, buckets: Collection[str], *, max_bytes: int, timeout_s: float
    ) -> None:
        self._client = client
        self._buckets = frozenset(buckets)
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    @property
    def is_on(self) -> bool:
        return bool(self._buckets)

    def check(self, url: str) -> None:
        """What the spelling alone tells. Raises INVALID_ARGUMENT, PHOTO_FORBIDDEN."""
        self._find(url)

    async def fetch(self, url: str) -> bytes:
        """The object's bytes, of one version.

        Raises ControlPlaneError: INVALID_ARGUMENT, PHOTO_FORBIDDEN, PHOTO_NOT_FOUND,
        PHOTO_TOO_LARGE; PHOTO_UNAVAILABLE, also where our own credentials are at fault.
        """
        bucket, key = self._find(url)
        async with within(self._timeout_s, unavailable("S3 did not send the photo in time")):
            return await read_object(
                self._client, bucket, key, max_bytes=self._max_bytes, what=OBJECT
            )

    def _find(self, url: str) -> tuple[str, str]:
        parts = split_url(url)
        if parts.scheme != SCHEME:
            raise wrong_scheme(parts, (SCHEME,))
        key = _key_of(decode_path(url, parts.path))
        if not self._buckets:
            raise switched_off(SCHEME, BUCKETS_SETTING, "buckets")
        if not parts.netloc:
            raise malformed("names no bucket; write s3://bucket/key")
        if parts.netloc not in self._buckets:
            raise forbidden(f"photo_url names a bucket that is not allowed ({BUCKETS_SETTING})")
        if {".", ".."} & set(key.split("/")):
            raise forbidden("photo_url has a '.' or '..' in its key")
        return parts.netloc, key


def _key_of(path: bytes) -> str:
    try:
        key = path.removeprefix(b"/").decode()
    except UnicodeDecodeError:
        raise malformed("has a key that is not UTF-8") from None
    if not key:
        raise malformed("names no key; write s3://bucket/key")
    if len(path) > MAX_KEY_BYTES + 1:
        raise malformed(f"has a key of more than {MAX_KEY_BYTES} bytes")
    return key


@asynccontextmanager
async def open_s3_photos(
    buckets: Collection[str], options: S3Options, *, max_bytes: int, timeout_s: float
) -> AsyncIterator[S3Photos]:
    """With a client of its own, where any bucket is allowed."""
    if not buckets:
        yield S3Photos(None, (), max_bytes=max_bytes, timeout_s=timeout_s)
        return
    async with open_client(options) as client:
        yield S3Photos(client, buckets, max_bytes=max_bytes, timeout_s=timeout_s)
