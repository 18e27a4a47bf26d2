"""Every refusal and failure as an RFC 9457 problem, from one table.

:data:`STATUS_OF` is total over ErrorCode (a test proves it). What HTTP itself refuses
(a path, a method, a media type) is a problem too, with the nearest code, so that
``code`` always comes from one closed list. An unexpected exception is the business of
:mod:`control_plane.rest_api.correlation`, which logs it and answers with
:func:`internal_problem`: nothing of it reaches the caller.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import orjson
from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument

MEDIA_TYPE = "application/problem+json"
CLIENT_CLOSED_REQUEST = 499
"""Not in the registry; nginx's number for a caller who left before the answer."""

STATUS_OF: Mapping[ErrorCode, int] = {
    ErrorCode.INVALID_ARGUMENT: HTTPStatus.BAD_REQUEST,
    ErrorCode.PHOTO_INVALID: HTTPStatus.UNPROCESSABLE_ENTITY,
    ErrorCode.PHOTO_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.PHOTO_FORBIDDEN: HTTPStatus.FORBIDDEN,
    ErrorCode.PHOTO_NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.MESSAGE_TOO_LARGE: HTTPStatus.REQUEST_ENTITY_TOO_LARGE,
    ErrorCode.UNKNOWN_ENGINE: HTTPStatus.NOT_FOUND,
    ErrorCode.UNKNOWN_RELEASE: HTTPStatus.NOT_FOUND,
    ErrorCode.NOT_FOUND: HTTPStatus.NOT_FOUND,
    ErrorCode.PERMISSION_DENIED: HTTPStatus.FORBIDDEN,
    ErrorCode.UNIMPLEMENTED: HTTPStatus.NOT_IMPLEMENTED,
    ErrorCode.CONFLICT: HTTPStatus.CONFLICT,
    ErrorCode.RELEASE_NOT_READY: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.OVERLOADED: HTTPStatus.TOO_MANY_REQUESTS,
    ErrorCode.BACKEND_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.BACKEND_FAULT: HTTPStatus.BAD_GATEWAY,
    ErrorCode.SHUTTING_DOWN: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.STORE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.QUEUE_UNAVAILABLE: HTTPStatus.SERVICE_UNAVAILABLE,
    ErrorCode.PHOTO_UNAVAILABLE: HTTPStatus.BAD_GATEWAY,
    ErrorCode.DEADLINE_EXCEEDED: HTTPStatus.GATEWAY_TIMEOUT,
    ErrorCode.CANCELLED: CLIENT_CLOSED_REQUEST,
    ErrorCode.CONFIGURATION: HTTPStatus.INTERNAL_SERVER_ERROR,
    ErrorCode.INTERNAL: HTTPStatus.INTERNAL_SERVER_ERROR,
}

_CODE_OF_HTTP: Mapping[int, ErrorCode] = {
    HTTPStatus.NOT_FOUND: ErrorCode.NOT_FOUND,
    HTTPStatus.METHOD_NOT_ALLOWED: ErrorCode.UNIMPLEMENTED,
    HTTPStatus.REQUEST_ENTITY_TOO_LARGE: ErrorCode.MESSAGE_TOO_LARGE,
}

REFUSAL = "tidegate.refusal"
"""In a request's scope: the error that it was answered with."""
LISTED = "/docs lists what there is"


class HttpRefusal(ControlPlaneError):
    """A refusal for which HTTP has a status of its own, more telling than its code's."""

    def __init__(self, status: HTTPStatus, code: ErrorCode, message: str, *, field: str) -> None:
        super().__init__(code, message, field=field)
        self.status = status


def status_of(error: ControlPlaneError) -> int:
    return error.status if isinstance(error, HttpRefusal) else STATUS_OF[error.code]


def correlation_id_of(request: Request) -> str:
    """The id that the correlation middleware gave the request."""
    return str(request.scope.get("state", {}).get("correlation_id", ""))


class Problem(Response):
    """Leaves what it tells of where the access line finds it."""

    def __init__(
        self,
        error: ControlPlaneError,
        content: bytes,
        *,
        status_code: int,
        headers: Mapping[str, str],
        media_type: str,
    ) -> None:
        super().__init__(content, status_code, headers, media_type)
        self._error = error

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        scope[REFUSAL] = self._error
        await super().__call__(scope, receive, send)


