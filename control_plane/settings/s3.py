"""The settings of S3, for photos and for uploads: where it is, and who asks."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator, model_validator
from pydantic_core import PydanticCustomError

from control_plane.settings.addresses import is_place
from control_plane.settings.section import Section

_ENDPOINT = re.compile(r"https?://(?P<place>[^/?#\\\s]+)(/[^?#\\\s]*)?")


class S3Settings(Section):
    """Where S3 is and who asks, for photos and for uploads."""

    endpoint_url: str | None = Field(
        default=None,
        max_length=500,
        description="of another service that speaks S3's protocol, as http://minio:9000; "
        "Amazon's if not set",
    )
    region: str | None = Field(
        default=None,
        max_length=64,
        pattern=r"^[a-z0-9-]+$",
        description="AWS region; as the AWS environment and files say, if not set",
    )
    path_style: bool = Field(
        default=False, description="put the bucket into the path, as MinIO needs it"
    )
    access_key_id: str | None = Field(
        default=None,
        max_length=128,
        pattern=r"^\w+$",
        description="whose access it is; as the AWS environment, files and role say, if not set",
    )
    secret_access_key: SecretStr | None = Field(
        default=None, max_length=256, description="its secret"
    )

    @field_validator("endpoint_url")
    @classmethod
    def _is_an_address(cls, value: str | None) -> str | None:
        if value is None:
            return None
        if "@" in value:
            # Settings are printed and logged.
            raise PydanticCustomError("s3_endpoint_credentials", "should hold no credentials")
        matched = _ENDPOINT.fullmatch(value)
        if matched is None or not is_place(matched["place"]):
            # Named so, what was given is not repeated.
            raise PydanticCustomError(
                "s3_endpoint_credentials", "should be http://host:port or https://host"
            )
        return value

    @model_validator(mode="after")
    def _has_both_or_none(self) -> S3Settings:
        if (self.access_key_id is None) != (self.secret_access_key is None):
            raise PydanticCustomError(
                "s3_keys", "should have access_key_id and secret_access_key, or neither"
            )
        return self
