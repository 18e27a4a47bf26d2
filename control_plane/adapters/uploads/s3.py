"""Uploads as objects of a bucket below a prefix, for control planes that share no disk.

S3 confirms a PUT once it keeps it, so that there is nothing to bring to a disk here. How much
may lie there is for the bucket to bound; each is removed when its job is over.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import structlog

from control_plane.adapters.s3.client import S3Options, open_client, refused, transport_errors
from control_plane.adapters.s3.reading import read_object
from control_plane.adapters.timeouts import within
from control_plane.adapters.uploads.names import missing, name_of, unkept, unreadable
from control_plane.errors import ControlPlaneError, ErrorCode

log = structlog.get_logger(__name__)

ATTEMPTS = 3
FIRST_WAIT_S = 0.1
UPLOAD = "the photo that came with the job"


class S3Uploads:
    """client: aiobotocore's. prefix: what each name begins with, such as ``uploads/``.

    max_bytes: of one photo. timeout_s: of one put, get or remove, with its attempts.
    """

    def __init__(
        self, client: Any, bucket: str, prefix: str, *, max_bytes: int, timeout_s: float
    ) -> None:
        self._client = client
        self._bucket = bucket
        self._prefix = prefix
        self._max_bytes = max_bytes
        self._timeout_s = timeout_s

    async def put(self, job_id: str, photo: bytes) -> None:
        """Raises ControlPlaneError PHOTO_UNAVAILABLE."""
        key = self._key(job_id)
        async with within(self._timeout_s, unkept("S3 did not confirm it in time")):
            await _try(
                lambda: self._client.put_object(Bucket=self._bucket, Key=key, Body=photo), unkept
            )

    async def get(self, job_id: str) -> bytes:
        """Raises ControlPlaneError PHOTO_NOT_FOUND, PHOTO_UNAVAILABLE."""
        key = self._key(job_id)
        try:
            async with within(self._timeout_s, unreadable("S3 did not send it in time")):
                return await read_object(
                    self._client, self._bucket, key, max_bytes=self._max_bytes, what=UPLOAD
                )
        except ControlPlaneError as error:
            if error.code is ErrorCode.PHOTO_NOT_FOUND and "NoSuchBucket" not in error.message:
                raise missing() from None
            # The bucket is ours, and so is what is wrong with it.
            raise unreadable(error.message) from None

    async def remove(self, job_id: str) -> None:
        """Raises ControlPlaneError PHOTO_UNAVAILABLE."""
        key = self._key(job_id)
        async with within(self._timeout_s, unreadable("S3 did not remove it in time")):
            await _try(lambda: self._client.delete_object(Bucket=self._bucket, Key=key), unreadable)

    def _key(self, job_id: str) -> str:
        return self._prefix + name_of(job_id)


async def _try(
    call: Callable[[], Awaitable[object]], failed: Callable[[str], ControlPlaneError]
) -> None:
    """A call that may be made again. Raises what ``failed`` makes of the reason."""
    from botocore.exceptions import ClientError

    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            await call()
        except ClientError as error:
            meaning = refused(error, UPLOAD)
            last = failed(meaning.message)
            if not meaning.is_retryable:
                break
        except transport_errors() as error:
            last = failed(f"S3 did not answer ({type(error).__name__})")
        else:
            return
    log.warning("S3 did not confirm", reason=last.message)
    raise last


@asynccontextmanager
async def open_s3_uploads(
    bucket: str, prefix: str, options: S3Options, *, max_bytes: int, timeout_s: float
) -> AsyncIterator[S3Uploads]:
    async with open_client(options) as client:
        yield S3Uploads(client, bucket, prefix, max_bytes=max_bytes, timeout_s=timeout_s)
