"""One object, read whole within a limit, and as it was at one moment.

A read that breaks off goes on where it stopped, of the same version: the ETag of what was read
is sent as If-Match, and S3 refuses where the object has been replaced meanwhile (RFC 9110, 13.1.1).
What is larger than the limit is refused by its Content-Length, and where that lies, by the count.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field
from typing import Any

import structlog

from control_plane.adapters.photo_refusals import too_large, unavailable
from control_plane.adapters.s3.client import refused, transport_errors, unreached
from control_plane.errors import ControlPlaneError

log = structlog.get_logger(__name__)

ATTEMPTS = 3
FIRST_WAIT_S = 0.1
CHUNK_BYTES = 256 * 1024

_CHANGED = frozenset({"PreconditionFailed", "InvalidRange", "412", "416"})


@dataclass(slots=True)
class _Part:
    """What has come so far, and of which version."""

    content: bytearray = field(default_factory=bytearray)
    etag: str = ""
    size: int = 0

    def request(self) -> dict[str, str]:
        if not self.content:
            return {}
        return {"Range": f"bytes={len(self.content)}-", "IfMatch": self.etag}


class _Broken(Exception):
    """An attempt failed by no fault of the object's; ``meaning`` is what to say of it."""

    def __init__(self, meaning: ControlPlaneError) -> None:
        super().__init__(meaning.message)
        self.meaning = meaning


async def read_object(client: Any, bucket: str, key: str, *, max_bytes: int, what: str) -> bytes:
    """The object's bytes. what: the object in words, for refusals.

    Raises ControlPlaneError: PHOTO_NOT_FOUND, PHOTO_FORBIDDEN, PHOTO_TOO_LARGE,
    PHOTO_UNAVAILABLE.
    """
    part = _Part()
    for attempt in range(ATTEMPTS):
        if attempt:
            await asyncio.sleep(FIRST_WAIT_S * 2 ** (attempt - 1))
        try:
            await _read_on(client, bucket, key, part, max_bytes=max_bytes, what=what)
            return bytes(part.content)
        except _Broken as broken:
            last = broken.meaning
            if not part.etag:
                part.content.clear()  # nothing could tell whether the rest is of the same version
    log.warning("S3 gave no object", reason=last.message, attempts=ATTEMPTS)
    raise last


async def _read_on(
    client: Any, bucket: str, key: str, part: _Part, *, max_bytes: int, what: str
) -> None:
    from botocore.exceptions import ClientError

    is_going_on = bool(part.content)
    try:
        answer = await client.get_object(Bucket=bucket, Key=key, **part.request())
        async with answer["Body"] as body:
            _check_answer(answer, part, max_bytes=max_bytes, what=what)
            while chunk := await body.read(CHUNK_BYTES):
                part.content += chunk
                if len(part.content) > max_bytes:
                    raise too_large(len(part.content), max_bytes)
    except ClientError as error:
        code = error.response.get("Error", {}).get("Code")
        if is_going_on and code in _CHANGED:
            raise _replaced(what) from None
        meaning = refused(error, what)
        if meaning.is_retryable:
            raise _Broken(meaning) from None
        raise meaning from None
    except transport_errors() as error:
        raise _Broken(unreached(error, what)) from None
    if len(part.content) < part.size:
        raise _Broken(unavailable(f"{what} ended before its length"))


def _check_answer(answer: dict[str, Any], part: _Part, *, max_bytes: int, what: str) -> None:
    """Whether what comes goes on with what is there, and is not too large."""
    goes_on = str(answer.get("ContentRange", "")).startswith(f"bytes {len(part.content)}-")
    if not (part.content and goes_on):
        # The first answer; or one from a server that knows no ranges and begins from the start.
        part.content.clear()
        part.etag = answer.get("ETag", "")
        part.size = answer.get("ContentLength") or 0
    elif answer.get("ETag", "") != part.etag:
        raise _replaced(what)
    if part.size > max_bytes:
        raise too_large(part.size, max_bytes)


def _replaced(what: str) -> ControlPlaneError:
    return unavailable(f"{what} was replaced while it was read")
