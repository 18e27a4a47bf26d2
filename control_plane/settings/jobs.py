"""The settings of jobs: how they are worked on, tried again, given up and kept."""

from __future__ import annotations

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.section import Section

DAY_S = 86_400.0


class DrainWeights(Section):
    """How workers share themselves out where messages of all priorities wait."""

    high: int = Field(default=8, ge=1, le=1000, description="share of high priority")
    normal: int = Field(default=3, ge=1, le=1000, description="share of normal priority")
    low: int = Field(default=1, ge=1, le=1000, description="share of low priority")


class JobSettings(Section):
    """How jobs are worked on, tried again, given up and kept."""

    work_here: bool = Field(
        default=True,
        description="whether `tidegate up` and `tidegate serve` work on jobs themselves, "
        "besides any `tidegate worker`",
    )
    concurrency: int = Field(
        default=8, ge=1, le=1000, description="jobs that one worker has in its hands at most"
    )
    attempt_timeout_s: float = Field(
        default=30, gt=0, le=3600, description="how long one attempt may take, photo included"
    )
    max_attempts: int = Field(
        default=10, ge=1, le=100, description="attempts of a job, the first among them"
    )
    first_retry_s: float = Field(
        default=1, gt=0, le=3600, description="wait before the second attempt; it doubles"
    )
    longest_retry_s: float = Field(
        default=300,
        gt=0,
        le=43_200,
        validate_default=True,
        description="longest wait before an attempt",
    )
    max_deadline_s: float = Field(
        default=7 * DAY_S, gt=0, le=30 * DAY_S, description="longest such time that may be given"
    )
    deadline_s: float = Field(
        default=DAY_S,
        gt=0,
        le=30 * DAY_S,
        validate_default=True,
        description="time in which a job has to be done, if its caller gives none",
    )
    claim_s: float = Field(
        default=30,
        ge=1,
        le=3600,
        description="how long after a worker's last sign of life another may take over its jobs",
    )
    weights: DrainWeights = DrainWeights()
    ageing_s: float = Field(
        default=300,
        gt=0,
        le=DAY_S,
        description="age of its oldest message that doubles a priority's share",
    )
    keep_s: float = Field(
        default=7 * DAY_S, ge=60, le=3660 * DAY_S, description="how long finished jobs are kept"
    )
    keep_dead_s: float = Field(
        default=30 * DAY_S, ge=60, le=3660 * DAY_S, description="how long dead letters are kept"
    )
    max_waiting: int = Field(
        default=1_000_000,
        ge=1,
        le=1_000_000_000,
        description="jobs that may wait; more are refused until some are done",
    )

    @field_validator("longest_retry_s")
    @classmethod
    def _at_least_first(cls, value: float, info: ValidationInfo) -> float:
        first = info.data.get("first_retry_s", value)
        if value < first:
            raise PydanticCustomError(
                "retry", "should be at least jobs.first_retry_s, {first}", {"first": first}
            )
        return value

    @field_validator("deadline_s")
    @classmethod
    def _within_longest(cls, value: float, info: ValidationInfo) -> float:
        longest = info.data.get("max_deadline_s", value)
        if value > longest:
            raise PydanticCustomError(
                "deadline", "should be at most jobs.max_deadline_s, {longest}", {"longest": longest}
            )
        return value
