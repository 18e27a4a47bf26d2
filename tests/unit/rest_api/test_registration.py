"""Registering over REST: JSON with pins, or a form with a file that goes to the disk."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from fastapi import FastAPI

from control_plane.errors import ErrorCode
from control_plane.rest_api.correlation import CorrelationMiddleware
from control_plane.rest_api.problems import install_problem_handlers
from control_plane.rest_api.registration import make_registration_router
from control_plane.rest_api.uploads import MAX_FIELD_BYTES
from tests.unit.fakes import FakeClock
from tests.unit.rest_api.fake_registration import LIMIT, FakeRegistration
from tests.unit.rest_api.fakes import check_problem

URL = "/api/v1/engines/damage/releases"
ONNX = b"onnx" * 25_000


@pytest.fixture
def registration() -> FakeRegistration:
    return FakeRegistration()


@pytest.fixture
async def client(
    registration: FakeRegistration, tmp_path: Path
) -> AsyncIterator[httpx.AsyncClient]:
    app = FastAPI()
    install_problem_handlers(app)
    app.include_router(make_registration_router(registration, body_timeout_s=5.0, folder=tmp_path))
    app.add_middleware(CorrelationMiddleware, now_s=FakeClock().now_s)
    transport = httpx.ASGITransport(app)
    async with httpx.AsyncClient(transport=transport, base_url="http://tidegate") as client:
        yield client


async def upload(client: httpx.AsyncClient, content: bytes = ONNX, **fields: str) -> httpx.Response:
    return await client.post(URL, data=fields, files={"onnx": ("new.onnx", content)})


async def test_pins_are_registered(
    client: httpx.AsyncClient, registration: FakeRegistration
) -> None:
    body = {"release": "1.2.0", "pins": {"damage_detector": 2}, "who": "ann", "reason": "better"}
    response = await client.post(URL, json=body)
    assert response.status_code == 201
    assert response.headers["location"] == URL
    assert response.json() == {
        "engine": "damage",
        "release": "1.2.0",
        "pins": {"preprocess": 1, "damage_detector": 2},
        "component": None,
        "version": None,
        "onnx_sha256": None,
        "is_proved": False,
    }
    assert registration.done == [("damage", "1.2.0", {"damage_detector": 2}, "ann", "better")]


async def test_a_file_is_registered_and_not_kept(
    client: httpx.AsyncClient, registration: FakeRegistration, tmp_path: Path
) -> None:
    response = await upload(client, release="1.2.0", who="ann", reason="better")
    assert response.status_code == 201, response.text
    assert response.json() == {
        "engine": "damage",
        "release": "1.2.0",
        "pins": {"preprocess": 1, "damage_detector": 3},
        "component": "damage_detector",
        "version": 3,
        "onnx_sha256": "0f" * 32,
        "is_proved": True,
    }
    assert registration.done == [("damage", "1.2.0", ONNX, "ann", "better")]
    assert registration.paths[0].is_relative_to(tmp_path)
    assert os.listdir(tmp_path) == []


@pytest.mark.parametrize("field", ["release"])
async def test_fields_may_come_after_the_file(
    client: httpx.AsyncClient, registration: FakeRegistration, field: str
) -> None:
    body = (
        b'--x\r\nContent-Disposition: form-data; name="onnx"; filename="a"\r\n\r\nonnx\r\n'
        b'--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n1.2.0\r\n--x--\r\n'
    )
    headers = {"content-type": "multipart/form-data; boundary=x"}
    assert (await client.post(URL, content=body, headers=headers)).status_code == 201
    assert registration.done == [("damage", "1.2.0", b"onnx", "", "")]


async def test_a_conflict_is_found_before_the_file_is_read(client: httpx.AsyncClient) -> None:
    sent = 0

    async def body() -> AsyncIterator[bytes]:
        nonlocal sent
        yield (
            b'--x\r\nContent-Disposition: form-data; name="release"\r\n\r\n9.9.9\r\n'
            b'--x\r\nContent-Disposition: form-data; name="onnx"; filename="a"\r\n\r\n'
        )
        for _ in range(10):
            sent += 1
            yield bytes(1000)

    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await client.post(URL, content=body(), headers=headers)
    check_problem(response, 409, ErrorCode.CONFLICT, "release")
    assert sent <= 1


@pytest.mark.parametrize(
    ("fields", "field_at_fault", "words"),
    [
        ({}, "release", "release is missing"),
        ({"release": "1.2.0", "pins": "{}"}, "pins", "pins are sent as application/json"),
        ({"release": "1.2.0", "why": "x"}, "why", "known: release, reason, who, onnx"),
    ],
)
async def test_a_mistake_in_the_form_is_named(
    client: httpx.AsyncClient,
    registration: FakeRegistration,
    fields: dict[str, str],
    field_at_fault: str,
    words: str,
) -> None:
    response = await upload(client, **fields)
    assert words in check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field_at_fault)
    assert registration.done == []


async def test_a_form_without_a_file_is_the_services_to_refuse(client: httpx.AsyncClient) -> None:
    files = {"release": (None, b"1.2.0")}
    response = await client.post(URL, files=files)
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "onnx")


@pytest.mark.parametrize("name", ["release", "onnx"])
async def test_nothing_is_given_twice(client: httpx.AsyncClient, name: str) -> None:
    parts = [("release", (None, b"1.2.0")), ("onnx", ("a", b"onnx")), (name, (None, b"1.2.0"))]
    response = await client.post(URL, files=parts)
    detail = check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, name)
    assert detail == f"{name} is given twice"


async def test_a_field_is_text(client: httpx.AsyncClient) -> None:
    parts = [("release", (None, b"\xff")), ("onnx", ("a", b"onnx"))]
    response = await client.post(URL, files=parts)
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "release")


@pytest.mark.parametrize("size", [LIMIT + 1, LIMIT + MAX_FIELD_BYTES + 1])
async def test_a_file_is_bounded(
    client: httpx.AsyncClient, registration: FakeRegistration, tmp_path: Path, size: int
) -> None:
    response = await upload(client, bytes(size), release="1.2.0")
    detail = check_problem(response, 413, ErrorCode.MESSAGE_TOO_LARGE, "onnx")
    assert f"the limit of a file is {LIMIT}" in detail
    assert registration.done == []
    assert os.listdir(tmp_path) == []


async def test_fields_are_bounded_by_themselves(client: httpx.AsyncClient) -> None:
    response = await upload(client, b"onnx", release="1.2.0", reason="a" * (MAX_FIELD_BYTES + 1))
    check_problem(response, 413, ErrorCode.MESSAGE_TOO_LARGE, "body")


async def test_a_truncated_form_registers_nothing(
    client: httpx.AsyncClient, registration: FakeRegistration
) -> None:
    body = b'--x\r\nContent-Disposition: form-data; name="onnx"; filename="a"\r\n\r\nonnx'
    headers = {"content-type": "multipart/form-data; boundary=x"}
    response = await client.post(URL, content=body, headers=headers)
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, "body")
    assert registration.done == []


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://tidegate", 201),
        ("http://evil.example", 403),
        ("null", 403),
    ],
)
async def test_a_form_of_another_origins_page_is_not_taken(
    client: httpx.AsyncClient, registration: FakeRegistration, origin: str, status: int
) -> None:
    files = {"onnx": ("a", b"onnx")}
    response = await client.post(
        URL, data={"release": "1.2.0"}, files=files, headers={"origin": origin}
    )
    assert response.status_code == status
    assert len(registration.done) == (status == 201)


@pytest.mark.parametrize(
    ("body", "field_at_fault"),
    [
        ({}, "release"),
        ({"release": 7}, "release"),
        ({"release": "1.2.0", "pins": {"detector": "2"}}, "pins.detector"),
        ({"release": "1.2.0", "pins": {"detector": True}}, "pins.detector"),
        ({"release": "1.2.0", "onnx": "x"}, "onnx"),
    ],
)
async def test_a_mistake_in_the_json_is_named(
    client: httpx.AsyncClient, body: dict[str, Any], field_at_fault: str
) -> None:
    response = await client.post(URL, json=body)
    check_problem(response, 400, ErrorCode.INVALID_ARGUMENT, field_at_fault)


async def test_anything_else_is_not_taken(client: httpx.AsyncClient) -> None:
    response = await client.post(URL, content=b"x", headers={"content-type": "text/plain"})
    check_problem(response, 415, ErrorCode.INVALID_ARGUMENT, "Content-Type")
