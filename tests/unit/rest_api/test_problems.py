"""Every code has a status, every way of failing is a problem, and nothing of ours leaks."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from starlette.exceptions import HTTPException
from starlette.responses import StreamingResponse
from structlog.testing import capture_logs

from control_plane.errors import CALLER_MISTAKES, RETRYABLE, ControlPlaneError, ErrorCode
from control_plane.rest_api import schemas
from control_plane.rest_api.problems import STATUS_OF, problem_of
from tests.unit.rest_api.fakes import Edge, assert_still_answers, check_problem, upload


@pytest.fixture
def edge() -> Edge:
    return Edge()


def test_the_table_is_total_and_keeps_to_whose_fault_it_is() -> None:
    assert set(STATUS_OF) == set(ErrorCode)
    for code, status in STATUS_OF.items():
        if code in CALLER_MISTAKES and code is not ErrorCode.UNIMPLEMENTED:
            assert 400 <= status < 499
        if code in RETRYABLE:
            assert status in (429, 502, 503)


@pytest.mark.parametrize(("retry_after_s", "header"), [(0.2, "1"), (2.0, "2"), (0.0, "0")])
def test_when_to_come_back_is_told_twice(retry_after_s: float, header: str) -> None:
    error = ControlPlaneError(ErrorCode.OVERLOADED, "busy", retry_after_s=retry_after_s)
    response = problem_of(error, "c")
    assert response.headers["retry-after"] == header
    problem = schemas.Problem.model_validate_json(bytes(response.body))
    assert problem.retry_after_s == retry_after_s


def test_a_text_that_is_no_unicode_is_told_all_the_same() -> None:
    error = ControlPlaneError(ErrorCode.INVALID_ARGUMENT, "bad \ud800", field="\udfff")
    assert b"bad ?" in bytes(problem_of(error, "c").body)


async def test_a_path_that_does_not_exist(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.get("/api/v1/nothing/")
        assert "/api/v1/nothing/" in check_problem(response, 404, ErrorCode.NOT_FOUND, "path")
        await assert_still_answers(client)


async def test_a_method_that_is_not_allowed(edge: Edge) -> None:
    async with edge.client() as client:
        response = await client.get("/api/v1/orchestrator/detect")
    assert "POST" in check_problem(response, 405, ErrorCode.UNIMPLEMENTED, "method")
    assert response.headers["allow"] == "POST"


async def test_what_fastapi_itself_refuses_is_a_problem_too(edge: Edge) -> None:
    def prepare(app: Any) -> None:
        @app.get("/number/{number}")
        async def number(number: int) -> int:
            return number

        @app.get("/teapot")
        async def teapot() -> None:
            raise HTTPException(418, "no coffee")

        @app.get("/gateway")
        async def gateway() -> None:
            raise HTTPException(502, "beyond")

    async with edge.client(prepare) as client:
        detail = check_problem(
            await client.get("/number/x"), 400, ErrorCode.INVALID_ARGUMENT, "number"
        )
        assert "integer" in detail
        teapot = await client.get("/teapot")
        assert check_problem(teapot, 418, ErrorCode.INVALID_ARGUMENT, "path") == "no coffee"
        check_problem(await client.get("/gateway"), 502, ErrorCode.INTERNAL, "path")


async def test_the_unexpected_is_logged_and_not_told(edge: Edge) -> None:
    edge.detection.error = RuntimeError("the secret of the house")
    async with edge.client() as client:
        with capture_logs() as lines:
            response = await upload(client)
        detail = check_problem(response, 500, ErrorCode.INTERNAL, None)
        assert "secret" not in response.text
        assert "correlation id" in detail
        (error,) = [line for line in lines if line["log_level"] == "error"]
        assert error["exc_info"]
        assert error["route"] == "/api/v1/orchestrator/detect"
        edge.detection.error = None
        await assert_still_answers(client)


async def test_an_answer_that_breaks_off_is_not_made_to_look_whole(edge: Edge) -> None:
    async def half() -> AsyncIterator[bytes]:
        yield b"half"
        raise RuntimeError("broke off")

    def prepare(app: Any) -> None:
        app.add_api_route("/half", lambda: StreamingResponse(half()))

    async with edge.client(prepare) as client:
        with pytest.raises((RuntimeError, ExceptionGroup, httpx.HTTPError)):
            await client.get("/half")
