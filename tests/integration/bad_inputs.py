"""Every bad input of the promise, as data: what is sent and what must be answered.

A photo fault reaches every protocol that takes photos; a request fault is spelled once for
REST and once for gRPC. ``words`` must be in the message: the field's value, or the limit.
"""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import grpc

from control_plane.grpc_api.protos import orchestrator_pb2 as pb
from tests.integration import photos
from tests.integration.conftest import (
    MAX_PHOTO_BYTES,
    MAX_PHOTO_FULL_PIXELS,
    MAX_PHOTO_PIXELS,
)

HTTP_STATUS = {
    "invalid_argument": 400,
    "photo_invalid": 422,
    "photo_too_large": 413,
    "photo_forbidden": 403,
    "photo_not_found": 404,
    "message_too_large": 413,
    "unknown_release": 404,
    "deadline_exceeded": 504,
}
GRPC_STATUS = {
    "invalid_argument": grpc.StatusCode.INVALID_ARGUMENT,
    "photo_invalid": grpc.StatusCode.INVALID_ARGUMENT,
    "photo_too_large": grpc.StatusCode.INVALID_ARGUMENT,
    "photo_forbidden": grpc.StatusCode.PERMISSION_DENIED,
    "photo_not_found": grpc.StatusCode.NOT_FOUND,
    "unknown_release": grpc.StatusCode.NOT_FOUND,
}


@dataclass(frozen=True, slots=True)
class PhotoFault:
    name: str
    photo: Callable[[], bytes]
    code: str
    words: tuple[str, ...] = ()


PHOTO_FAULTS = (
    PhotoFault("no image", lambda: b"these are words, and no picture", "photo_invalid"),
    PhotoFault("another format", lambda: b"GIF89a" + b"\0" * 64, "photo_invalid", ("GIF",)),
    PhotoFault("head only", lambda: photos.small_photo()[:40], "photo_invalid", ("truncated",)),
    PhotoFault("truncated", photos.truncated, "photo_invalid", ("truncated",)),
    PhotoFault(
        "decompression bomb", photos.bomb, "photo_too_large", ("100000", str(MAX_PHOTO_FULL_PIXELS))
    ),
    PhotoFault(
        "above the pixel limit",
        partial(photos.jpeg_of, MAX_PHOTO_PIXELS),
        "photo_too_large",
        (str(MAX_PHOTO_PIXELS),),
    ),
    PhotoFault(
        "above the pixel limit of a PNG",
        partial(photos.too_many_pixels, MAX_PHOTO_FULL_PIXELS),
        "photo_too_large",
        (str(MAX_PHOTO_FULL_PIXELS),),
    ),
    PhotoFault("a JPEG of many scans", photos.many_scans, "photo_too_large", ("24 scans",)),
    PhotoFault(
        "a large PNG of 16 bits", photos.deep_png, "photo_too_large", (str(MAX_PHOTO_FULL_PIXELS),)
    ),
    PhotoFault(
        "above the byte limit",
        partial(photos.too_many_bytes, MAX_PHOTO_BYTES),
        "photo_too_large",
        (str(MAX_PHOTO_BYTES),),
    ),
    PhotoFault("zero size", lambda: b"", "photo_invalid", ("empty",)),
)


@dataclass(frozen=True, slots=True)
class RequestFault:
    """rest: members of the JSON body; typed: fields of DetectRequest, None where it has none."""

    name: str
    rest: dict[str, Any]
    typed: dict[str, Any] | None
    code: str
    field: str
    words: tuple[str, ...] = ()
    typed_field: str = ""


