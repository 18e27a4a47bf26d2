"""What a Prometheus answers, as values; and what is no answer, in words."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from math import isnan

import httpx
import pytest

from control_plane.adapters.prometheus import MAX_ANSWER_BYTES, Prometheus, open_client
from control_plane.ports import QueryFailed

Answer = Callable[[httpx.Request], httpx.Response]


async def ask(answer: Answer, timeout_s: float = 5.0) -> tuple[float, ...]:
    def streamed(request: httpx.Request) -> httpx.Response:
        given = answer(request)
        return httpx.Response(given.status_code, stream=httpx.ByteStream(given.content))

    is_slow = asyncio.iscoroutinefunction(answer)
    transport = httpx.MockTransport(answer if is_slow else streamed)
    async with httpx.AsyncClient(transport=transport) as client:
        prometheus = Prometheus("http://prometheus:9090/", client)
        return await prometheus.query("up", timeout_s=timeout_s)


def succeeded(kind: str, result: object) -> Answer:
    data = {"status": "success", "data": {"resultType": kind, "result": result}}
    return lambda _: httpx.Response(200, json=data)


async def test_an_instant_vector_has_a_value_for_each_series() -> None:
    result = [
        {"metric": {"job": "a"}, "value": [1700000000.1, "0.25"]},
        {"metric": {"job": "b"}, "value": [1700000000.1, "NaN"]},
    ]
    first, second = await ask(succeeded("vector", result))
    assert first == 0.25
    assert isnan(second)
    assert await ask(succeeded("vector", [])) == ()


async def test_a_scalar_is_one_value() -> None:
    assert await ask(succeeded("scalar", [1700000000.1, "1.5"])) == (1.5,)


async def test_the_expression_is_sent_as_a_form() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        assert str(request.url) == "http://prometheus:9090/api/v1/query"
        assert request.method == "POST"
        assert request.content == b"query=up"
        return succeeded("scalar", [0, "1"])(request)

    assert await ask(answer) == (1.0,)


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (succeeded("matrix", []), "the result is a matrix"),
        (succeeded("vector", [{"value": ["1"]}]), "no Prometheus answer"),
        (succeeded("vector", [{"value": [1, "x"]}]), "no Prometheus answer"),
        (lambda _: httpx.Response(502, text="<html>"), "HTTP status 502, and no Prometheus"),
        (lambda _: httpx.Response(200, json=[]), "no Prometheus answer"),
        (
            lambda _: httpx.Response(
                400, json={"status": "error", "errorType": "bad_data", "error": "parse error"}
            ),
            "bad_data: parse error",
        ),
        (
            lambda _: httpx.Response(200, content=b" " * (MAX_ANSWER_BYTES + 1)),
            "more than 1048576 bytes",
        ),
    ],
)
async def test_what_is_no_answer(answer: Answer, said: str) -> None:
    with pytest.raises(QueryFailed, match=said):
        await ask(answer)


async def test_a_prometheus_that_is_away_or_hangs() -> None:
    def refuse(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)

    with pytest.raises(QueryFailed, match="connection refused"):
        await ask(refuse)

    async def hang(_: httpx.Request) -> httpx.Response:
        await asyncio.Event().wait()
        raise AssertionError

    with pytest.raises(QueryFailed, match=r"no answer within 0\.01 s"):
        await ask(hang, timeout_s=0.01)  # type: ignore[arg-type]


async def test_the_client_carries_the_headers_it_was_given() -> None:
    async with open_client({"Authorization": "Bearer secret"}) as client:
        assert client.headers["Authorization"] == "Bearer secret"
