"""The settings of rollouts: what one goes by if nothing else is said, and who leads."""

from __future__ import annotations

from pydantic import Field, field_validator, model_validator
from pydantic_core import PydanticCustomError

from control_plane.core.rollout import DEFAULT_STEPS_PERCENT
from control_plane.core.rollout.plan import LONGEST_S, MOST_SAMPLES, MOST_STEPS
from control_plane.settings.section import Section


class RolloutSettings(Section):
    """What a rollout goes by where its operator says nothing else."""

    steps_percent: tuple[int, ...] = Field(
        default=DEFAULT_STEPS_PERCENT,
        min_length=1,
        max_length=MOST_STEPS,
        description="the new release's share of the traffic in each step of a canary",
    )
    min_step_s: float = Field(
        default=60, ge=0, le=LONGEST_S, description="a step is not over before"
    )
    max_step_s: float = Field(
        default=3600,
        ge=1,
        le=LONGEST_S,
        description="a step that is not decided by then is paused, and a person is asked",
    )
    min_samples: int = Field(
        default=100,
        ge=1,
        le=MOST_SAMPLES,
        description="requests that the new release must have answered in a step",
    )
    max_prepare_s: float = Field(
        default=600,
        ge=1,
        le=LONGEST_S,
        description="a new release that has not proved itself by then has failed",
    )
    shadow_percent: int = Field(
        default=10, ge=1, le=100, description="the share of the traffic that a shadow is tried on"
    )

    catalogue_interval_s: float = Field(
        default=2,
        ge=0.1,
        le=3600,
        description="how often the catalogue of releases is read again",
    )

    @field_validator("steps_percent")
    @classmethod
    def _rise(cls, value: tuple[int, ...]) -> tuple[int, ...]:
        before = 0
        for percent in value:
            if not before < percent <= 100:
                raise PydanticCustomError("steps", "should rise from at least 1 to at most 100")
            before = percent
        return value

    @model_validator(mode="after")
    def _has_time(self) -> RolloutSettings:
        if self.max_step_s < self.min_step_s:
            raise PydanticCustomError(
                "step_times",
                "should be at least rollouts.min_step_s, {least}",
                {"field": "rollouts.max_step_s", "least": self.min_step_s},
            )
        return self


class LeaderSettings(Section):
    """Which of several control planes moves releases, and how fast another takes over."""

    lease_s: float = Field(
        default=3,
        ge=0.5,
        le=300,
        description="how long after the death of the control plane that leads another one waits",
    )
    follow_interval_s: float = Field(
        default=0.1,
        ge=0.01,
        le=10,
        description="how often the store is asked whether another control plane has changed routes",
    )
