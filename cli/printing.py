"""What goes to standard output: JSON for scripts, plain tables for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

import typer

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

# Output that goes into a pipe or a file must not be cut to a terminal's width.
PIPE_WIDTH = 400
GOOD = frozenset({"ok", "ready", "completed", "yes", "healthy", "fit", "not_worse"})
FAIR = frozenset(
    {"warn", "degraded", "loading", "partial", "draining", "unknown", "proving", "mending"}
    | {"half_open", "pending", "preparing", "paused", "rolling_back", "undecided", "waiting"}
)
BAD = frozenset(
    {"fail", "unavailable", "unreachable", "failed", "no", "unready", "unhealthy", "isolated"}
    | {"unfit", "given_up", "open", "rolled_back", "worse", "error"}
)


def print_json(value: object, *, is_line: bool = False) -> None:
    """One JSON document; on a single line for streams of them."""
    typer.echo(json.dumps(value, ensure_ascii=False, indent=None if is_line else 2))


def console() -> Console:
    """A console on standard output, as wide as a pipe needs it."""
    from rich.console import Console

    is_terminal = sys.stdout.isatty()
    return Console(width=None if is_terminal else PIPE_WIDTH, highlight=False, soft_wrap=False)


def print_table(headers: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    console().print(table(headers, rows))


def table(headers: Sequence[str], rows: Iterable[Sequence[str | Text]]) -> Table:
    """Columns without lines between them, as kubectl and docker print theirs."""
    from rich.table import Table
    from rich.text import Text

    made = Table(box=None, pad_edge=False, padding=(0, 2, 0, 0), header_style="bold")
    for header in headers:
        made.add_column(header.upper(), overflow="fold")
    for row in rows:
        # Text, not str: what a server says is never read as markup.
        made.add_row(
            *(Text(cell, style=style_of(cell)) if isinstance(cell, str) else cell for cell in row)
        )
    return made


def style_of(word: str) -> str:
    """The colour of a state, or none. The word itself says it all without the colour."""
    if word in GOOD:
        return "green"
    if word in FAIR:
        return "yellow"
    return "bold red" if word in BAD else ""


def shown(value: Any) -> str:
    """A setting's value as a person would write it."""
    if isinstance(value, str):
        return value
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return json.dumps(value, ensure_ascii=False)


def listed(values: Iterable[object]) -> str:
    """Names side by side, a dash when there is none."""
    return ", ".join(str(value) for value in values) or "-"
