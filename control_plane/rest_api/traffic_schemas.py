"""The shapes of the last minutes' traffic, as they are answered and as OpenAPI shows them."""

from __future__ import annotations

from pydantic import BaseModel, Field


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


class EngineTraffic(BaseModel):
    """By span: `1m`, `5m` and `15m`."""

    total: dict[str, TrafficFigures]
    releases: dict[str, dict[str, TrafficFigures]]


class Traffic(BaseModel):
    """The last minutes, by engine."""

    plane: str = Field(description="The control plane that has seen it.")
    engines: dict[str, EngineTraffic]
