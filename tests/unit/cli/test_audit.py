"""Who did what, on the terminal."""

from __future__ import annotations

import json
from collections.abc import Callable

from typer.testing import Result

from tests.unit.cli.plane import Plane, Reply
from tests.unit.cli.rollout_replies import ENTRY, ROLLOUT, serve

Tidegate = Callable[..., Result]
DRAINED = {**ENTRY, "number": 16, "rollout": "", "engine": "", "instance": "triton-0"}
AUDIT = "/api/v1/audit?limit=50"


def test_the_audit_is_a_line_for_each(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[AUDIT] = Reply({"entries": [ENTRY, DRAINED]})
    header, first, second = tidegate("audit", "--url", plane.url).stdout.splitlines()
    assert header.split() == ["NO", "WHEN", "WHO", "DID", "TO", "WHAT", "CHANGED", "WHY"]
    assert first.split()[:2] == ["17", "2025-01-31"] or first.split()[0] == "17"
    assert "ada  roll back  damage-7f3a  state step → rolling_back, traffic 5 % → 0 %" in first
    assert first.rstrip().endswith("hail is [missed]")
    assert "triton-0" in second


def test_entries_are_chosen_by_the_control_plane(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLOUT)
    path = "/api/v1/audit?engine=damage&rollout=damage-7f3a&before=17&limit=3"
    plane.replies[path] = Reply({"entries": [DRAINED]})
    options = ["--engine", "damage", "--rollout", "damage", "--before", 17, "--limit", 3]
    result = tidegate("audit", *options, "--json", "--url", plane.url)
    assert json.loads(result.stdout) == {"entries": [DRAINED]}
    plane.replies[path] = Reply({"entries": []})
    assert tidegate("audit", *options, "--url", plane.url).stdout == "nothing of that was done\n"


def test_nothing_yet_is_said(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[AUDIT] = Reply({"entries": []})
    assert tidegate("audit", "--url", plane.url).stdout == "nothing has been done yet\n"
