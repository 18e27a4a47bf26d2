"""The level of the log, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from typer.testing import Result

from tests.unit.cli.plane import Plane, Reply

Tidegate = Callable[..., Result]
PATH = "/api/v1/log-level"
NOW: dict[str, Any] = {"plane": "gate-1", "level": "info", "configured": "info", "until": None}


def test_the_level_is_a_line(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[PATH] = Reply(NOW)
    assert tidegate("log-level", "--url", plane.url).stdout == "info on gate-1\n"
    plane.replies[PATH] = Reply({**NOW, "level": "debug"})
    assert tidegate("log-level", "--url", plane.url).stdout == (
        "debug on gate-1, until it ends; its settings say info\n"
    )
    plane.replies[PATH] = Reply({**NOW, "level": "debug", "until": "2025-01-31T12:00:00Z"})
    line = tidegate("log-level", "--url", plane.url).stdout
    assert line.startswith("debug on gate-1, until ")
    assert line.endswith("; then info again\n")


def test_a_level_is_set_for_a_while(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[PATH] = Reply({**NOW, "level": "debug"})
    options = ["--for", "10m", "--who", "ada", "--reason", "why", "--json", "--url", plane.url]
    result = tidegate("log-level", "debug", *options)

    assert json.loads(result.stdout) == {**NOW, "level": "debug"}
    (seen,) = plane.seen
    assert seen.method == "PUT"
    assert json.loads(seen.body) == {
        "level": "debug", "for_s": 600, "who": "ada", "reason": "why",
    }  # fmt: skip


def test_wrong_usage_asks_nobody(tidegate: Tidegate, plane: Plane) -> None:
    for arguments in (["loud"], ["debug", "--for", "soon"], ["debug", "--for", "0s"],
                      ["--for", "10m"]):  # fmt: skip
        assert tidegate("log-level", *arguments, "--url", plane.url).exit_code == 2
    assert plane.seen == []
