"""Rollouts on the terminal, watched to their end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from typing import Any

import pytest

from cli.failure import Refused
from cli.rollout_watching import watch_rollout
from tests.unit.cli.plane import Plane, Reply, problem
from tests.unit.cli.rollout_replies import (
    COMPLETED,
    LOOK,
    ROLLED_BACK,
    ROLLOUT,
    ROLLOUTS,
    serve,
)
from tests.unit.cli.rollout_showing import ONE, Tidegate, in_turn


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.mark.parametrize(
    ("end", "exit_code"),
    [(COMPLETED, 0), (ROLLED_BACK, 1), ({**ROLLED_BACK, "state": "failed"}, 1)],
)
def test_watching_is_a_line_per_change_and_ends_with_the_rollout(
    tidegate: Tidegate, plane: Plane, end: dict[str, Any], exit_code: int
) -> None:
    serve(plane, ROLLOUT)
    moved = {**ROLLOUT, "samples": 41, "assessment": {**LOOK, "samples": 41}}
    looks = [ROLLOUT, ROLLOUT, moved, {**moved, "step": 3, "weight_bp": 10_000}, end]
    plane.replies[ONE] = in_turn(*map(Reply, looks))
    result = tidegate("rollout", "watch", "damage", "--url", plane.url)
    lines = result.stdout.splitlines()
    assert result.exit_code == exit_code
    assert len(lines) == 3
    assert "damage 1.0.0 → 1.1.0  ·  step 2 of 3 (5 %), 5 % of the traffic" in lines[0]
    assert "40 samples, undecided: not enough evidence yet: [errors]" in lines[0]
    assert "step 3 of 3 (100 %), 100 % of the traffic" in lines[1]


def test_the_reason_of_a_command_is_said_once_where_it_explains_nothing_more(
    tidegate: Tidegate, plane: Plane
) -> None:
    serve(plane, ROLLOUT)
    asked = {**ROLLOUT, "reason": "lunch is over"}
    paused = {**asked, "state": "paused", "paused_in": "step"}
    later = {**asked, "verdict": "not_worse", "weight_bp": 501}
    looks = [ROLLOUT, asked, later, {**later, "step": 3}, paused, {**paused, "weight_bp": 9}]
    plane.replies[ONE] = in_turn(*map(Reply, looks))
    options = ("--times", len(looks), "--url", plane.url)
    lines = tidegate("rollout", "watch", "damage", *options).stdout.splitlines()
    assert lines[0].endswith("  ·  no metric is worse by its margin")
    assert ["lunch is over" in line for line in lines] == [
        *(False, True, False, False, True, True),
    ]


def test_watching_for_scripts_is_an_object_per_look(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLOUT)
    result = tidegate("rollout", "watch", "--times", 2, "--json", "--url", plane.url)
    assert [json.loads(line) for line in result.stdout.splitlines()] == [ROLLOUT, ROLLOUT]
    assert result.exit_code == 0


def test_an_engine_is_watched_in_the_rollout_it_had_first(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLED_BACK)
    tidegate("rollout", "watch", "damage", "--url", plane.url)
    assert [seen.path for seen in plane.seen] == [f"{ROLLOUTS}/damage", ONE]


def test_a_control_plane_that_is_gone_for_a_while_is_waited_for(
    tidegate: Tidegate, plane: Plane
) -> None:
    serve(plane, ROLLOUT)
    gone = problem(503, "store_unavailable", "the store does not answer")
    plane.replies[ONE] = in_turn(gone, gone, Reply(COMPLETED))
    lines = tidegate("rollout", "watch", "damage", "--url", plane.url).stdout.splitlines()
    assert len(lines) == 2
    assert lines[0].endswith("unreachable: the store does not answer")
    plane.replies[ONE] = in_turn(gone, problem(404, "not_found", "no rollout"))
    lost = tidegate("rollout", "watch", "damage", "--json", "--url", plane.url)
    assert lost.exit_code == 1
    assert "no rollout" in lost.stderr
    assert json.loads(lost.stdout)["error"]["code"] == "store_unavailable"


@pytest.mark.parametrize("as_json", [False, True])
def test_a_script_does_not_wait_for_ever(as_json: bool) -> None:
    gone = Refused("cannot reach it", code="unreachable")
    looks: list[dict[str, Any] | Refused] = [ROLLOUT, gone, gone, ROLLOUT, gone, gone, gone]
    left = iter(looks)
    now_s = 0.0

    def look() -> dict[str, Any]:
        nonlocal now_s
        now_s += 25.0
        found = next(left)
        if isinstance(found, Refused):
            raise found
        return found

    with pytest.raises(Refused) as given_up:
        watch_rollout(
            look, interval_s=1.0, times=None, as_json=as_json, good=(), now_s=lambda: now_s
        )
    assert next(left, None) is None
    assert given_up.value.line() == (
        "gave up watching after 60 s: cannot reach it (the rollout may go on all the same)"
    )
    assert given_up.value.code == "unreachable"


def test_giving_up_is_exit_status_1(
    tidegate: Tidegate, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("cli.rollout_watching.GIVE_UP_S", 0.0)
    serve(plane, ROLLOUT)
    gone = problem(503, "store_unavailable", "the store does not answer")
    plane.replies[ONE] = in_turn(gone)
    result = tidegate("rollout", "watch", "damage", "--url", plane.url)
    assert result.exit_code == 1
    assert "gave up watching" in result.stderr
    assert "60 s" in tidegate("rollout", "watch", "--help").stdout


@pytest.mark.parametrize("command", ["promote", "experiment", "shadow", "rollback"])
def test_help_says_that_watching_ends_with_the_rollout(tidegate: Tidegate, command: str) -> None:
    shown = tidegate(command, "--help").stdout
    assert "until it is finished" in " ".join(shown.split())
    assert "Ctrl-C" not in shown


def test_on_a_terminal_it_is_a_picture_that_is_drawn_again(plane: Plane) -> None:
    serve(plane, ROLLOUT)
    plane.replies[ONE] = in_turn(
        Reply(ROLLOUT), problem(503, "overloaded", "too busy"), Reply(COMPLETED)
    )
    script = "import pty, sys; sys.exit(pty.spawn(sys.argv[1:]) >> 8)"
    command = [sys.executable, "-c", "from cli.main import main; main()", "rollout", "watch"]
    done = subprocess.run(
        [sys.executable, "-c", script, *command, "damage", "--interval", "0.1", "--url", plane.url],
        env={**os.environ, "TERM": "xterm-256color", "COLUMNS": "100", "LINES": "40"},
        capture_output=True,
        text=True,
        timeout=60,
        stdin=subprocess.DEVNULL,
    )
    assert done.returncode == 0, done.stderr
    assert "▶ 5 %" in done.stdout
    assert "too busy" in done.stdout
    assert "1.1.0 is stable now" in done.stdout
    assert "\x1b[" in done.stdout
