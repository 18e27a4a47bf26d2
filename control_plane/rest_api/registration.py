"""Registering a release: ``POST /api/v1/engines/{engine}/releases``.

JSON with pins, or multipart with an ONNX file, which is on its way to the disk as it comes. Reads
the form and hands it on; what may be registered is the service's question.

A browser sends another origin's multipart form without asking first, so there the origin itself is
looked at (Fetch, "CORS-safelisted request-header"); JSON it does not send without asking.
"""

from __future__ import annotations

import tempfile
from collections.abc import Mapping
from http import HTTPStatus
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import structlog
from fastapi import APIRouter, Request, Response
from pydantic import BaseModel, ConfigDict, Field, StrictInt

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.json_bodies import (
    JSON,
    check_object,
    media_type_of,
    parse_json,
    read_json,
    unsupported,
)
from control_plane.rest_api.problems import MEDIA_TYPE
from control_plane.rest_api.uploads import UploadReader, receive_upload
from control_plane.services.registration import RegisteredRelease

MULTIPART = "multipart/form-data"
FILE_FIELD = "onnx"
FIELDS = ("release", "reason", "who")
UPLOAD_TIMEOUT_S = 600.0

DESCRIPTION = """
A release of an engine, which a rollout may then be started to. Nothing is loaded or routed yet.

- With an ONNX file (`multipart/form-data`): it becomes the next version of the engine's floating
  component. It is checked first: it must load in ONNX Runtime, have the inputs and outputs of the
  component's configuration, and run the engine's golden input.
- With pins (`application/json`): versions that lie in the model repository already.

A release that is there is never overwritten (`conflict`).
"""


class RegisterBody(BaseModel):
    model_config = ConfigDict(extra="forbid")

    release: str = Field(description="a semantic version, such as 1.2.0")
    pins: dict[str, StrictInt] | None = Field(
        default=None, description="component to version; others are as the ensemble has them"
    )
    who: str = Field(default="", description="who asks, for the audit log")
    reason: str = Field(default="", description="why, for the audit log")


class Registered(BaseModel):
    """What was registered. component, version: what the file became; null without one."""

    engine: str
    release: str
    pins: dict[str, int]
    component: str | None
    version: int | None
    onnx_sha256: str | None
    is_proved: bool = Field(description="whether the file has run the engine's golden input")


class RegistrationService(Protocol):
    @property
    def max_onnx_bytes(self) -> int: ...

    def check(
        self,
        engine: str,
        release: str,
        *,
        has_onnx: bool,
        pins: Mapping[str, int] | None,
        who: str = "",
        reason: str = "",
    ) -> None:
        """Raises ControlPlaneError for what can be refused before the file has arrived."""
        ...

    async def register(
        self,
        engine: str,
        release: str,
        *,
        onnx: Path | None = None,
        pins: Mapping[str, int] | None = None,
        who: str = "",
        reason: str = "",
    ) -> RegisteredRelease: ...


def make_registration_router(
    registration: RegistrationService,
    *,
    body_timeout_s: float,
    upload_timeout_s: float = UPLOAD_TIMEOUT_S,
    folder: Path | None = None,
) -> APIRouter:
    """folder: where uploads are kept until they are registered; the system's if None."""
    router = APIRouter(prefix="/api/v1/engines", tags=["engines"])

    @router.post(
        "/{engine}/releases",
        summary="Register a release",
        description=DESCRIPTION,
        operation_id="register",
        status_code=HTTPStatus.CREATED,
        responses=_problems(400, 403, 404, 409, 413, 415, 429, 503),
        openapi_extra={"requestBody": _request_body()},
    )
    async def register(engine: str, request: Request, response: Response) -> Registered:
        structlog.contextvars.bind_contextvars(engine=engine[:80])
        media_type = media_type_of(request)
        if media_type == JSON:
            text = await read_json(request, timeout_s=body_timeout_s)
            asked = check_object(parse_json(text, "body"), RegisterBody)
            done = await registration.register(
                engine, asked.release, pins=asked.pins, who=asked.who, reason=asked.reason
            )
        elif media_type == MULTIPART:
            _refuse_other_origins(request)
            done = await _upload(registration, engine, request, upload_timeout_s, folder)
        else:
            raise unsupported("Content-Type", media_type, f"send {JSON} or {MULTIPART}")
        response.headers["Location"] = f"/api/v1/engines/{done.release.engine}/releases"
        return _show(done)

    return router


async def _upload(
    registration: RegistrationService,
    engine: str,
    request: Request,
    timeout_s: float,
    folder: Path | None,
) -> RegisteredRelease:
    def check_early(fields: dict[str, str]) -> None:
        """Before the file is sent, if the release was: as the command line has it."""
        if "release" in fields:
            asked = _asked(fields)
            registration.check(
                engine, asked.release, has_onnx=True, pins=None, who=asked.who, reason=asked.reason
            )

    with tempfile.TemporaryDirectory(prefix="tidegate-upload-", dir=folder) as name:
        path = Path(name) / "model.onnx"
        with path.open("wb") as file:
            reader = UploadReader(request.headers["content-type"], FILE_FIELD, file, check_early)
            fields = await receive_upload(
                request, reader, max_bytes=registration.max_onnx_bytes, timeout_s=timeout_s
            )
        asked = _asked(fields)
        return await registration.register(
            engine,
            asked.release,
            onnx=path if reader.has_file else None,
            who=asked.who,
            reason=asked.reason,
        )


def _asked(fields: dict[str, str]) -> RegisterBody:
    """The form as the JSON body it stands for."""
    if "release" not in fields:
        raise InvalidArgument("release is missing", field="release")
    for name in fields:
        if name not in FIELDS:
            known = ", ".join((*FIELDS, FILE_FIELD))
            raise InvalidArgument(
                f"unknown field {name[:80]!r}; known: {known}; pins are sent as {JSON}",
                field=name[:80],
            )
    return check_object(fields, RegisterBody)


def _refuse_other_origins(request: Request) -> None:
    origin = request.headers.get("origin")
    if origin is not None and urlsplit(origin).netloc != request.headers.get("host"):
        raise ControlPlaneError(
            ErrorCode.PERMISSION_DENIED,
            "a form of another origin's page is not taken",
            field="Origin",
        )


def _show(done: RegisteredRelease) -> Registered:
    return Registered(
        engine=done.release.engine,
        release=done.release.version,
        pins=dict(done.release.pins),
        component=done.component or None,
        version=done.version,
        onnx_sha256=done.record.onnx_sha256 or None,
        is_proved=done.is_proved,
    )


def _request_body() -> dict[str, Any]:
    file = {"type": "string", "format": "binary"}
    texts = {name: {"type": "string"} for name in FIELDS}
    form = {
        "type": "object",
        "required": ["release", FILE_FIELD],
        "properties": {**texts, FILE_FIELD: file},
    }
    return {
        "required": True,
        "content": {
            JSON: {"schema": RegisterBody.model_json_schema()},
            MULTIPART: {"schema": form},
        },
    }


def _problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }
