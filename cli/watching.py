"""Looking again and again, for ``--watch``: a picture on a terminal, lines elsewhere."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Annotated, Any

import typer

from cli.failure import UNREACHABLE, Refused
from cli.printing import console, print_json, style_of

if TYPE_CHECKING:
    from rich.console import RenderableType
    from rich.text import Text

Watch = Annotated[bool, typer.Option("--watch", "-w", help="Keep looking until Ctrl-C.")]
Interval = Annotated[
    float,
    typer.Option("--interval", min=0.1, max=3600, metavar="S", help="Pause between looks."),
]
Times = Annotated[
    int | None,
    typer.Option("--times", min=1, metavar="N", show_default=False, help="Stop after N looks."),
]
INTERVAL_S = 2.0

Look = dict[str, Any]


def watch(
    look: Callable[[], Look],
    picture: Callable[[Look], RenderableType],
    *,
    interval_s: float,
    times: int | None,
    as_json: bool,
) -> None:
    """Look until Ctrl-C, or ``times`` times. A control plane that is gone is one more picture."""
    from rich.live import Live

    out = console()
    with Live(console=out, auto_refresh=False, transient=False) as live:
        for turn in itertools.count(1):
            found, shown = _look(look, picture)
            if as_json:
                print_json(found, is_line=True)
            elif out.is_terminal:
                live.update(shown, refresh=True)
            else:
                out.print(shown)
            if turn == times:
                return
            time.sleep(interval_s)


def _look(
    look: Callable[[], Look], picture: Callable[[Look], RenderableType]
) -> tuple[Look, RenderableType]:
    try:
        found = look()
    except Refused as refusal:
        return {"status": UNREACHABLE, "error": refusal.as_json()}, _trouble(refusal)
    return found, picture(found)


def _trouble(refusal: Refused) -> Text:
    from rich.text import Text

    return Text.assemble((UNREACHABLE, style_of(UNREACHABLE)), f"  {refusal.message}")
