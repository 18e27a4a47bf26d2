"""The settings of where the results of jobs are sent."""

from __future__ import annotations

import re

from pydantic import Field, SecretStr, field_validator
from pydantic_core import PydanticCustomError
from pydantic_core.core_schema import ValidationInfo

from control_plane.settings.addresses import is_place
from control_plane.settings.section import Section

_WEBHOOK = re.compile(r"https?://(?P<place>[^\s/@?#]+)([/?][^\s#]*)?")
_SIGNED = re.compile(r"whsec_[A-Za-z0-9+/]{4,}={0,2}")


class ResultSettings(Section):
    """Where the results of jobs are sent, and how often that is tried."""

    webhook_url: str = Field(
        default="",
        max_length=2048,
        description="where the results of jobs are sent, https://HOST/PATH; "
        "nowhere if not set. All control planes and workers should have the same",
    )
    webhook_secret: SecretStr | None = Field(
        default=None,
        max_length=1000,
        description="what results are signed with (Standard Webhooks): as it is, "
        "or whsec_ and base64; unsigned if not set",
    )
    timeout_s: float = Field(
        default=10, gt=0, le=300, description="how long the receiver may take to confirm one result"
    )
    max_attempts: int = Field(
        default=12, ge=1, le=100, description="tries of one result before it waits for a person"
    )
    first_retry_s: float = Field(
        default=5, gt=0, le=3600, description="wait before the second try; it doubles"
    )
    longest_retry_s: float = Field(
        default=3600,
        gt=0,
        le=86_400,
        validate_default=True,
        description="longest wait before a try",
    )
    concurrency: int = Field(
        default=8, ge=1, le=100, description="results that one control plane sends at once"
    )

    @property
    def is_sent(self) -> bool:
        """Whether results are sent anywhere."""
        return bool(self.webhook_url)

    @field_validator("longest_retry_s")
    @classmethod
    def _at_least_first(cls, value: float, info: ValidationInfo) -> float:
        first = info.data.get("first_retry_s", value)
        if value < first:
            raise PydanticCustomError(
                "retry", "should be at least results.first_retry_s, {first}", {"first": first}
            )
        return value

    @field_validator("webhook_url")
    @classmethod
    def _is_a_webhook(cls, value: str) -> str:
        matched = _WEBHOOK.fullmatch(value)
        if value and (matched is None or not is_place(matched["place"])):
            # No user or password: settings are printed and logged.
            raise PydanticCustomError(
                "webhook_credentials", "should be https://HOST/PATH or http://HOST/PATH"
            )
        return value

    @field_validator("webhook_secret")
    @classmethod
    def _can_sign(cls, value: SecretStr | None) -> SecretStr | None:
        secret = None if value is None else value.get_secret_value()
        if secret is not None and not secret:
            raise PydanticCustomError("webhook_secret", "should not be empty")
        if secret is not None and secret.startswith("whsec_") and not _is_base64(secret):
            raise PydanticCustomError("webhook_secret", "should have base64 after whsec_")
        return value


def _is_base64(secret: str) -> bool:
    digits = len(secret) - len("whsec_")
    return _SIGNED.fullmatch(secret) is not None and digits % 4 == 0
