"""The shapes of requests and answers, as pydantic models and as OpenAPI shows them.

Only the request model is run on a request. Answers are written by hand from frozen
values (they are right by construction, and checking them again would cost the hot path);
tests hold them against these models.
"""

from __future__ import annotations

from datetime import datetime
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

REQUEST_ID = "0b6fd3a2-8c0e-4d5e-9f0a-2f6d2f1c7b11"
DETECTION_ID = "6f9d9a6e-0a39-4a4e-b5f0-0f9a2a6a3c55"
CORRELATION_ID = "c2f6a1de-7a52-4d0f-8f7e-5b9a0b6a9e01"


class Metadata(BaseModel):
    """Whose photo it is; it is written to the log lines of the request."""

    model_config = ConfigDict(extra="forbid", strict=True)

    project_id: str | None = Field(None, json_schema_extra={"format": "uuid"})
    user_id: str | None = Field(None, json_schema_extra={"format": "uuid"})


class DetectBody(BaseModel):
    """What a caller asks. A key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {
                "photo_id": "3f2b8c1e-5d1c-4f7a-9b53-0d7f0a1c2e4d",
                "photo_url": "file:///photos/roof.jpg",
                "detection_types": ["damage", "materials"],
                "priority": "normal",
                "metadata": {"project_id": "9d5e2c53-1d0b-4e4b-8b4e-1a6f0f6f7c21"},
            }
        },
    )

    photo_id: str | None = Field(
        None, description="Your id of the photo.", json_schema_extra={"format": "uuid"}
    )
    photo_url: str | None = Field(
        None,
        description="`file://` below a folder of `photos.allowed_roots`, or `s3://` and `https://` "
        "where the settings allow the bucket or the host.",
    )
    detection_types: list[str] | None = Field(
        None,
        description="The engines to ask; all of them when left out. "
        "`material` is accepted for `materials`.",
    )
    priority: str | None = Field(
        None, description="`high`, `normal` (the default) or `low`.", examples=["normal"]
    )
    metadata: Metadata | None = None
    releases: dict[str, str] | None = Field(
        None,
        description="The release wanted of an engine: a semantic version, `stable` or `canary`.",
        examples=[{"damage": "1.0.0"}],
    )


class EngineError(BaseModel):
    code: str = Field(examples=["backend_unavailable"])
    message: str
    retry_after_s: float | None = Field(description="Null where it is not known.")


class ServedBy(BaseModel):
    """Which release on which instance answered, after how many attempts (none if cached)."""

    release: str = Field(examples=["1.1.0"])
    instance: str = Field(examples=["triton-0"])
    attempts: int
    fallback_from: str | None = Field(
        description="The release that was chosen and could not answer; null when it did."
    )
    cached: bool = Field(
        default=False, description="Whether it was found for an earlier request of the same photo."
    )


class Detection(BaseModel):
    """An answer, whole (`completed`) or in part (`partial`: see `errors`)."""

    model_config = ConfigDict(
        json_schema_extra={
            "example": {
                "request_id": REQUEST_ID,
                "detection_id": DETECTION_ID,
                "correlation_id": CORRELATION_ID,
                "photo_id": None,
                "status": "completed",
                "results": {
                    "damage": {
                        "detections": [
                            {
                                "class": "hail",
                                "confidence": 0.91,
                                "box": {"x_min": 310, "y_min": 120, "x_max": 356, "y_max": 170},
                            }
                        ],
                        "counts": {"hail": 1, "wind": 0, "missing_shingle": 0},
                    }
                },
                "errors": {},
                "processing_time_ms": 41.7,
                "model_versions": {"damage": "v1.1.0"},
                "served_by": {
                    "damage": {
                        "release": "1.1.0",
                        "instance": "triton-0",
                        "attempts": 1,
                        "fallback_from": None,
                        "cached": False,
                    }
                },
                "timestamp": "2025-01-31T12:00:00.000000+00:00",
            }
        }
    )

    request_id: str
    detection_id: str
    correlation_id: str
    photo_id: str | None
    status: Literal["queued", "processing", "completed", "partial", "failed"]
    results: dict[str, dict[str, Any]]
    errors: dict[str, EngineError]
    processing_time_ms: float
    model_versions: dict[str, str]
    served_by: dict[str, ServedBy]
    timestamp: datetime


class Problem(BaseModel):
    """RFC 9457. `code` is stable and meant for programs, `detail` for people."""

    model_config = ConfigDict(
        extra="allow",
        json_schema_extra={
            "example": {
                "type": "urn:tidegate:problem:photo_too_large",
                "title": "Photo too large",
                "status": 413,
                "detail": "photo has 31457280 bytes; the limit is 20971520",
                "code": "photo_too_large",
                "field": "photo",
                "correlation_id": CORRELATION_ID,
            }
        },
    )

    type: str
    title: str
    status: int
    detail: str
    code: str
    correlation_id: str
    field: str | None = None
    retry_after_s: float | None = None


class Release(BaseModel):
    release: str = Field(examples=["1.1.0"])
    pins: dict[str, int] = Field(examples=[{"damage_detector": 2}])
    is_stable: bool
    weight_bp: int = Field(description="Share of the traffic in basis points.", examples=[10_000])
    ready_on: list[str] = Field(examples=[["triton-0", "triton-1"]])
    ejected: int = Field(description="Instances that their breakers keep out.", examples=[0])
    benched: int = Field(
        description="Instances that health checks keep out, but as a last resort.", examples=[0]
    )
    is_panicking: bool = Field(
        description="Whether so many are out that requests are sent to them all the same."
    )
    panics: int = Field(description="Requests sent so since the start.", examples=[0])
    is_canary: bool = Field(
        description="Whether it is the target of a rollout and has a share of the traffic."
    )
    shadow_bp: int = Field(
        description="Share of the traffic that is copied to it, in basis points.", examples=[0]
    )
    is_serving: bool = Field(description="Whether a caller may ask for it by name now.")


class Admission(BaseModel):
    limit: int = Field(description="Requests that may be in flight; follows measured latency.")
    in_flight: int
    admitted: dict[str, int] = Field(
        description="By priority, since the start.", examples=[{"high": 3, "normal": 812, "low": 0}]
    )
    shed: dict[str, int] = Field(
        description="Refused as overloaded, likewise.",
        examples=[{"high": 0, "normal": 4, "low": 17}],
    )


class Engine(BaseModel):
    name: str = Field(examples=["damage"])
    kind: str = Field(examples=["ensemble"])
    stable: str = Field(examples=["1.1.0"])
    is_ready: bool
    releases: list[Release]
    admission: Admission
    retry_budget_remaining: float = Field(
        description="Tries that could be made again now; below 1 none is.", examples=[30.0]
    )


class Engines(BaseModel):
    engines: list[Engine]


class EngineReleases(BaseModel):
    engine: str = Field(examples=["damage"])
    stable: str = Field(examples=["1.1.0"])
    releases: list[Release]


class EngineHealth(BaseModel):
    is_ready: bool
    stable: str
    ready_on: list[str] = Field(description="Instances where the stable release is ready.")


class Leader(BaseModel):
    """Of the control plane that answers: one at a time loads, mends and moves rollouts."""

    is_leading: bool
    epoch: int | None = Field(description="Greater with every new leader; null without a lease.")
    since: datetime | None


class StateHealth(BaseModel):
    revision: int = Field(description="Of the state that this control plane goes by.")
    is_away: bool = Field(
        description="The state store does not answer: requests are served by what was read, and "
        "nothing moves."
    )


class QueueHealth(BaseModel):
    is_away: bool = Field(
        description="The queue of jobs does not answer: none is accepted or worked on, and what "
        "is asked at once is answered. Looked at every few seconds."
    )


class Health(BaseModel):
    """`ok`: everything is ready and healthy; `degraded`: something is not, or is held back, or
    the state store or the queue is away.

    `unavailable`: no engine is ready.
    """

    status: Literal["ok", "degraded", "unavailable"]
    version: str
    engines: dict[str, EngineHealth]
    instances: dict[str, str] = Field(examples=[{"triton-0": "ready"}])
    plane: str = Field(description="The name of this control plane, another one at each start.")
    other_planes: list[str] = Field(description="Those that share its state store.")
    leader: Leader
    state: StateHealth
    queue: QueueHealth
    complaints: list[str] = Field(
        description="What is not as it should be in the catalogue of releases, as this control "
        "plane last read it.",
        examples=[[]],
    )


class Alive(BaseModel):
    status: Literal["ok"] = "ok"


class Ready(BaseModel):
    status: Literal["ok"] = "ok"
    not_ready: list[str] = Field(description="Engines that cannot answer now.", examples=[[]])
