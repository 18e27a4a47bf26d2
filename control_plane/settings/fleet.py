"""The settings of the fleet: which Tritons there are, and how they are kept true."""

from __future__ import annotations

from typing import Literal

from pydantic import Field, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.addresses import HIGHEST_PORT, HostPort, MetricsUrl
from control_plane.settings.section import Section

PORTS_PER_TRITON = 10


class EmbeddedSettings(Section):
    """The Tritons that ``tidegate up`` starts on this machine."""

    tritons: int = Field(
        default=2, ge=0, le=64, description="Triton processes that `tidegate up` starts"
    )
    base_port: int = Field(
        default=8000,
        ge=1024,
        le=HIGHEST_PORT - 2,
        validate_default=True,
        description="Triton i listens on base_port + 10 i (HTTP), + 1 (gRPC) and + 2 (metrics)",
    )
    start_timeout_s: float = Field(
        default=120, gt=0, le=3600, description="how long one Triton may take to become ready"
    )

    @field_validator("base_port")
    @classmethod
    def _leaves_room(cls, value: int, info: ValidationInfo) -> int:
        tritons = info.data.get("tritons", 0)
        highest = HIGHEST_PORT - 2 - PORTS_PER_TRITON * max(tritons - 1, 0)
        if value > highest:
            raise PydanticCustomError(
                "base_port",
                "should be at most {highest} with {tritons} Tritons",
                {"highest": highest, "tritons": tritons},
            )
        return value


class InstanceSettings(Section):
    """One Triton that runs elsewhere."""

    name: str = Field(
        pattern=r"^[a-z0-9-]+$", max_length=63, description="what the instance is called here"
    )
    grpc_url: HostPort = Field(description="host:port of its gRPC endpoint")
    metrics_url: MetricsUrl | None = Field(
        default=None, description="http://host:port/metrics of it; not scraped if not set"
    )
    weight: float = Field(
        default=1, gt=0, le=1000, description="its share of the traffic against the others'"
    )


class FleetSettings(Section):
    """How instances are looked at, loaded and chosen among."""

    balancing: Literal["p2c_ewma", "round_robin", "weighted"] = Field(
        default="p2c_ewma", description="how an instance is chosen among the ready ones"
    )
    observe_interval_s: float = Field(
        default=0.5, ge=0.05, le=60, description="pause between two looks at an instance"
    )
    observe_timeout_s: float = Field(
        default=0.6, ge=0.05, le=60, description="how long one look at an instance may take"
    )
    scrape_interval_s: float = Field(
        default=1.0, ge=0.1, le=300, description="pause between two scrapes of /metrics"
    )
    load_timeout_s: float = Field(
        default=60, ge=1, le=3600, description="how long an instance may take to load a release"
    )


class HealthSettings(Section):
    """When an instance, or an engine on it, counts as unwell, and as well again."""

    failed_looks: int = Field(
        default=2, ge=1, le=100, description="failed looks in a row that make an instance unhealthy"
    )
    good_looks: int = Field(
        default=3, ge=1, le=100, description="good looks in a row that make it better again"
    )
    failed_probes: int = Field(
        default=2, ge=1, le=100, description="failed probes in a row that take an engine out"
    )
    good_probes: int = Field(
        default=2, ge=1, le=100, description="good probes in a row that let it in again"
    )
    probe_interval_s: float = Field(
        default=10,
        ge=0.1,
        le=3600,
        description="pause between two real inferences on an engine's golden input",
    )
    probe_doubt_s: float = Field(
        default=1,
        ge=0.05,
        le=3600,
        validate_default=True,
        description="that pause where a probe or a request has failed, at first",
    )
    probe_timeout_s: float = Field(
        default=2.5,
        ge=0.05,
        le=600,
        description="how long a probe may take; as long as a try of its engine, if that is longer",
    )
    slow_probe_s: float = Field(
        default=1, ge=0.01, le=600, description="a right answer that takes longer is a slow one"
    )

    @field_validator("probe_doubt_s")
    @classmethod
    def _is_within_interval(cls, value: float, info: ValidationInfo) -> float:
        interval_s = info.data.get("probe_interval_s", value)
        if value > interval_s:
            raise PydanticCustomError(
                "probe_doubt",
                "should be at most health.probe_interval_s, {interval}",
                {"interval": interval_s},
            )
        return value


class MendingSettings(Section):
    """How engines that fail are loaded anew, without a person."""

    enabled: bool = Field(
        default=True, description="whether engines that fail are loaded anew without a person"
    )
    limit: int = Field(
        default=8, ge=1, le=1000, description="mends in a row before an engine is given up"
    )
    first_wait_s: float = Field(
        default=2, gt=0, le=3600, description="wait before the second mend in a row"
    )
    longest_wait_s: float = Field(
        default=60,
        gt=0,
        le=86_400,
        validate_default=True,
        description="longest wait between two mends in a row",
    )
    lasting_s: float = Field(
        default=120,
        ge=1,
        le=86_400,
        description="how long nothing must be amiss for a row of mends to end",
    )

    @field_validator("longest_wait_s")
    @classmethod
    def _is_not_below_first(cls, value: float, info: ValidationInfo) -> float:
        first_s = info.data.get("first_wait_s", value)
        if value < first_s:
            raise PydanticCustomError(
                "mending_wait",
                "should be at least mending.first_wait_s, {first}",
                {"first": first_s},
            )
        return value
