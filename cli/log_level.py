"""``log-level``: how much a control plane or a worker writes into its log, shown and changed."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from cli.client import ControlPlane
from cli.durations import seconds_of
from cli.options import DEFAULT_URL, AsJson, Token, Url, signed
from cli.printing import print_json

PATH = "/api/v1/log-level"
LEVELS = ("debug", "info", "warning", "error")


def log_level(
    level: Annotated[
        str | None,
        typer.Argument(
            metavar="debug|info|warning|error",
            show_default=False,
            help="Least severe message to write from now on; without it, the level is shown.",
        ),
    ] = None,
    duration: Annotated[
        str | None,
        typer.Option(
            "--for",
            metavar="10m|2h",
            show_default=False,
            help="Go back to the settings' level after so long (s, min, h, d).",
        ),
    ] = None,
    reason: Annotated[
        str,
        typer.Option("--reason", metavar="TEXT", show_default=False, help="Why, for the log."),
    ] = "",
    who: Annotated[
        str | None,
        typer.Option(
            "--who",
            metavar="NAME",
            show_default=False,
            help="Who asks, for the log; else the user of this machine.",
        ),
    ] = None,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show the log's level, or change it while everything runs.

    It is that of the one process at --url; every control plane and every worker has its own.
    Without --for it holds until that process ends.
    """
    if level is None and duration is not None:
        raise typer.BadParameter("needs a level to set for so long", param_hint="--for")
    if level is not None and level not in LEVELS:
        raise typer.BadParameter(f"{level!r} is none of {', '.join(LEVELS)}", param_hint="level")
    control_plane = ControlPlane(url, token)
    if level is None:
        answer = control_plane.get(PATH)
    else:
        body = {"level": level, "for_s": _seconds(duration), **signed(who, reason)}
        answer = control_plane.put(PATH, body)
    if as_json:
        print_json(answer)
    else:
        typer.echo(_line(answer))


def _seconds(duration: str | None) -> int | None:
    if duration is None:
        return None
    seconds = seconds_of(duration)
    if not seconds:
        raise typer.BadParameter(f"{duration!r} is no duration, as in 10m", param_hint="--for")
    return seconds


def _line(answer: dict[str, Any]) -> str:
    from datetime import datetime

    from cli.fleet_picture import time_of

    line = f"{answer['level']} on {answer['plane']}"
    if answer["until"] is not None:
        until = time_of(answer["until"], datetime.now().astimezone())
        return f"{line}, until {until}; then {answer['configured']} again"
    if answer["level"] != answer["configured"]:
        return f"{line}, until it ends; its settings say {answer['configured']}"
    return line
