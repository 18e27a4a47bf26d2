"""The settings of the request path: times, retries, admission, breakers."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.section import Section

EngineName = Annotated[str, Field(pattern=r"^[A-Za-z0-9_.-]+$", max_length=128)]


def _at_least(value: int, info: ValidationInfo, other: str) -> int:
    least = info.data.get(other, value)
    if value < least:
        raise PydanticCustomError(
            "bounds",
            "should be at least admission.{other}, {least}",
            {"other": other, "least": least},
        )
    return value


def _at_most(value: int, info: ValidationInfo, other: str) -> int:
    most = info.data.get(other, value)
    if value > most:
        raise PydanticCustomError(
            "bounds", "should be at most admission.{other}, {most}", {"other": other, "most": most}
        )
    return value


class EngineRequestSettings(Section):
    """What differs for one engine."""

    timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="deadline of this engine's part; requests.engine_timeout_s if not set",
    )
    hedge_after_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="a try unanswered for as long is joined by a second one; never if not set",
    )
    fallback: str | None = Field(
        default=None,
        max_length=64,
        description="release that answers when neither the one chosen nor stable can",
    )


class RequestSettings(Section):
    """How long a request, an engine's part of it and a single try may take."""

    max_timeout_s: float = Field(
        default=60, gt=0, le=3600, description="longest deadline that a caller may ask for"
    )
    timeout_s: float = Field(
        default=10,
        gt=0,
        le=3600,
        validate_default=True,
        description="deadline of a request whose caller gives none",
    )
    engine_timeout_s: float = Field(
        default=5, gt=0, le=3600, description="deadline of one engine's part, retries included"
    )
    try_timeout_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="how long one try at one instance may take; at most, and if not set, half of "
        "its engine's",
    )
    engines: dict[EngineName, EngineRequestSettings] = Field(
        default_factory=dict, max_length=256, description="what differs for single engines, by name"
    )

    @field_validator("timeout_s")
    @classmethod
    def _within_longest(cls, value: float, info: ValidationInfo) -> float:
        longest = info.data.get("max_timeout_s", value)
        if value > longest:
            raise PydanticCustomError(
                "timeout",
                "should be at most requests.max_timeout_s, {longest}",
                {"longest": longest},
            )
        return value


class RetrySettings(Section):
    """How often a try is made again, within a budget: retries never multiply an overload."""

    max_attempts: int = Field(
        default=3, ge=1, le=10, description="tries of one engine call, the first among them"
    )
    budget_ratio: float = Field(
        default=0.2, ge=0, le=1, description="retries that one request earns its engine"
    )
    budget_floor_per_s: float = Field(
        default=3, ge=0, le=1000, description="retries an engine has each second anyway"
    )


class AdmissionSettings(Section):
    """How many requests of an engine are let in at once. The limit follows what is measured."""

    min_limit: int = Field(
        default=4, ge=1, le=100_000, description="requests of one engine in flight, at least"
    )
    max_limit: int = Field(
        default=512,
        ge=1,
        le=100_000,
        validate_default=True,
        description="requests of one engine in flight, at most",
    )
    initial_limit: int = Field(
        default=40,
        ge=1,
        le=100_000,
        validate_default=True,
        description="the limit before anything is measured",
    )
    tolerance: float = Field(
        default=1.5,
        ge=1,
        lt=2,
        description="times its usual latency that an engine may take before its limit shrinks",
    )
    patience_s: float = Field(
        default=0.5,
        ge=0,
        le=60,
        description="seconds over its usual latency that it may take before that, if more",
    )
    normal_percent: int = Field(
        default=90, ge=1, le=100, description="share of the limit that normal priority may fill"
    )
    low_percent: int = Field(
        default=70,
        ge=1,
        le=100,
        validate_default=True,
        description="share of the limit that low priority may fill",
    )

    @field_validator("max_limit", "initial_limit")
    @classmethod
    def _at_least_the_least(cls, value: int, info: ValidationInfo) -> int:
        return _at_least(value, info, "min_limit")

    @field_validator("initial_limit")
    @classmethod
    def _at_most_the_most(cls, value: int, info: ValidationInfo) -> int:
        return _at_most(value, info, "max_limit")

    @field_validator("low_percent")
    @classmethod
    def _at_most_normal(cls, value: int, info: ValidationInfo) -> int:
        return _at_most(value, info, "normal_percent")


class BreakerSettings(Section):
    """When an instance gets no more requests of an engine, and for how long."""

    consecutive_failures: int = Field(
        default=5, ge=1, le=1000, description="failures in a row that open a breaker"
    )
    failure_ratio: float = Field(
        default=0.5, gt=0, le=1, description="share of failed calls that opens a breaker"
    )
    min_calls: int = Field(
        default=20, ge=1, le=100_000, description="calls in 10 s before a share counts"
    )
    slow_call_s: float | None = Field(
        default=None,
        gt=0,
        le=3600,
        description="calls that take longer are slow; four fifths of what a try may if not set",
    )
    slow_ratio: float = Field(
        default=0.8, gt=0, le=1, description="share of slow calls that opens a breaker"
    )
    first_open_s: float = Field(
        default=1, gt=0, le=600, description="how long a breaker opens for the first time"
    )
    longest_open_s: float = Field(
        default=60, gt=0, le=3600, description="how long a breaker opens at most"
    )
    most_ejected_share: float = Field(
        default=0.5, ge=0, le=1, description="share of the instances that breakers may keep out"
    )
