"""The shapes of the last minutes' traffic, as they are answered and as OpenAPI shows them."""

from __future__ import annotations

from pydantic import BaseModel, Field

from control_plane.core.drift import LEAST_SAMPLES, REFERENCE_SAMPLES


class TrafficFigures(BaseModel):
    """What one span of time came to."""

    requests: int = Field(description="All that came, the shed among them.")
    rate_per_s: float
    errors: int = Field(
        description="What the fleet or Tidegate failed at, the shed among them; not what the "
        "caller called off or got wrong."
    )
    shed: int = Field(description="Not let in, for want of room.")
    p50_ms: float | None = Field(
        description="Percentiles are at most 6 % above the true one; null without a request."
    )
    p90_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    confidence_mean: float | None = Field(
        description="Of the answers that were looked at; null where none was."
    )


class ConfidenceDrift(BaseModel):
    """How far the confidences of the last 15 minutes lie from what they are held to."""

    index: float | None = Field(
        description="The population stability index: below 0.1 no drift to speak of, above 0.25 "
        f"a large one; null with less than {LEAST_SAMPLES} samples on either side."
    )
    samples: int
    against: str = Field(
        description="`stable`: the stable release over the same time. `reference`: how the "
        f"stable release was at first, its first {REFERENCE_SAMPLES} confidences."
    )
    reference_samples: int = Field(description="Of what it is held to.")


class EngineTraffic(BaseModel):
    """By span: `1m`, `5m` and `15m`."""

    total: dict[str, TrafficFigures]
    releases: dict[str, dict[str, TrafficFigures]]
    confidence_drift: dict[str, ConfidenceDrift] = Field(description="By release.")


class CoveredPlane(BaseModel):
    """A control plane or a worker whose counts are in it."""

    plane: str
    told_ago_s: float = Field(description="How old its last word is.")
    is_gone: bool = Field(description="It is heard no more; what it served still counts.")


class Traffic(BaseModel):
    """The last minutes, by engine."""

    plane: str = Field(description="The control plane that answers.")
    is_merged: bool = Field(
        description="Whether what the others have counted is in it; false while the store is away."
    )
    planes: list[CoveredPlane] = Field(description="Whose counts are in it, this one first.")
    engines: dict[str, EngineTraffic]


class Curve(BaseModel):
    """One release, a number for each of the steps in `at`."""

    requests_per_s: list[float]
    errors_per_s: list[float]
    p50_ms: list[float | None] = Field(description="Null in a step without a latency.")
    p95_ms: list[float | None]
    p99_ms: list[float | None]


class Confidences(BaseModel):
    """How many answers were how sure."""

    bounds: list[float] = Field(description="The upper bound of each bucket.")
    counts: list[int] = Field(
        description="Of each bucket by itself; the last one, above all bounds, is always 0."
    )


class Series(BaseModel):
    """An engine's last minutes, to be drawn."""

    engine: str
    step_s: float = Field(examples=[10.0])
    is_merged: bool = Field(description="Whether what other control planes counted is in it.")
    at: list[float] = Field(description="When each step began, in Unix seconds.")
    releases: dict[str, Curve]
    confidence: dict[str, Confidences] = Field(description="By release, over all the steps.")
