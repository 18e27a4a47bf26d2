"""A detection as the caller wrote it, from JSON or multipart, checked field by field.

Both ways end in the same :class:`~control_plane.rest_api.schemas.DetectBody`, so that the
same mistake is refused in the same words. The values themselves are checked by
:mod:`control_plane.core.detections`, which every protocol shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import orjson
from pydantic import ValidationError
from starlette.requests import Request

from control_plane.core.detections import (
    Priority,
    check_detection_types,
    check_priority,
    check_releases,
    check_uuid,
)
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.bodies import MultipartReader, Part, read_chunks, read_whole
from control_plane.rest_api.problems import HttpRefusal
from control_plane.rest_api.schemas import DetectBody
from control_plane.rest_api.services import RestLimits

MAX_JSON_BYTES = 64 * 1024
MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""For everything in a multipart body that is not the photo."""

JSON = "application/json"
MULTIPART = "multipart/form-data"

_METADATA_FIELDS = ("project_id", "user_id")
_SINGLE_FIELDS = frozenset({"photo_id", "photo_url", "priority", "metadata", "releases"})
_FORM_FIELDS = ("photo", *DetectBody.model_fields, "release", "metadata.project_id")


@dataclass(frozen=True, slots=True)
class DetectForm:
    """What is asked, every value checked. Of photo and photo_url exactly one is there."""

    engines: tuple[str, ...]
    priority: Priority
    photo: bytes | None = field(repr=False)
    photo_url: str | None
    photo_id: str | None
    releases: Mapping[str, str]
    metadata: Mapping[str, str]


async def read_form(request: Request, limits: RestLimits, known: tuple[str, ...]) -> DetectForm:
    """The request's body, read and checked. known: the engines that may be asked for.

    Raises ControlPlaneError: whatever is wrong, naming the field and the limit.
    """
    content_type = request.headers.get("content-type", "")
    media_type = content_type.partition(";")[0].strip().lower()
    encoding = request.headers.get("content-encoding", "identity").strip().lower()
    if encoding != "identity":
        raise _unsupported("Content-Encoding", encoding, "send the body as it is")
    if media_type == JSON:
        return check_form(_parse_json(await _read_json(request, limits), "body"), None, known)
    if media_type == MULTIPART:
        parts = await _read_multipart(request, limits, content_type)
        photo, body = _gather(parts, limits.max_bytes)
        return check_form(body, photo, known)
    raise _unsupported("Content-Type", media_type, f"send {JSON} or {MULTIPART}")


def check_form(body: object, photo: bytes | None, known: tuple[str, ...]) -> DetectForm:
    """Raises InvalidArgument for the first field that is wrong."""
    if not isinstance(body, dict):
        raise InvalidArgument("the body is not a JSON object", field="body")
    try:
        asked = DetectBody.model_validate(body)
    except ValidationError as error:
        raise _explain(error) from None
    if photo is None and asked.photo_url is None:
        raise InvalidArgument(
            "photo is missing; send a photo_url, or multipart/form-data with a photo", field="photo"
        )
    if photo is not None and asked.photo_url is not None:
        raise InvalidArgument("both photo and photo_url are given; send one", field="photo_url")
    types = known if asked.detection_types is None else asked.detection_types
    engines = check_detection_types(types, known)
    given = asked.metadata.model_dump(exclude_none=True) if asked.metadata else {}
    return DetectForm(
        engines=engines,
        priority=Priority.NORMAL if asked.priority is None else check_priority(asked.priority),
        photo=photo,
        photo_url=asked.photo_url,
        photo_id=None if asked.photo_id is None else check_uuid(asked.photo_id, "photo_id"),
        releases=check_releases(asked.releases or {}, engines),
        metadata={name: check_uuid(value, f"metadata.{name}") for name, value in given.items()},
    )


async def _read_json(request: Request, limits: RestLimits) -> bytes:
    def refuse(size: int) -> ControlPlaneError:
        return ControlPlaneError(
            ErrorCode.MESSAGE_TOO_LARGE,
            f"the JSON body has {size} bytes or more; the limit is {MAX_JSON_BYTES}",
            field="body",
        )

    return await read_whole(
        request, limit_bytes=MAX_JSON_BYTES, timeout_s=limits.body_timeout_s, refuse=refuse
    )


