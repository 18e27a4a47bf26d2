"""What the tests of rollouts on the terminal share: a moment, a picture, replies in turn."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

from rich.console import Console
from typer.testing import Result

from cli.rollout_picture import rollout_picture
from tests.unit.cli.plane import Reply, Seen
from tests.unit.cli.rollout_replies import (
    ROLLOUT,
    ROLLOUTS,
)

Tidegate = Callable[..., Result]
NOW = datetime(2025, 1, 31, 12, 0, 10, tzinfo=UTC)
ONE = f"{ROLLOUTS}/damage-7f3a"


def picture(width: int = 120, **changes: Any) -> str:
    """What a terminal shows, without its colours."""
    out = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with out.file:
        out.print(rollout_picture({**ROLLOUT, **changes}, NOW, width=width))
    return out.export_text()


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    left: Iterator[Reply] = iter(replies)
    return lambda _: next(left)
