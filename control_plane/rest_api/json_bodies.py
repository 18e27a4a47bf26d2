"""JSON bodies: what is taken as one, read within bounds, and how a mistake in one is told."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, TypeVar, get_args

import orjson
from pydantic import BaseModel, ValidationError
from starlette.requests import Request

from control_plane.core.printable import printable
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.bodies import read_whole
from control_plane.rest_api.problems import HttpRefusal

MAX_JSON_BYTES = 64 * 1024
JSON = "application/json"

Model = TypeVar("Model", bound=BaseModel)


def media_type_of(request: Request) -> str:
    """Raises HttpRefusal (415) for a body that is compressed."""
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise unsupported("Content-Encoding", encoding, "send the body as it is")
    return request.headers.get("content-type", "").partition(";")[0].strip().lower()


def unsupported(header: str, value: str, remedy: str) -> HttpRefusal:
    return HttpRefusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.INVALID_ARGUMENT,
        f"{header} {value[:80]!r} is not supported; {remedy}",
        field=header,
    )


async def read_json(request: Request, *, timeout_s: float) -> bytes:
    """The whole body, not parsed yet. Raises as :func:`read_whole` does."""

    def refuse(size: int) -> ControlPlaneError:
        return ControlPlaneError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the JSON body has {size} bytes or more; the limit is {MAX_JSON_BYTES}",
            field="body",
        )

    return await read_whole(request, limit_bytes=MAX_JSON_BYTES, timeout_s=timeout_s, refuse=refuse)


async def read_order(request: Request, model: type[Model], *, timeout_s: float) -> Model:
    """The body of a request to act; no body is an empty object.

    Until there are credentials, a web page that somebody has open must not be able to make
    one. A browser sends another origin's JSON only after asking (Fetch, "CORS-preflight"),
    which nobody here allows; so whatever does not say that it is JSON is refused, even when
    empty.
    """
    media_type = media_type_of(request)
    if media_type != JSON:
        raise unsupported("Content-Type", media_type, f"send {JSON}, also without a body")
    text = await read_json(request, timeout_s=timeout_s)
    return check_object(parse_json(text, "body") if text else {}, model)


def body_of(model: type[BaseModel], *, is_required: bool) -> dict[str, Any]:
    """What OpenAPI is to say of a body that ``read_order`` reads."""
    schema = model.model_json_schema(ref_template="#/components/schemas/{model}")
    # What it refers to is named once for the whole document (``app.NAMED``).
    schema.pop("$defs", None)
    content = {JSON: {"schema": schema}}
    return {"requestBody": {"required": is_required, "content": content}}


def parse_json(text: bytes, name: str) -> object:
    """name: of the field that holds the text. Raises InvalidArgument."""
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not text.strip() else str(error)
        raise InvalidArgument(f"{name} is not valid JSON: {reason[:200]}", field=name) from None


def check_object(body: object, model: type[Model]) -> Model:
    """The body as the model has it. Raises InvalidArgument for the first field that is wrong."""
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not a JSON object", field="body")
    try:
        return model.model_validate(body)
    except ValidationError as error:
        raise _explain(error, model) from None


def _explain(error: ValidationError, model: type[BaseModel]) -> InvalidArgument:
    """The first thing pydantic found, in one sentence that names the field."""
    first = error.errors(include_url=False)[0]
    # "[key]" is pydantic's mark for the key of a mapping itself.
    parts = (printable(str(part)[:80]) for part in first["loc"] if part != "[key]")
    name = ".".join(parts) or "body"
    if first["type"] == "extra_forbidden":
        known = ", ".join(_model_at(model, first["loc"][:-1]).model_fields)
        return InvalidArgument(f"unknown key {name!r}; known: {known}", field=name)
    return InvalidArgument(f"{name}: {first['msg']}", field=name)


def _model_at(model: type[BaseModel], path: tuple[int | str, ...]) -> type[BaseModel]:
    """The innermost model on the way to a field, whose keys are known there."""
    for part in path:
        field = model.model_fields.get(str(part))
        if field is not None:
            kinds = get_args(field.annotation) or (field.annotation,)
            models = (one for one in kinds if isinstance(one, type) and issubclass(one, BaseModel))
            model = next(models, model)
    return model
