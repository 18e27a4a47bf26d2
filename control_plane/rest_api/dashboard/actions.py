"""What a person does from a page: an order in a small form, and what came of it as a notice.

Each is done by the same service as over REST and is written to the audit, by the name that was
entered or as ``dashboard``. A refusal is answered with its status and shown in its own words.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import parse_qsl

import structlog
from fastapi import APIRouter, Request
from starlette.responses import HTMLResponse, Response

from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.bodies import read_whole
from control_plane.rest_api.dashboard.origin import check_same_origin
from control_plane.rest_api.json_bodies import media_type_of, unsupported
from control_plane.rest_api.problems import correlation_id_of, status_of
from control_plane.services.operations import check_reason
from control_plane.services.rollout_requests import check_who

log = structlog.get_logger(__name__)

WHO = "dashboard"
FORM = "application/x-www-form-urlencoded"
MOST_BYTES = 16 * 1024
MOST_FIELDS = 32


@dataclass(frozen=True, slots=True)
class Order:
    """What a page asks to be done.

    path: the named parts of its address. who, reason: for the audit. fields: what else the form
    had. is_forced: whether it is to be done all the same.
    """

    path: Mapping[str, str]
    who: str
    reason: str
    fields: Mapping[str, str]

    @property
    def is_forced(self) -> bool:
        return self.fields.get("force") == "true"


Act = Callable[[Order], Awaitable[str]]
"""Does it, and says in a sentence what was done. Raises ControlPlaneError."""


def add_action(
    router: APIRouter,
    path: str,
    act: Act,
    *,
    render: Callable[[str, Mapping[str, Any]], str],
    expire: Callable[[], None],
    timeout_s: float,
) -> None:
    """``POST path``: ``act`` on an order that a page of the dashboard has sent.

    render: a template by its name. expire: told when something was tried.
    timeout_s: for the body to arrive in.
    """

    @router.post(path)
    async def do(request: Request) -> Response:
        try:
            check_same_origin(request)
        except ControlPlaneError as error:
            _log(error)
            raise
        try:
            order = await _read(request, timeout_s)
            said = await act(order)
        except ControlPlaneError as error:
            _log(error)
            values = {"error": error, "correlation_id": correlation_id_of(request)}
            return _answer(render("parts/refused.html", values), status_of(error))
        finally:
            expire()
        return _answer(render("parts/done.html", {"said": said}), 200)


def _log(error: ControlPlaneError) -> None:
    log.info("the dashboard was refused", code=error.code, reason=error.message)


def _answer(html: str, status: int) -> Response:
    return HTMLResponse(html, status_code=status, headers={"Cache-Control": "no-store"})


async def _read(request: Request, timeout_s: float) -> Order:
    media_type = media_type_of(request)
    if media_type != FORM:
        raise unsupported("Content-Type", media_type, f"send {FORM}")
    body = await read_whole(request, limit_bytes=MOST_BYTES, timeout_s=timeout_s, refuse=_too_large)
    fields = _fields_of(body)
    return Order(
        path=dict(request.path_params),
        who=check_who(fields.get("who", ""), WHO),
        reason=check_reason(fields.get("reason", "")),
        fields=fields,
    )


def _fields_of(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode(), keep_blank_values=True, max_num_fields=MOST_FIELDS, errors="strict"
        )
    except ValueError as error:
        raise InvalidArgument(f"the form cannot be read: {error}"[:200], field="body") from None
    return dict(pairs)


def _too_large(size: int) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.MESSAGE_TOO_LARGE,
        f"the form has {size} bytes or more; the limit is {MOST_BYTES}",
        field="body",
    )