REQUEST_FAULTS = (
    RequestFault(
        "unknown detection type",
        {"detection_types": ["damage", "roofing"]},
        {"detection_types": ["damage", "roofing"]},
        "invalid_argument",
        "detection_types[1]",
        ("roofing", "damage, materials, volume"),
    ),
    RequestFault(
        "too many detection types",
        {"detection_types": ["damage"] * 33},
        {"detection_types": ["damage"] * 33},
        "invalid_argument",
        "detection_types",
        ("33", "32"),
    ),
    RequestFault(
        "unknown priority",
        {"priority": "urgent"},
        {"priority": 9},
        "invalid_argument",
        "priority",
        ("priority",),
    ),
    # An empty repeated field of protobuf cannot be told from one that was left out.
    RequestFault(
        "empty list", {"detection_types": []}, None, "invalid_argument", "detection_types"
    ),
    RequestFault(
        "empty type",
        {"detection_types": [""]},
        {"detection_types": [""]},
        "invalid_argument",
        "detection_types[0]",
    ),
    RequestFault(
        "photo_id is no UUID",
        {"photo_id": "17"},
        {"photo_id": "17"},
        "invalid_argument",
        "photo_id",
        ("17",),
    ),
    RequestFault(
        "photo_id is almost a UUID",
        {"photo_id": "0_" * 15 + "00"},
        {"photo_id": "0_" * 15 + "00"},
        "invalid_argument",
        "photo_id",
        ("0_0_",),
    ),
    RequestFault(
        "photo_id is a UUID in braces",
        {"photo_id": "{12345678-1234-4234-9234-123456789abc}"},
        {"photo_id": "{12345678-1234-4234-9234-123456789abc}"},
        "invalid_argument",
        "photo_id",
    ),
    RequestFault(
        "photo_id is in other digits",
        {"photo_id": "\u0660" * 32},
        {"photo_id": "\u0660" * 32},
        "invalid_argument",
        "photo_id",
    ),
    RequestFault(
        "project_id is no UUID",
        {"metadata": {"project_id": "roofs"}},
        {"metadata": pb.Metadata(project_id="roofs")},
        "invalid_argument",
        "metadata.project_id",
        ("roofs",),
    ),
    RequestFault(
        "user_id is no UUID",
        {"metadata": {"user_id": "me"}},
        {"metadata": pb.Metadata(user_id="me")},
        "invalid_argument",
        "metadata.user_id",
        ("me",),
    ),
    RequestFault(
        "unknown release",
        {"releases": {"damage": "9.9.9"}, "detection_types": ["damage", "materials"]},
        {"releases": {"damage": "9.9.9"}, "detection_types": ["damage", "materials"]},
        "unknown_release",
        "model_version",
        ("9.9.9", "1.0.0"),
    ),
    RequestFault(
        "a release of what is not asked",
        {"releases": {"volume": "1.0.0"}, "detection_types": ["damage"]},
        {"releases": {"volume": "1.0.0"}, "detection_types": ["damage"]},
        "invalid_argument",
        "releases",
        ("volume",),
    ),
)


@dataclass(frozen=True, slots=True)
class UrlFault:
    """url: made from the allowed root and a folder beside it, both prepared by the test."""

    name: str
    url: Callable[[Path, Path], str]
    code: str
    words: tuple[str, ...] = field(default=())


URL_FAULTS = (
    UrlFault("http", lambda *_: "http://127.0.0.1/roof.jpg", "invalid_argument", ("http", "file")),
    UrlFault("s3", lambda *_: "s3://photos/roof.jpg", "photo_forbidden", ("s3", "photos.buckets")),
    UrlFault(
        "https",
        lambda *_: "https://127.0.0.1/roof.jpg",
        "photo_forbidden",
        ("https", "photos.https_hosts"),
    ),
    UrlFault("data", lambda *_: "data:image/jpeg;base64,AAAA", "invalid_argument", ("data",)),
    UrlFault("no scheme", lambda root, _: str(root / "good.jpg"), "invalid_argument"),
    UrlFault("empty", lambda *_: "", "invalid_argument"),
    UrlFault("another host", lambda *_: "file://elsewhere/roof.jpg", "invalid_argument", ("host",)),
    UrlFault("outside", lambda _, out: (out / "secret.jpg").as_uri(), "photo_forbidden"),
    UrlFault("system file", lambda *_: "file:///etc/passwd", "photo_forbidden"),
    UrlFault("the root itself", lambda root, _: root.as_uri(), "photo_forbidden"),
    UrlFault("a folder", lambda root, _: (root / "folder").as_uri(), "photo_forbidden"),
    UrlFault("link", lambda root, _: (root / "link.jpg").as_uri(), "photo_forbidden"),
    UrlFault("linked folder", lambda root, _: f"file://{root}/out/secret.jpg", "photo_forbidden"),
    UrlFault(
        "dots", lambda root, out: f"file://{root}/../{out.name}/secret.jpg", "photo_forbidden"
    ),
    UrlFault(
        "encoded dots",
        lambda root, out: f"file://{root}/%2e%2e/{out.name}/secret.jpg",
        "photo_forbidden",
    ),
    UrlFault("missing", lambda root, _: (root / "none.jpg").as_uri(), "photo_not_found"),
)


def complete_request() -> dict[str, Any]:
    """A REST body that is right but for its photo."""
    return {"detection_types": ["damage"], "photo_id": str(uuid.uuid4())}