async def _read_multipart(request: Request, limits: RestLimits, content_type: str) -> list[Part]:
    def refuse(size: int) -> ControlPlaneError:
        return _too_large(f"the upload has {size} bytes or more", limits.max_bytes)

    reader = MultipartReader(content_type)
    chunks = read_chunks(
        request,
        limit_bytes=limits.max_bytes + MULTIPART_OVERHEAD_BYTES,
        timeout_s=limits.body_timeout_s,
        refuse=refuse,
    )
    async for chunk in chunks:
        reader.feed(chunk)
    return reader.finish()


def _gather(parts: list[Part], max_bytes: int) -> tuple[bytes | None, dict[str, Any]]:
    """The photo, and the other parts as the JSON body they stand for."""
    photo: bytes | None = None
    body: dict[str, Any] = {}
    for part in parts:
        if part.name == "photo":
            if photo is not None:
                raise InvalidArgument("photo is given twice; send one per request", field="photo")
            if len(part.content) > max_bytes:
                raise _too_large(f"photo has {len(part.content)} bytes", max_bytes)
            photo = part.content
        else:
            _gather_text(part, body)
    return photo, body


def _gather_text(part: Part, body: dict[str, Any]) -> None:
    name = part.name
    try:
        text = part.content.decode("utf-8")
    except UnicodeDecodeError:
        raise InvalidArgument(f"{name[:80]} is not UTF-8 text", field=name[:80]) from None
    parent, _, child = name.partition(".")
    if name == "detection_types":
        names = (piece.strip() for piece in text.split(","))
        body.setdefault("detection_types", []).extend(piece for piece in names if piece)
    elif name == "release":
        engine, equals, release = text.partition("=")
        if not equals:
            raise InvalidArgument(f"release is not ENGINE=RELEASE: {text[:80]!r}", field="release")
        _put(body, "releases", engine.strip(), release.strip())
    elif parent == "metadata" and child in _METADATA_FIELDS:
        _put(body, "metadata", child, text)
    elif name in _SINGLE_FIELDS:
        if name in body:
            raise InvalidArgument(f"{name} is given twice", field=name)
        body[name] = _parse_json(part.content, name) if name in ("metadata", "releases") else text
    else:
        raise InvalidArgument(
            f"unknown field {name[:80]!r}; known: {', '.join(_FORM_FIELDS)}", field=name[:80]
        )


def _put(body: dict[str, Any], name: str, key: str, value: str) -> None:
    """Sets one key of a nested object that is also accepted as JSON text."""
    nested = body.setdefault(name, {})
    if not isinstance(nested, dict) or key in nested:
        raise InvalidArgument(f"{name}.{key[:80]} is given twice", field=name)
    nested[key] = value


def _parse_json(text: bytes, name: str) -> object:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError as error:
        reason = "it is empty" if not text.strip() else str(error)
        raise InvalidArgument(f"{name} is not valid JSON: {reason[:200]}", field=name) from None


def _explain(error: ValidationError) -> InvalidArgument:
    """The first thing pydantic found, in one sentence that names the field."""
    first = error.errors(include_url=False)[0]
    # "[key]" is pydantic's mark for the key of a mapping itself.
    name = ".".join(str(part)[:80] for part in first["loc"] if part != "[key]") or "body"
    if first["type"] == "extra_forbidden":
        return InvalidArgument(
            f"unknown key {name!r}; known: {', '.join(DetectBody.model_fields)}", field=name
        )
    return InvalidArgument(f"{name}: {first['msg']}", field=name)


def _too_large(what: str, max_bytes: int) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.PHOTO_TOO_LARGE, f"{what}; the limit of a photo is {max_bytes}", field="photo"
    )


def _unsupported(header: str, value: str, remedy: str) -> HttpRefusal:
    return HttpRefusal(
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE,
        ErrorCode.INVALID_ARGUMENT,
        f"{header} {value[:80]!r} is not supported; {remedy}",
        field=header,
    )