def problem_of(
    error: ControlPlaneError,
    correlation_id: str,
    *,
    headers: Mapping[str, str] | None = None,
    extensions: Mapping[str, object] | None = None,
) -> Response:
    """The problem that tells of ``error``. extensions: more members of its body."""
    status = status_of(error)
    body: dict[str, object] = {
        # about:blank would be right too; a name per code can be matched on.
        "type": f"urn:tidegate:problem:{error.code.value}",
        "title": error.code.value.replace("_", " ").capitalize(),
        "status": status,
        "detail": error.message,
        "code": error.code.value,
        "correlation_id": correlation_id,
    }
    if error.field is not None:
        body["field"] = error.field
    all_headers = dict(headers or {})
    if error.retry_after_s is not None:
        body["retry_after_s"] = error.retry_after_s
        # The header knows whole seconds only (RFC 9110, 10.2.3).
        all_headers["Retry-After"] = str(max(0, math.ceil(error.retry_after_s)))
    body.update(extensions or {})
    return Problem(
        error,
        # A caller's own text may hold what is no Unicode; it is shown with marks in it.
        orjson.dumps(_storable(body), default=dict),
        status_code=status,
        headers=all_headers,
        media_type=MEDIA_TYPE,
    )


def problems(*statuses: int) -> dict[int | str, dict[str, Any]]:
    """What OpenAPI is to say of a route's refusals."""
    content = {MEDIA_TYPE: {"schema": {"$ref": "#/components/schemas/Problem"}}}
    return {
        status: {"description": HTTPStatus(status).phrase, "content": content}
        for status in statuses
    }


def internal_problem(correlation_id: str) -> Response:
    """The opaque answer to an unexpected exception."""
    error = ControlPlaneError(
        ErrorCode.INTERNAL,
        "something went wrong here; the log has it under the correlation id",
    )
    return problem_of(error, correlation_id)


def install_problem_handlers(app: FastAPI, *, what_is_there: str = LISTED) -> None:
    """Makes every expected exception of ``app`` a problem. what_is_there: for a wrong path."""

    async def tell_control_plane_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, ControlPlaneError)  # noqa: S101 - as registered below
        return problem_of(error, correlation_id_of(request))

    async def tell_http_exception(request: Request, error: Exception) -> Response:
        assert isinstance(error, HTTPException)  # noqa: S101 - as registered below
        return _tell_http(request, error, what_is_there)

    async def tell_validation_error(request: Request, error: Exception) -> Response:
        assert isinstance(error, RequestValidationError)  # noqa: S101 - as registered below
        first = error.errors()[0]
        field = ".".join(str(part) for part in first["loc"][1:]) or str(first["loc"][0])
        return problem_of(
            InvalidArgument(f"{field}: {first['msg']}", field=field), correlation_id_of(request)
        )

    app.add_exception_handler(ControlPlaneError, tell_control_plane_error)
    app.add_exception_handler(HTTPException, tell_http_exception)
    app.add_exception_handler(RequestValidationError, tell_validation_error)


def _tell_http(request: Request, error: HTTPException, what_is_there: str) -> Response:
    """A refusal by the router: no such path, no such method."""
    headers = error.headers or {}
    status = HTTPStatus(error.status_code)
    message = str(error.detail)
    if status is HTTPStatus.NOT_FOUND:
        message = f"nothing is at {request.url.path[:200]}; {what_is_there}"
    elif status is HTTPStatus.METHOD_NOT_ALLOWED:
        message = f"{request.method} is not allowed here; use {headers.get('Allow', 'another')}"
    fallback = ErrorCode.INTERNAL if status >= 500 else ErrorCode.INVALID_ARGUMENT
    refusal = HttpRefusal(status, _CODE_OF_HTTP.get(status, fallback), message, field="path")
    if status is HTTPStatus.METHOD_NOT_ALLOWED:
        refusal.field = "method"
    return problem_of(refusal, correlation_id_of(request), headers=headers)


def _storable(body: dict[str, object]) -> dict[str, object]:
    """``body`` with its texts fit for UTF-8 (JSON may carry lone surrogates in)."""
    return {
        key: value.encode("utf-8", "replace").decode() if isinstance(value, str) else value
        for key, value in body.items()
    }
