"""A detection as the caller wrote it, from JSON or multipart, checked field by field.

Both ways end in the same :class:`~control_plane.rest_api.schemas.DetectBody`, so that the
same mistake is refused in the same words. The values themselves are checked by
:mod:`control_plane.core.detections`, which every protocol shares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from starlette.requests import Request

from control_plane.core.detections import (
    Priority,
    check_detection_types,
    check_priority,
    check_releases,
    check_uuid,
)
from control_plane.errors import ControlPlaneError, ErrorCode, InvalidArgument
from control_plane.rest_api.bodies import MultipartReader, Part, read_chunks
from control_plane.rest_api.json_bodies import (
    JSON,
    check_object,
    media_type_of,
    parse_json,
    read_json,
    unsupported,
)
from control_plane.rest_api.schemas import DetectBody
from control_plane.rest_api.services import RestLimits

MULTIPART_OVERHEAD_BYTES = 64 * 1024
"""For everything in a multipart body that is not the photo."""

MULTIPART = "multipart/form-data"

_METADATA_FIELDS = ("project_id", "user_id")
_SINGLE_FIELDS = frozenset({"photo_id", "photo_url", "priority", "metadata", "releases"})
_FORM_FIELDS = (
    *("photo", *DetectBody.model_fields, "release"),
    *(f"metadata.{name}" for name in _METADATA_FIELDS),
)


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
    media_type = media_type_of(request)
    if media_type == JSON:
        text = await read_json(request, timeout_s=limits.body_timeout_s)
        return check_form(parse_json(text, "body"), None, known)
    if media_type == MULTIPART:
        parts = await _read_multipart(request, limits, request.headers["content-type"])
        photo, body = _gather(parts, limits.max_bytes)
        return check_form(body, photo, known)
    raise unsupported("Content-Type", media_type, f"send {JSON} or {MULTIPART}")


def check_form(body: object, photo: bytes | None, known: tuple[str, ...]) -> DetectForm:
    """Raises InvalidArgument for the first field that is wrong."""
    asked = check_object(body, DetectBody)
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
        body[name] = parse_json(part.content, name) if name in ("metadata", "releases") else text
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


def _too_large(what: str, max_bytes: int) -> ControlPlaneError:
    return ControlPlaneError(
        ErrorCode.PHOTO_TOO_LARGE, f"{what}; the limit of a photo is {max_bytes}", field="photo"
    )
