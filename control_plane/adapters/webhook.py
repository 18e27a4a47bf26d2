"""Results sent to a webhook, signed by the Standard Webhooks scheme.

https://www.standardwebhooks.com: ``webhook-id`` is the same for every try of one result, and
``webhook-signature`` is ``v1,`` and the base64 of HMAC-SHA256 over "id.timestamp.body". No
redirect is followed, and no more of an answer is read than is needed to say what it was.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import math
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from types import TracebackType
from typing import Self

import httpx

from control_plane.adapters.http_transport import LastingTransport
from control_plane.core.printable import printable
from control_plane.errors import ConfigurationError
from control_plane.ports import ResultRefused, ResultUnsent

PREFIX = "whsec_"

GONE = 410
"""Alone says that the receiver wants no more, as Standard Webhooks has it. Any other refusal may be
a wrong secret or path at the receiver, which somebody mends."""

MOST_READ_BYTES = 500
"""Of an answer that is no confirmation."""


def signing_key(secret: str) -> bytes:
    """What is signed with: the bytes that ``whsec_`` and base64 stand for, else the secret's own.

    Raises ConfigurationError.
    """
    if not secret.startswith(PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(PREFIX), validate=True)
    except binascii.Error:
        raise ConfigurationError(
            f"results.webhook_secret begins with {PREFIX}, but the rest is no base64",
            field="results.webhook_secret",
        ) from None


def signature(key: bytes, result_id: str, timestamp: int, body: bytes) -> str:
    """As the header has it."""
    signed = f"{result_id}.{timestamp}.".encode() + body
    digest = hmac.new(key, signed, hashlib.sha256).digest()
    return f"v1,{base64.b64encode(digest).decode('ascii')}"


class Webhook:
    """ResultSink. Use it as a context.

    secret: None where results go unsigned. now: aware, for the receiver's check of freshness.
    transport: for tests.
    """

    def __init__(
        self,
        url: str,
        *,
        secret: str | None,
        timeout_s: float,
        connections: int = 8,
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
        transport: httpx.AsyncBaseTransport | None = None,
    ) -> None:
        try:
            self._url = httpx.URL(url)
        except httpx.InvalidURL as error:
            raise ConfigurationError(
                f"results.webhook_url is no URL: {error}", field="results.webhook_url"
            ) from None
        self._key = None if secret is None else signing_key(secret)
        self._now = now
        limits = httpx.Limits(max_connections=connections, max_keepalive_connections=connections)
        self._client = httpx.AsyncClient(
            follow_redirects=False,
            timeout=timeout_s,
            # A proxy of the environment's would be sent the results of everybody.
            trust_env=False,
            transport=transport or LastingTransport(limits),
        )

    def __repr__(self) -> str:
        return f"<Webhook {self._url.host}>"

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self._client.aclose()

    async def send(
        self, result_id: str, body: bytes, *, headers: Sequence[tuple[str, str]] = ()
    ) -> None:
        """Returns once the receiver has confirmed. Raises ResultUnsent, ResultRefused."""
        timestamp = int(self._now().timestamp())
        sent = {
            **dict(headers),
            "content-type": "application/json",
            "accept-encoding": "identity",  # what it says is shown as it comes
            "webhook-id": result_id,
            "webhook-timestamp": str(timestamp),
        }
        if self._key is not None:
            sent["webhook-signature"] = signature(self._key, result_id, timestamp, body)
        try:
            async with self._client.stream(
                "POST", self._url, content=body, headers=sent
            ) as response:
                if response.is_success:
                    with suppress(httpx.HTTPError):
                        await _words(response)  # to its end, if it is near, to use the line again
                    return
                words = await _words(response)
        except httpx.HTTPError as error:
            raise ResultUnsent(printable(f"{type(error).__name__}: {error}"[:300])) from error
        if response.status_code == GONE:
            raise ResultRefused(words)
        raise ResultUnsent(words, retry_after_s=self._retry_after_s(response))

    def _retry_after_s(self, response: httpx.Response) -> float | None:
        """Of a number of seconds or a date (RFC 9110, 10.2.3); None for anything else."""
        value = response.headers.get("retry-after", "").strip()
        if value.isascii() and value.isdigit():
            seconds = float(value)
            return seconds if math.isfinite(seconds) else None
        try:
            at = parsedate_to_datetime(value)
        except (ValueError, OverflowError):
            return None
        at = at if at.tzinfo is not None else at.replace(tzinfo=UTC)
        return max(0.0, (at - self._now()).total_seconds())


async def _words(response: httpx.Response) -> str:
    """The status, and the beginning of what the receiver says."""
    said = b""
    async for piece in response.aiter_raw(MOST_READ_BYTES):
        said += piece
        if len(said) >= MOST_READ_BYTES:
            break
    text = said[:MOST_READ_BYTES].decode("utf-8", "replace").strip()
    return printable(f"the receiver answered {response.status_code}: {text}".rstrip(": "))
