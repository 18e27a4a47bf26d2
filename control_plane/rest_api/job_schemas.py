"""The shapes of jobs, as pydantic models and as OpenAPI shows them."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

from control_plane.core.detections import DetectionStatus, Priority
from control_plane.rest_api.rollout_schemas import REASON, WHO
from control_plane.rest_api.schemas import CORRELATION_ID, REQUEST_ID, Detection

MAX_JOBS = 500
DEFAULT_ACTED_ON = 100
MAX_ACTED_ON = 10_000

Dead = Literal["unprocessable", "failed", "any"]


class JobClaim(BaseModel):
    """Who works on it now."""

    worker: str = Field(examples=["worker-1"])
    attempt: int
    expires_at: datetime = Field(description="Not renewed by then, another may take over.")


class JobError(BaseModel):
    """Why the latest attempt that failed did."""

    code: str = Field(examples=["photo_unavailable"])
    message: str
    at: datetime
    field: str | None = Field(description="Of the request, where it is at fault.")


class JobHandover(BaseModel):
    """The delivery of its result to where results are sent."""

    run: int
    state: Literal["waiting", "delivered", "given_up"]
    attempts: int
    due_at: datetime | None = Field(description="Of the next try; null when it is over.")
    delivered_at: datetime | None
    error: str | None = Field(description="Of the latest try that failed.")


class Job(BaseModel):
    """A job without its answer."""

    id: str = Field(examples=[REQUEST_ID], description="Callers know it as `request_id`.")
    state: DetectionStatus
    priority: Priority
    dead: Literal["unprocessable", "failed"] | None = Field(
        description="Which dead-letter queue it lies in: `unprocessable` can never succeed, "
        "`failed` ran out of attempts or of time."
    )
    correlation_id: str | None = Field(examples=[CORRELATION_ID])
    engines: list[str] = Field(examples=[["damage", "volume"]])
    photo_url: str | None = Field(description="Null where the photo came with it.")
    photo_id: str | None
    is_uploaded: bool = Field(description="Whether its photo came with it and is kept for it.")
    releases: dict[str, str]
    metadata: dict[str, str]
    routing_key: str = Field(description="What the split is made by: the caller's, or its id.")
    idempotency_key: str | None
    created_at: datetime
    updated_at: datetime
    due_at: datetime = Field(description="It is not worked on before.")
    deadline_at: datetime = Field(description="It is not worked on after.")
    published_at: datetime | None = Field(
        description="When the queue confirmed the order to look at it; null until then."
    )
    run: int = Field(description="One more with each replay.", examples=[0])
    attempts: int = Field(description="Of this run.", examples=[2])
    claim: JobClaim | None
    error: JobError | None
    handover: JobHandover | None = Field(description="Null where no result is to be sent.")


class WholeJob(Job):
    """A job with its answer and, where it could not be read, the message as it came."""

    answer: Detection
    raw: str | None = Field(description="Its beginning, where it is long.")


class Jobs(BaseModel):
    jobs: list[Job]
    next_before: str | None = Field(
        description="To read on: `before` of the next page. Null when this is the last."
    )


class JobFigures(BaseModel):
    """How many there are."""

    waiting: dict[Priority, int] = Field(
        description="Queued, those that wait for their next attempt too."
    )
    queue: dict[Priority, int] | None = Field(
        description="Messages that wait in the queue; null when it does not answer."
    )
    oldest_age_s: dict[Priority, float] = Field(
        description="How long ago the oldest that is due was accepted; 0 without one."
    )
    states: dict[DetectionStatus, int] = Field(description="Of those that are not finished.")
    dead: dict[Literal["unprocessable", "failed"], int]
    undelivered: int = Field(description="Results that were given up on their way.")
    sending: int = Field(description="Results that are to be sent, or wait for their next try.")


class ActBody(BaseModel):
    """Who asks, and why. A key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"reason": "the store is back", "who": "ada"}},
    )

    reason: str = REASON
    who: str = WHO


class ActOnManyBody(ActBody):
    """Which ones. What is left out does not matter; something must be said, or `all`."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={
            "example": {
                "dead": "failed",
                "code": "photo_unavailable",
                "limit": 500,
                "reason": "the store is back",
                "who": "ada",
            }
        },
    )

    all: bool = Field(False, description="Every one, up to the limit.")
    dead: Dead | None = None
    priority: Literal["high", "normal", "low"] | None = None
    engine: str | None = Field(None, description="That was asked for.")
    code: str | None = Field(None, description="Of its error.", examples=["photo_unavailable"])
    correlation_id: str | None = None
    created_after: Annotated[datetime | None, Field(strict=False)] = None
    created_before: Annotated[datetime | None, Field(strict=False)] = None
    before: str | None = Field(
        None,
        description="Only those accepted before the job of this id, for going on with a filter. "
        "It chooses nothing by itself.",
    )
    limit: int = Field(DEFAULT_ACTED_ON, ge=1, le=MAX_ACTED_ON, description="How many at most.")


class ActedOn(BaseModel):
    """What was done."""

    count: int
    ids: list[str]
    may_have_more: bool = Field(description="Whether the limit was reached.")
