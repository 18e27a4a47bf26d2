"""Every setting there is: its name, bounds, default and meaning.

This module says what may be set and refuses what may not. Where values come from
(flags, environment, file) and which one wins is :mod:`control_plane.settings.sources`;
:class:`Settings` itself reads nothing, so ``Settings()`` is the defaults everywhere.
Relative paths are relative to the working directory.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, field_validator, model_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict

from control_plane.settings.request_path import (
    AdmissionSettings,
    BreakerSettings,
    RequestSettings,
    RetrySettings,
)
from control_plane.settings.section import Section

MIB = 1024 * 1024
PORTS_PER_TRITON = 10
HIGHEST_PORT = 65_535
# What a message may hold besides its photo.
PHOTO_MESSAGE_OVERHEAD_BYTES = 64 * 1024


def _check_host_port(value: str) -> str:
    host, colon, port = value.rpartition(":")
    bare = host.removeprefix("[").removesuffix("]")
    has_brackets = host.startswith("[") and host.endswith("]")
    is_sound = bool(colon and bare) and not set(bare) & set("/@[] \t")
    if not is_sound or (":" in bare) != has_brackets:
        raise PydanticCustomError("host_port", "should be host:port, without a scheme")
    if not (port.isascii() and port.isdigit() and 1 <= int(port) <= HIGHEST_PORT):
        raise PydanticCustomError("host_port", "should end in a port from 1 to 65535")
    return value


def _check_metrics_url(value: str) -> str:
    """A page to be scraped is named whole, in plain HTTP: Triton serves no other."""
    scheme, _, rest = value.partition("://")
    host_port, slash, path = rest.partition("/")
    is_printable = value.isascii() and value.isprintable() and not set(value) & set(" #\\")
    try:
        _check_host_port(host_port)
    except PydanticCustomError:
        is_printable = False
    if scheme != "http" or not is_printable or not (slash and path):
        raise PydanticCustomError("metrics_url", "should be http://host:port/metrics")
    return value


Port = Annotated[int, Field(ge=0, le=HIGHEST_PORT)]
HostPort = Annotated[str, Field(max_length=300), AfterValidator(_check_host_port)]
MetricsUrl = Annotated[str, Field(max_length=500), AfterValidator(_check_metrics_url)]
Host = Annotated[str, Field(min_length=1, max_length=255)]


class HttpSettings(Section):
    host: Host = Field(default="127.0.0.1", description="address that REST listens on")
    port: Port = Field(default=9000, description="port of REST; 0 takes any free one")
    max_requests: int = Field(
        default=256, ge=1, le=100_000, description="REST requests at once, over all callers"
    )
    max_connections: int = Field(
        default=2048,
        ge=1,
        le=100_000,
        description="HTTP connections open at once, idle ones included",
    )
    body_timeout_s: float = Field(
        default=60, gt=0, le=3600, description="how long a request's body may take to arrive"
    )


class GrpcSettings(Section):
    host: Host = Field(default="127.0.0.1", description="address that gRPC listens on")
    port: Port = Field(default=9001, description="port of gRPC; 0 takes any free one")
    max_message_bytes: int = Field(
        default=64 * MIB,
        ge=64 * 1024,
        le=1024 * MIB,
        description="largest gRPC message, in and out",
    )
    max_concurrent_calls: int = Field(
        default=1024, ge=1, le=100_000, description="calls and streams at once, over all callers"
    )
    stream_idle_s: float = Field(
        default=600,
        gt=0,
        le=86_400,
        description="a stream on which nothing moves either way for as long is ended",
    )


class EmbeddedSettings(Section):
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


class PhotoSettings(Section):
    max_bytes: int = Field(
        default=20 * MIB, ge=1024, le=1024 * MIB, description="largest encoded photo accepted"
    )
    max_pixels: int = Field(
        default=50_000_000,
        ge=4096,
        le=1_000_000_000,
        description="largest photo accepted, width x height",
    )
    max_full_pixels: int = Field(
        default=25_000_000,
        ge=4096,
        le=1_000_000_000,
        description="largest PNG or WebP, which cannot be decoded at a reduced scale",
    )
    allowed_roots: tuple[Path, ...] = Field(
        default=(),
        max_length=64,
        description="folders that file:// photos may come from; none by default",
    )


class FleetSettings(Section):
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
    enabled: bool = Field(
        default=True, description="whether engines that fail are loaded anew without a person"
    )
    limit: int = Field(
        default=5, ge=1, le=1000, description="mends in a row before an engine is given up"
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


class LogSettings(Section):
    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe message that is written"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto is console on a terminal and JSON elsewhere"
    )


class ShutdownSettings(Section):
    notice_s: float = Field(
        default=1,
        ge=0,
        le=600,
        description="how long everything is served after readiness went off",
    )
    grace_s: float = Field(
        default=20, ge=0, le=600, description="how long requests under way may take to finish"
    )


class Settings(BaseSettings):
    """All settings. Build them with ``load_settings``; ``Settings()`` is the defaults."""

    model_config = SettingsConfigDict(
        frozen=True, extra="forbid", env_prefix="TIDEGATE_", env_nested_delimiter="__"
    )

    model_repository: Path = Field(
        default=Path("model_repository"), description="folder of Triton's layout with releases.yaml"
    )
    state_dir: Path = Field(
        default=Path("state"),
        description="kept for the state store; nothing is written there yet",
    )
    http: HttpSettings = HttpSettings()
    grpc: GrpcSettings = GrpcSettings()
    embedded: EmbeddedSettings = EmbeddedSettings()
    instances: tuple[InstanceSettings, ...] = Field(
        default=(),
        max_length=256,
        description="the remote fleet of `tidegate serve`: name, grpc_url, metrics_url",
    )
    photos: PhotoSettings = PhotoSettings()
    requests: RequestSettings = RequestSettings()
    fleet: FleetSettings = FleetSettings()
    retries: RetrySettings = RetrySettings()
    admission: AdmissionSettings = AdmissionSettings()
    breakers: BreakerSettings = BreakerSettings()
    health: HealthSettings = HealthSettings()
    mending: MendingSettings = MendingSettings()
    log: LogSettings = LogSettings()
    shutdown: ShutdownSettings = ShutdownSettings()

    @field_validator("instances")
    @classmethod
    def _has_unique_names(cls, value: tuple[InstanceSettings, ...]) -> tuple[InstanceSettings, ...]:
        names = [instance.name for instance in value]
        for name in names:
            if names.count(name) > 1:
                raise PydanticCustomError(
                    "unique_names", "names two instances {name}", {"name": repr(name)}
                )
        return value

    @model_validator(mode="after")
    def _has_two_ports(self) -> Settings:
        if self.grpc.port and self.grpc.port == self.http.port:
            raise PydanticCustomError(
                "same_port",
                "should differ from http.port, {port}",
                {"field": "grpc.port", "port": self.http.port},
            )
        return self

    @model_validator(mode="after")
    def _has_room_for_a_photo(self) -> Settings:
        least = self.photos.max_bytes + PHOTO_MESSAGE_OVERHEAD_BYTES
        if self.grpc.max_message_bytes < least:
            raise PydanticCustomError(
                "photo_message",
                "should be at least photos.max_bytes + {overhead} = {least}, so that a photo of "
                "{photo} bytes fits into a message",
                {
                    "field": "grpc.max_message_bytes",
                    "overhead": PHOTO_MESSAGE_OVERHEAD_BYTES,
                    "least": least,
                    "photo": self.photos.max_bytes,
                },
            )
        return self

    @classmethod
    def settings_customise_sources(
        cls,
        settings_cls: type[BaseSettings],
        init_settings: PydanticBaseSettingsSource,
        env_settings: PydanticBaseSettingsSource,
        dotenv_settings: PydanticBaseSettingsSource,
        file_secret_settings: PydanticBaseSettingsSource,
    ) -> tuple[PydanticBaseSettingsSource, ...]:
        """Nothing is read behind the caller's back: load_settings merges the sources."""
        del settings_cls, env_settings, dotenv_settings, file_secret_settings
        return (init_settings,)
