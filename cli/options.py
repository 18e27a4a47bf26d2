"""The options that several commands share, under the same names and with the same help."""

from __future__ import annotations

import getpass
from pathlib import Path
from typing import Annotated, Any

import typer

DEFAULT_URL = "http://127.0.0.1:9000"
MAX_WHO_CHARACTERS = 100


def check_url(value: str | None) -> str | None:
    """The address without a slash at its end; anything but http and https is wrong usage."""
    if value is None:
        return None
    scheme, separator, rest = value.partition("://")
    if scheme not in {"http", "https"} or not separator or not rest.strip("/"):
        raise typer.BadParameter(f"{value!r} is no http:// or https:// address")
    return value.rstrip("/")


Url = Annotated[
    str,
    typer.Option(
        "--url",
        envvar="TIDEGATE_URL",
        metavar="URL",
        callback=check_url,
        help="Address of the control plane.",
    ),
]
Token = Annotated[
    str | None,
    typer.Option(
        "--token",
        envvar="TIDEGATE_TOKEN",
        metavar="TOKEN",
        show_default=False,
        help="Credential, sent as a bearer token; better set by the environment.",
    ),
]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON, for scripts.")]
Config = Annotated[
    Path | None,
    typer.Option(
        "--config",
        metavar="PATH",
        show_default=False,
        help="Settings file; else TIDEGATE_CONFIG, else ./tidegate.yaml if there is one.",
    ),
]
Reason = Annotated[
    str,
    typer.Option("--reason", metavar="TEXT", show_default=False, help="Why, for the audit."),
]
Who = Annotated[
    str | None,
    typer.Option(
        "--who",
        metavar="NAME",
        show_default=False,
        help="Who asks, for the audit; else the user of this machine.",
    ),
]


def signed(who: str | None, reason: str) -> dict[str, Any]:
    """The fields of a body that say who asks and why."""
    return {"who": _user() if who is None else who, "reason": reason}


def _user() -> str:
    try:
        return getpass.getuser()[:MAX_WHO_CHARACTERS]
    except (OSError, KeyError):
        # A container's user may have no name.
        return "cli"
