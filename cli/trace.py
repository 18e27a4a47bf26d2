"""``trace``: what became of a request, step by step, from what the control plane remembers."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from urllib.parse import quote

import typer

from cli.client import ControlPlane
from cli.failure import Refused
from cli.options import DEFAULT_URL, AsJson, Token, Url
from cli.printing import console, print_json
from cli.rollout_options import with_query

TRACES = "/api/v1/traces"
MOST = 500
"""That a control plane lists at once."""
NOT_KEPT = (
    "tidegate trace lists what is kept; a worker's own part is not here, but at the collector"
)


def trace(
    correlation_id: Annotated[
        str | None,
        typer.Argument(
            metavar="[CORRELATION_ID]",
            show_default=False,
            help="Of the request; or the id of its trace, of the request or of a job. "
            "Without one, the latest are listed.",
        ),
    ] = None,
    engine: Annotated[
        str | None,
        typer.Option(
            "--engine", metavar="ENGINE", show_default=False, help="List those it was in."
        ),
    ] = None,
    errors: Annotated[bool, typer.Option("--errors", help="List those that failed.")] = False,
    slower_than_ms: Annotated[
        float | None,
        typer.Option(
            "--slower-than-ms", min=0, metavar="MS", show_default=False, help="List the slow ones."
        ),
    ] = None,
    limit: Annotated[
        int, typer.Option("--limit", min=1, max=500, metavar="N", help="List at most so many.")
    ] = 20,
    url: Url = DEFAULT_URL,
    token: Token = None,
    as_json: AsJson = False,
) -> None:
    """Show a request as a waterfall, or list the latest ones."""
    control_plane = ControlPlane(url, token)
    if correlation_id is not None:
        _show(control_plane, correlation_id, as_json=as_json)
        return
    query = {
        "engine": engine,
        "is_error": "true" if errors else None,
        "slower_than_ms": slower_than_ms,
        "limit": limit,
    }
    answer = control_plane.get(with_query(TRACES, **query))
    if as_json:
        print_json(answer)
    elif answer.get("traces"):
        from cli.trace_picture import traces_table

        console().print(traces_table(answer["traces"], datetime.now().astimezone()))
    elif errors and engine is None and slower_than_ms is None:
        kept = len(control_plane.get(with_query(TRACES, limit=MOST)).get("traces", []))
        many = f"{MOST} latest" if kept == MOST else str(kept)
        typer.echo(f"none of the {many} kept failed" if kept else "no trace is kept yet")
    else:
        is_chosen = engine is not None or errors or slower_than_ms is not None
        typer.echo("no such trace is kept" if is_chosen else "no trace is kept yet")


def _show(control_plane: ControlPlane, name: str, *, as_json: bool) -> None:
    from cli.trace_picture import trace_picture

    try:
        answer = control_plane.get(f"{TRACES}/{quote(name, safe='')}")
    except Refused as refusal:
        if refusal.code == "not_found":
            refusal.hint = NOT_KEPT
        raise
    if as_json:
        print_json(answer)
        return
    screen = console()
    # Into a pipe or a file a waterfall of a terminal's width is enough.
    width = screen.width if screen.is_terminal else min(screen.width, 120)
    screen.print(trace_picture(answer, datetime.now().astimezone(), width=width))
