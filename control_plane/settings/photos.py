"""The settings of photos: how large, where from, and where those that wait are kept."""

from __future__ import annotations

import re
from ipaddress import ip_network
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, Field
from pydantic_core import PydanticCustomError

from control_plane.settings.addresses import HIGHEST_PORT, LABEL
from control_plane.settings.section import Section

MIB = 1024 * 1024
GIB = 1024 * MIB
UPLOADS_FOLDER = "uploads"
"""In ``state_dir``, if no URL is given."""

_BUCKET = r"[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]"
_HOST = re.compile(rf"{LABEL}(\.{LABEL})*(:(?P<port>[0-9]{{1,5}}))?", re.ASCII)
# Below the prefix are job ids; what it says is taken literally.
_UPLOADS = re.compile(rf"s3://(?P<bucket>{_BUCKET})(/(?P<prefix>[A-Za-z0-9._/-]*))?", re.ASCII)


def _named(kind: str, value: str) -> Any:
    """The kind of a mistake; one that speaks of credentials does not repeat what was given."""
    return f"{kind}_credentials" if "@" in value else kind


def _check_bucket(value: str) -> str:
    if not re.fullmatch(_BUCKET, value, re.ASCII):
        raise PydanticCustomError("bucket", "should be the bare name of an S3 bucket")
    return value


def _check_host(value: str) -> str:
    host = value.lower()
    matched = _HOST.fullmatch(host)
    if matched is None or not 1 <= int(matched["port"] or 443) <= HIGHEST_PORT:
        raise PydanticCustomError(
            _named("photo_host", value),
            "should be the whole name of a host, with :port if it is not 443; no scheme, no "
            "wildcard, and xn-- for what is not ASCII",
        )
    return host


def _check_network(value: str) -> str:
    try:
        return str(ip_network(value))
    except ValueError:
        raise PydanticCustomError(
            "network", "should be a block of addresses, as 10.1.0.0/16"
        ) from None


def _check_uploads(value: str) -> str:
    matched = _UPLOADS.fullmatch(value)
    if matched is None or {".", ".."} & set((matched["prefix"] or "").split("/")):
        raise PydanticCustomError(
            _named("uploads_url", value),
            "should be s3://bucket or s3://bucket/prefix; who asks is said by the section s3",
        )
    return value


Bucket = Annotated[str, Field(max_length=63), AfterValidator(_check_bucket)]
PhotoHost = Annotated[str, Field(max_length=260), AfterValidator(_check_host)]
NetworkBlock = Annotated[str, Field(max_length=50), AfterValidator(_check_network)]
UploadsUrl = Annotated[str, Field(max_length=500), AfterValidator(_check_uploads)]


class PhotoSettings(Section):
    """Which photos are taken, and where from: nothing is fetched that is not named here."""

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
    buckets: tuple[Bucket, ...] = Field(
        default=(),
        max_length=256,
        description="buckets that s3:// photos may come from; none by default",
    )
    https_hosts: tuple[PhotoHost, ...] = Field(
        default=(),
        max_length=256,
        description="hosts that https:// photos may come from, name or name:port; none by default",
    )
    https_networks: tuple[NetworkBlock, ...] = Field(
        default=(),
        max_length=64,
        description="blocks of addresses that those hosts may have although they are not public",
    )
    https_ca_file: Path | None = Field(
        default=None,
        description="certificates that are trusted for those hosts besides the system's (PEM)",
    )
    fetch_timeout_s: float = Field(
        default=20, gt=0, le=600, description="how long one photo may take from S3 or a host"
    )


class UploadSettings(Section):
    """Where photos wait that came with their jobs."""

    url: UploadsUrl | None = Field(
        default=None,
        description="where photos wait that came with their jobs: s3://bucket/prefix, as control "
        f"planes on several machines need it; if not set, the folder {UPLOADS_FOLDER} in state_dir",
    )
    max_bytes: int = Field(
        default=10 * GIB,
        ge=MIB,
        le=100 * 1024 * GIB,
        description="how much may wait in the folder; more is refused until some is done",
    )
    timeout_s: float = Field(
        default=20, gt=0, le=600, description="how long S3 may take for one such photo"
    )

    @property
    def place(self) -> tuple[str, str] | None:
        """Bucket and what each name in it begins with; None for the folder."""
        if self.url is None:
            return None
        bucket, _, prefix = self.url.removeprefix("s3://").partition("/")
        return bucket, f"{prefix.strip('/')}/" if prefix.strip("/") else ""
