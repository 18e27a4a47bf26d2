"""``audit``: who did what, why, and how it was before and after."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.client import ControlPlane
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import console, print_json, table
from cli.rollout_options import AUDIT, with_query

if TYPE_CHECKING:
    from rich.table import Table


def audit(
    engine: Annotated[
        str | None,
        typer.Option("--engine", metavar="ENGINE", show_default=False, help="Only of this engine."),
    ] = None,
    rollout: Annotated[
        str | None,
        typer.Option("--rollout", metavar="ID", show_default=False, help="Only of this rollout."),
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
    path = with_query(AUDIT, engine=engine, rollout=rollout, before=before, limit=limit)
    answer = ControlPlane(url, token).get(path)
    if as_json:
        print_json(answer)
    elif answer.get("entries"):
        console().print(_table(answer["entries"], datetime.now().astimezone()))
    else:
        typer.echo("nothing has been done yet")


def _table(entries: list[dict[str, Any]], now: datetime) -> Table:
    from cli.fleet_picture import time_of
    from cli.rollout_picture import changes_of
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
