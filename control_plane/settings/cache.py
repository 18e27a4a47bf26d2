"""The settings of the result cache: what engines found on a photo, kept for a while."""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.addresses import is_place
from control_plane.settings.section import Section

MIB = 1024 * 1024

# No query: it could hold a password, which would be shown.
_KNOWN = re.compile(r"rediss?://([^/@?#\s]*@)?(?P<place>[^/@?#\s]+)(/[0-9]*)?", re.ASCII)


def _check_url(value: SecretStr) -> SecretStr:
    matched = _KNOWN.fullmatch(value.get_secret_value())
    if matched is None or not is_place(matched["place"]):
        raise PydanticCustomError(
            "cache_url",
            "should be redis://USER:PASSWORD@HOST:PORT/DATABASE, or rediss:// for TLS, with %40, "
            "%3A and %2F for @, : and / in a password",
        )
    return value


def _without_password(value: SecretStr) -> str:
    return re.sub(r"(?<=://)([^:@]*):.*@", r"\1:***@", value.get_secret_value(), flags=re.DOTALL)


# What is shown says which Redis it is, and not how to get in.
CacheUrl = Annotated[
    SecretStr,
    Field(max_length=1000),
    AfterValidator(_check_url),
    PlainSerializer(_without_password, return_type=str, when_used="json"),
]


class CacheSettings(Section):
    """What is kept of answers, for photos that come again within a while."""

    kind: Literal["memory", "redis", "off"] = Field(
        default="memory",
        description="where results are kept for photos that come again: in each process, in a "
        "Redis that several share, or nowhere",
    )
    ttl_s: float = Field(default=300, ge=1, le=30 * 86_400, description="how long a result is kept")
    max_bytes: int = Field(
        default=64 * MIB,
        ge=64 * 1024,
        le=64 * 1024 * MIB,
        description="how much a process keeps in memory; a Redis has its own limit",
    )
    url: CacheUrl | None = Field(
        default=None,
        validate_default=True,
        description="of the Redis: redis://USER:PASSWORD@HOST:PORT/DATABASE",
    )

    @field_validator("url")
    @classmethod
    def _is_there_for_redis(cls, value: SecretStr | None, info: ValidationInfo) -> SecretStr | None:
        if value is None and info.data.get("kind") == "redis":
            raise PydanticCustomError("cache_url", "should be given if cache.kind is redis")
        if value is not None and info.data.get("kind") == "memory":
            raise PydanticCustomError("cache_url", "should be given only if cache.kind is redis")
        return value
