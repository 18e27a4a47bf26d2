"""The settings of traces: what is recorded of requests, and where it goes."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Annotated, Literal

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError

from control_plane.settings.addresses import is_place
from control_plane.settings.section import Section

_ENDPOINT = re.compile(r"https?://(?P<place>[^\s/@?#]+)(/[^\s?#]*)?")
_HEADER = re.compile(r"[a-z0-9][a-z0-9_.-]{0,63}")

HeaderValue = Annotated[SecretStr, Field(max_length=4096)]


class TracingSettings(Section):
    """What is recorded of requests, remembered here, and sent to a collector."""

    enabled: bool = Field(
        default=True,
        description="whether requests are recorded; without, there is nothing to look at or export",
    )
    sample_ratio: float = Field(
        default=0.01,
        ge=0,
        le=1,
        description="share of the traces that begin here and are exported whatever becomes of "
        "them; a caller's own decision is honoured, and what failed or was slow is exported too",
    )
    slow_s: float = Field(
        default=2,
        gt=0,
        le=3600,
        description="a trace that takes as long is exported, and remembered longer",
    )
    propagation: Literal["w3c", "xray", "both"] = Field(
        default="w3c",
        description="headers that carry a trace: traceparent and tracestate, X-Amzn-Trace-Id, "
        "or all of them; with xray, new trace ids begin with the time, as X-Ray wants it",
    )
    kept_quick: int = Field(
        default=1000,
        ge=0,
        le=100_000,
        description="traces that went well and are remembered, for `tidegate trace`",
    )
    kept_notable: int = Field(
        default=1000,
        ge=0,
        le=100_000,
        description="traces that failed or were slow and are remembered",
    )
    max_spans: int = Field(
        default=200, ge=10, le=10_000, description="spans that are recorded of one request"
    )
    endpoint: str = Field(
        default="",
        max_length=2048,
        description="OTLP collector that traces are sent to, http://HOST:4317 for grpc or "
        "http://HOST:4318/v1/traces for http; https:// with TLS; nowhere if not set",
    )
    triton_endpoint: str = Field(
        default="",
        max_length=2048,
        description="OTLP collector that the embedded Tritons send their own spans of sampled "
        "requests to, over HTTP: http://HOST:4318/v1/traces; nowhere if not set",
    )
    protocol: Literal["grpc", "http"] = Field(
        default="grpc", description="what the collector speaks: OTLP over gRPC, or over HTTP"
    )
    headers: Mapping[str, HeaderValue] = Field(
        default={},
        max_length=16,
        description="sent with each export, for instance an authorization; names in lower case",
    )
    timeout_s: float = Field(
        default=5, gt=0, le=60, description="how long the collector may take to confirm"
    )
    max_waiting: int = Field(
        default=512,
        ge=1,
        le=100_000,
        description="traces that wait to be sent; what is more is dropped and counted",
    )
    service_name: str = Field(
        default="tidegate",
        min_length=1,
        max_length=100,
        description="service.name of the exported traces",
    )

    @property
    def is_exported(self) -> bool:
        return bool(self.endpoint)

    @field_validator("endpoint", "triton_endpoint")
    @classmethod
    def _is_an_endpoint(cls, value: str) -> str:
        matched = _ENDPOINT.fullmatch(value)
        if value and (matched is None or not is_place(matched["place"])):
            # No user or password: settings are printed and logged.
            raise PydanticCustomError(
                "tracing_credentials",
                "should be http://HOST:PORT/PATH or https://…, without a user",
            )
        return value

    @field_validator("headers")
    @classmethod
    def _are_headers(cls, value: Mapping[str, SecretStr]) -> Mapping[str, SecretStr]:
        for name, secret in value.items():
            text = secret.get_secret_value()
            if _HEADER.fullmatch(name) is None or not (text.isascii() and text.isprintable()):
                raise PydanticCustomError(
                    "tracing_header",
                    "should have names in lower case and values of printable ASCII, not {name}",
                    {"name": repr(name[:64])},
                )
        return value
