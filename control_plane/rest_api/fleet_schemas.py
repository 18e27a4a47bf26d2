"""The shapes of the fleet, as pydantic models and as OpenAPI shows them."""

from __future__ import annotations

from datetime import datetime

from pydantic import BaseModel, ConfigDict, Field

from control_plane.services.operations import DEFAULT_REASON, MAX_REASON_CHARACTERS
from control_plane.services.rollout_requests import MAX_WHO_CHARACTERS

DEFAULT_WHO = "rest"


class Change(BaseModel):
    """One change of an instance's health or, with `engine`, of that engine's fitness there."""

    at: datetime = Field(examples=["2025-01-31T12:00:00.000000Z"])
    instance: str = Field(examples=["triton-0"])
    engine: str | None = Field(examples=["damage"])
    was: str = Field(examples=["fit"])
    now: str = Field(examples=["unfit"])
    reason: str = Field(examples=["probe: failed: the model's process has died"])


class EngineThere(BaseModel):
    """One engine on one instance."""

    fitness: str = Field(
        description="`fit`, `proving`, `unfit`, `mending`, `given_up`, or `unprobed`: "
        "served, and believed without a probe.",
        examples=["fit"],
    )
    reason: str = Field(examples=["probe: ok"])
    in_flight: int = Field(examples=[2])


class Load(BaseModel):
    """What the instance says of its own load. Null for what it does not say."""

    scraped_ago_s: float = Field(examples=[0.4])
    pending: int = Field(description="Requests that wait there, whoever sent them.")
    queue_ms: dict[str, float] = Field(
        description="The mean time that requests waited there between the last two scrapes, by "
        "engine and release; without a request it is missing.",
        examples=[{"damage 1.0.0": 3.2}],
    )
    gpu_utilization: float | None = Field(description="0 to 1; of several their mean.")
    gpu_memory_used_bytes: int | None
    gpu_memory_total_bytes: int | None
    cpu_utilization: float | None = Field(description="0 to 1, of the whole machine.")
    cpu_memory_used_bytes: int | None
    cpu_memory_total_bytes: int | None


class Instance(BaseModel):
    name: str = Field(examples=["triton-0"])
    url: str = Field(examples=["127.0.0.1:8001"])
    state: str = Field(
        description="What was seen: `ready`, `loading` or `unreachable`.", examples=["ready"]
    )
    serving: dict[str, list[str]] = Field(examples=[{"damage": ["1.0.0", "1.1.0"]}])
    in_flight: int = Field(examples=[2])
    breakers: dict[str, str] = Field(
        description="Breakers that are not closed, by engine and release.",
        examples=[{"damage 1.0.0": "open"}],
    )
    reason: str = Field(description="Why it is not ready; empty when it is.", examples=[""])
    observed_ago_s: float | None = Field(
        description="Null before the first look at it.", examples=[0.25]
    )
    health: str = Field(
        description="What is believed: `unknown`, `healthy`, `degraded`, `unhealthy`, or what "
        "an operator said: `draining`, `isolated`. Healthy and degraded take requests, for the "
        "engines that are fit.",
        examples=["healthy"],
    )
    health_reason: str = Field(examples=["all is well"])
    health_since: datetime | None = Field(
        description="Null before the first change, or when it is longer ago than the history.",
        examples=["2025-01-31T12:00:00.000000Z"],
    )
    engines: dict[str, EngineThere] = Field(
        description="The engines that are served or judged there."
    )
    last_change: Change | None
    load: Load | None = Field(description="Null where it is not known; `load_reason` says why.")
    load_reason: str = Field(examples=[""])


class InstanceWithHistory(Instance):
    history: list[Change] = Field(description="The latest 100 changes, the latest first.")


class Fleet(BaseModel):
    instances: list[Instance]
    changes: list[Change] = Field(description="The latest 20 of all, the latest first.")


class ActBody(BaseModel):
    """Why, and whether it has to be. A key it does not know is refused."""

    model_config = ConfigDict(
        extra="forbid",
        strict=True,
        json_schema_extra={"example": {"reason": "new driver", "force": False, "who": "ada"}},
    )

    reason: str = Field(
        "",
        description=f"Why, for the history and the audit: at most {MAX_REASON_CHARACTERS} "
        f"characters on one line; {DEFAULT_REASON!r} when empty.",
    )
    force: bool = Field(
        False, description="Drain or isolate even the last instance where a release is ready."
    )
    who: str = Field(
        "",
        description=f"Who asks, for the audit: at most {MAX_WHO_CHARACTERS} characters on one "
        f"line; {DEFAULT_WHO!r} when empty.",
    )
