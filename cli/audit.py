"""``audit``: who did what, why, and how it was before and after."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import console, print_json, table
from cli.rollout_options import AUDIT, rollout_path, with_query

if TYPE_CHECKING:
    from rich.table import Table


def audit(
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="ENGINE", show_default=False, help="Only of this engine."),
    ] = None,
    rollout: Annotated[
        str | None,
        typer.Option(
            "--rollout",
            metavar="ROLLOUT|ENGINE",
            show_default=False,
            help="Only of this rollout: its id, the beginning of it, or an engine's latest.",
        ),
    ] = None,
    before: Annotated[
        int | None,
        typer.Option(
            "--before", min=1, metavar="NO", show_default=False, help="Only those before this one."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=1000, metavar="N", help="How many at most.")
    ] = 50,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show who did what and why, the latest first."""
    control_plane = ControlPlane(url, token)
    if rollout is not None:
        rollout = str(control_plane.get(rollout_path(rollout))["id"])
    path = with_query(AUDIT, engine=engine, rollout=rollout, before=before, limit=limit)
    answer = control_plane.get(path)
    if as_json:
        print_json(answer)
    elif answer.get("entries"):
        console().print(_table(answer["entries"], datetime.now().astimezone()))
    else:
        is_chosen = any(one is not None for one in (engine, rollout, before))
        typer.echo("nothing of that was done" if is_chosen else "nothing has been done yet")


def _table(entries: list[dict[str, Any]], now: datetime) -> Table:
    from cli.fleet_picture import time_of
    from cli.history import changes_of
    from cli.rollout_words import words

    return table(
        ["no", "when", "who", "did", "to", "what changed", "why"],
        [
            [
                str(one["number"]),
                time_of(one["at"], now),
                str(one["who"]),
                words(str(one["action"])),
                one["rollout"] or one["instance"] or one["engine"] or "-",
                changes_of(one),
                str(one["reason"] or "-"),
            ]
            for one in entries
        ],
    )
