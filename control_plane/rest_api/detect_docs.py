"""``POST /detect`` as OpenAPI shows it: its body is read by hand, so FastAPI cannot know it."""

from __future__ import annotations

from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

from control_plane.errors import ErrorCode
from control_plane.rest_api.forms import MULTIPART
from control_plane.rest_api.json_bodies import JSON
from control_plane.rest_api.problems import CLIENT_CLOSED_REQUEST, MEDIA_TYPE, STATUS_OF
from control_plane.rest_api.schemas import DetectBody, Detection, Problem


def describe_request() -> dict[str, Any]:
    """Both media types, and the headers."""
    schema = DetectBody.model_json_schema()
    metadata = schema.pop("$defs")["Metadata"]
    schema["properties"]["metadata"] = {"anyOf": [metadata, {"type": "null"}]}
    upload = {
        "type": "object",
        "required": ["photo"],
        "properties": {
            "photo": {"type": "string", "format": "binary", "description": "JPEG, PNG or WebP."},
            **{name: form for name, form in schema["properties"].items() if name != "photo_url"},
        },
    }
    headers = {
        "Prefer": "`respond-async`: 202 at once; the answer is found under `Location`.",
        "Idempotency-Key": "Repeats with the same key are the same detection, and asked once. "
        "At most 255 printable ASCII characters.",
        "X-Request-Timeout-S": "Seconds the caller waits, from when the request has arrived; with "
        "`respond-async`, seconds in which the job has to be done.",
        "Cache-Control": "`no-cache`: nothing that was found on the same photo before. A job may "
        "use it all the same.",
        "X-Routing-Key": "Keeps its caller on one side of a traffic split.",
        "X-Correlation-ID": "An id for the log; one is made when it is missing.",
    }
    return {
        "requestBody": {
            "required": True,
            "content": {MULTIPART: {"schema": upload}, JSON: {"schema": schema}},
        },
        "parameters": [
            {"name": name, "in": "header", "description": text, "schema": {"type": "string"}}
            for name, text in headers.items()
        ],
    }


def describe_responses() -> dict[int | str, dict[str, Any]]:
    codes_of: dict[int, list[str]] = {
        HTTPStatus.REQUEST_TIMEOUT: [ErrorCode.DEADLINE_EXCEEDED],
        HTTPStatus.UNSUPPORTED_MEDIA_TYPE: [ErrorCode.INVALID_ARGUMENT],
    }
    for code, status in STATUS_OF.items():
        if status != CLIENT_CLOSED_REQUEST:
            codes_of.setdefault(int(status), []).append(code)
    return {
        200: {
            "description": "Completed, or in part.",
            "headers": _headers("Idempotency-Replayed"),
            **_as_json(Detection, JSON),
        },
        202: {
            "description": "Accepted, and kept for good: the answer, as far as it is known now.",
            "headers": _headers("Location", "Preference-Applied", "Idempotency-Replayed"),
            **_as_json(Detection, JSON),
        },
        **{
            int(status): {
                "description": ", ".join(f"`{code}`" for code in codes),
                **_as_json(Problem, MEDIA_TYPE),
            }
            for status, codes in sorted(codes_of.items())
        },
    }


def _headers(*names: str) -> Mapping[str, Any]:
    told = {
        "Location": "Where its status is.",
        "Preference-Applied": "`respond-async`.",
        "Idempotency-Replayed": "`true` where a detection from before is answered.",
    }
    return {name: {"description": told[name], "schema": {"type": "string"}} for name in names}


def _as_json(model: type[Detection] | type[Problem], media_type: str) -> Mapping[str, Any]:
    reference = {"$ref": f"#/components/schemas/{model.__name__}"}
    return {"content": {media_type: {"schema": reference}}}
