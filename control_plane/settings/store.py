"""The settings of the state store: where the state is kept, which all control planes share."""

from __future__ import annotations

import re
from typing import Annotated

from pydantic import AfterValidator, Field, PlainSerializer, SecretStr
from pydantic_core import PydanticCustomError

from control_plane.settings.section import Section

STORE_FILE = "tidegate.db"
"""SQLite's file in ``state_dir``, if no URL is given."""

_KNOWN = re.compile(r"sqlite:///.+|postgres(ql)?://([^/@]*@)?[^/@]*/[^/?]+(\?.*)?", re.DOTALL)
_PASSWORD_IN_QUERY = re.compile(r"[?&](password|passfile|sslpassword)=", re.IGNORECASE)


def _check_url(value: SecretStr) -> SecretStr:
    url = value.get_secret_value()
    if not _KNOWN.fullmatch(url):
        raise PydanticCustomError(
            "store_url",
            "should be sqlite:///PATH or postgresql://USER:PASSWORD@HOST/DATABASE, with %40, "
            "%3A and %2F for @, : and / in a password",
        )
    if _PASSWORD_IN_QUERY.search(url):
        raise PydanticCustomError("store_url", "should have its password before the @")
    return value


def without_password(value: SecretStr) -> str:
    # To the last @: a bit of the address may be hidden, a bit of the password never shown.
    return re.sub(r"(?<=://)([^:@]*):.*@", r"\1:***@", value.get_secret_value(), flags=re.DOTALL)


# What is shown says which database it is, and not how to get in.
StoreUrl = Annotated[
    SecretStr,
    Field(max_length=1000),
    AfterValidator(_check_url),
    PlainSerializer(without_password, return_type=str, when_used="json"),
]


class StoreSettings(Section):
    """Where the state is kept: routes, rollouts, the audit, jobs. Control planes that share it are
    one system.
    """

    url: StoreUrl | None = Field(
        default=None,
        description="where the state is kept: sqlite:///PATH, or for control planes on several "
        "machines postgresql://USER:PASSWORD@HOST/DATABASE; "
        f"if not set, SQLite's file {STORE_FILE} in state_dir",
    )
    timeout_s: float = Field(
        default=5, ge=0.1, le=60, description="how long one operation of the store may take"
    )
    pool_size: int = Field(
        default=10, ge=1, le=100, description="connections that one control plane holds at most"
    )
