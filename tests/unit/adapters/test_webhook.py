"""Results over HTTP: how they are signed, and what each answer means."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
from collections.abc import AsyncIterator, Callable
from datetime import UTC, datetime

import httpx
import pytest

from control_plane.adapters.webhook import Webhook, signature, signing_key
from control_plane.errors import ConfigurationError
from control_plane.ports import ResultRefused, ResultUnsent

NOW = datetime(2025, 1, 31, 12, tzinfo=UTC)
URL = "https://metadata.example/results"
KEY = base64.b64encode(b"a key of some length").decode()

Answer = Callable[[httpx.Request], httpx.Response]


def reply(status: int, text: str = "", **headers: str) -> httpx.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return httpx.Response(status, headers=named, stream=httpx.ByteStream(text.encode()))


def webhook(answer: Answer, *, secret: str | None = "secret") -> Webhook:
    return Webhook(
        URL,
        secret=secret,
        timeout_s=1.0,
        now=lambda: NOW,
        transport=httpx.MockTransport(answer),
    )


async def send(answer: Answer, *, secret: str | None = "secret") -> None:
    async with webhook(answer, secret=secret) as sink:
        await sink.send("job.0", b'{"a":1}')


@pytest.mark.parametrize(
    ("secret", "key"), [("secret", b"secret"), (f"whsec_{KEY}", b"a key of some length")]
)
async def test_a_result_is_signed_so_that_its_receiver_can_check_it(
    secret: str, key: bytes
) -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return reply(204)

    await send(answer, secret=secret)
    (request,) = seen
    timestamp = str(int(NOW.timestamp()))
    digest = hmac.new(key, f'job.0.{timestamp}.{{"a":1}}'.encode(), hashlib.sha256).digest()
    assert request.method == "POST"
    assert request.content == b'{"a":1}'
    assert request.headers["accept-encoding"] == "identity"
    assert request.headers["content-type"] == "application/json"
    assert request.headers["webhook-id"] == "job.0"
    assert request.headers["webhook-timestamp"] == timestamp
    assert request.headers["webhook-signature"] == f"v1,{base64.b64encode(digest).decode()}"


def test_the_signature_is_the_one_of_the_published_example() -> None:
    # https://github.com/standard-webhooks/standard-webhooks, the libraries' common test.
    key = signing_key("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
    made = signature(key, "msg_p5jXN8AQM9LWM0D4loKWxJek", 1614265330, b'{"test": 2432232314}')
    assert made == "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE="


async def test_without_a_secret_a_result_is_not_signed() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert "webhook-signature" not in request.headers
        return reply(200, "thank you")

    await send(answer, secret=None)


async def test_a_receiver_that_is_gone_is_not_asked_again() -> None:
    with pytest.raises(ResultRefused, match="answered 410: not \\?\\[2Jmine"):
        await send(lambda _: reply(410, "not \x1b[2Jmine"))


@pytest.mark.parametrize("status", [301, 307, 400, 401, 403, 404, 408, 422, 425, 429, 500, 503])
async def test_anything_else_is_tried_again(status: int) -> None:
    with pytest.raises(ResultUnsent, match=str(status)):
        await send(lambda _: reply(status, location="https://elsewhere/"))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [
        ("120", 120.0),
        ("Fri, 31 Jan 2025 12:01:00 GMT", 60.0),
        ("Fri, 31 Jan 2025 11:00:00 GMT", 0.0),
        ("soon", None),
        ("-5", None),
        ("9" * 400, None),
        ("Fri, 31 Jan 2025 12:01:00 +99999999999999", None),
        (f"Fri, 31 Jan {'9' * 30} 12:01:00 GMT", None),
        ("", None),
    ],
)
async def test_when_to_come_again_is_heard(value: str, seconds: float | None) -> None:
    with pytest.raises(ResultUnsent) as caught:
        await send(lambda _: reply(503, retry_after=value))
    assert caught.value.retry_after_s == seconds


async def test_a_receiver_that_cannot_be_reached_is_tried_again() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("no\x1broute", request=request)

    with pytest.raises(ResultUnsent, match=r"ConnectError: no\?route"):
        await send(answer)


class Endless(httpx.AsyncByteStream):
    def __init__(self) -> None:
        self.pieces = 0

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self.pieces += 1
            yield b"x" * 100


@pytest.mark.parametrize("status", [200, 410])
async def test_no_more_of_an_answer_is_read_than_is_needed(status: int) -> None:
    stream = Endless()
    sink = webhook(lambda _: httpx.Response(status, stream=stream))
    said = ""
    async with sink, asyncio.timeout(5.0):
        try:
            await sink.send("job.0", b"{}")
        except ResultRefused as refused:
            said = str(refused)
    assert len(said) < 600
    assert stream.pieces < 20


async def test_a_confirmation_whose_rest_is_lost_is_one() -> None:
    class Torn(httpx.AsyncByteStream):
        async def __aiter__(self) -> AsyncIterator[bytes]:
            yield b"tha"
            raise httpx.ReadError("torn")

    await send(lambda _: httpx.Response(200, stream=Torn()))


def test_what_is_no_secret_or_url_is_said() -> None:
    with pytest.raises(ConfigurationError) as caught:
        signing_key("whsec_%%%")
    assert caught.value.field == "results.webhook_secret"
    with pytest.raises(ConfigurationError) as caught:
        Webhook("https://[::1", secret=None, timeout_s=1.0)
    assert caught.value.field == "results.webhook_url"


async def test_it_shows_where_to_and_no_secret() -> None:
    async with webhook(lambda _: httpx.Response(200)) as sink:
        assert repr(sink) == "<Webhook metadata.example>"


async def test_the_trace_goes_along_and_changes_no_header_of_ours() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return reply(204)

    headers = (("traceparent", "00-a-b-01"), ("webhook-id", "forged"))
    async with webhook(answer) as sink:
        await sink.send("job.0", b"{}", headers=headers)
    (request,) = seen
    assert request.headers["traceparent"] == "00-a-b-01"
    assert request.headers["webhook-id"] == "job.0"
