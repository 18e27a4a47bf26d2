"""The settings of what meets callers: listening, log lines, the end."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from control_plane.settings.addresses import Host, HostNames, Port
from control_plane.settings.section import Section

MIB = 1024 * 1024


class HttpSettings(Section):
    """What listens for REST, the dashboard and scrapes, and how much it takes at once."""

    host: Host = Field(default="127.0.0.1", description="address that REST listens on")
    port: Port = Field(default=9000, description="port of REST; 0 takes any free one")
    allowed_hosts: tuple[HostNames, ...] = Field(
        default=(),
        max_length=64,
        description="names by which it may be asked: a host's, .example.com for that and all "
        "below it, *.example.com for all below it, * for any. Addresses, localhost and http.host "
        "always may; if not set, only those where http.host is loopback's, and any elsewhere",
    )
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
    """What listens for gRPC, and how much it takes at once."""

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


class LogSettings(Section):
    """Log lines, which go to standard error. The level can be changed while it runs:
    ``tidegate log-level``.
    """

    level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="least severe message that is written"
    )
    format: Literal["auto", "console", "json"] = Field(
        default="auto", description="auto is console on a terminal and JSON elsewhere"
    )


class ShutdownSettings(Section):
    """How a process ends that was told to stop."""

    notice_s: float = Field(
        default=1,
        ge=0,
        le=600,
        description="how long everything is served after readiness went off",
    )
    grace_s: float = Field(
        default=20, ge=0, le=600, description="how long requests under way may take to finish"
    )
