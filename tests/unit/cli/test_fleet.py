"""The fleet on the terminal: at a glance, watched, and acted on."""

from __future__ import annotations

import getpass
import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

from tests.unit.cli.plane import FLEET, WELL, Plane, Reply, Seen, problem

Tidegate = Callable[..., Result]

DRAIN = "/api/v1/fleet/triton-0/drain"
DRAINING = {**WELL, "health": "draining", "health_reason": "new driver", "history": []}
EMPTY = {**DRAINING, "in_flight": 0}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def in_turn(*bodies: dict[str, Any]) -> Callable[[Seen], Reply]:
    """One after the other; the last for ever."""
    replies: Iterator[dict[str, Any]] = iter(bodies[:-1])
    return lambda _: Reply(next(replies, bodies[-1]))


def test_the_fleet_at_a_glance(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("fleet", "--url", plane.url)

    header, well, unwell = result.stdout.splitlines()[:3]
    assert header.split() == [
        *("INSTANCE", "HEALTH", "ENGINES", "IN", "FLIGHT", "LOAD", "SINCE", "URL")
    ]
    assert well.split()[:8] == [
        *("triton-0", "●", "healthy", "✓damage", "▲volume", "breaker", "half", "open")
    ]
    assert well.split()[8:15] == ["3", "gpu", "42", "%,", "2", "wait,", "12"]
    assert unwell.split() == [
        *("triton-1", "✗", "unhealthy", "■damage", "given", "up", "0", "?", "-", "127.0.0.1:8011")
    ]


def test_reasons_are_shown_as_they_are_where_something_is_not_well(
    tidegate: Tidegate, plane: Plane
) -> None:
    lines = tidegate("fleet", "--url", plane.url).stdout.splitlines()

    reasons = [line.split(maxsplit=1) for line in lines[lines.index("") + 2 :]]
    assert [" ".join(one[1].split()) for one in reasons[:3]] == [
        "unhealthy [red]connection refused[/]",
        "unreachable no look yet",
        "damage: given up after 5 mends",
    ]
    assert {one[0] for one in reasons[:3]} == {"triton-1"}


@pytest.mark.parametrize("options", [(), ("--json",)])
def test_what_a_triton_says_does_not_command_the_terminal(
    tidegate: Tidegate, plane: Plane, options: tuple[str, ...]
) -> None:
    there = {"fitness": "unfit", "reason": "INTERNAL: \x1b[2J\x9b31m boom", "in_flight": 0}
    unwell = {**WELL, "health_reason": "\x1b]0;owned\x07", "engines": {"damage": there}}
    plane.replies["/api/v1/fleet"] = Reply({"instances": [unwell], "changes": []})
    shown = tidegate("fleet", *options, "--url", plane.url).stdout
    assert "INTERNAL: ?[2J?31m boom" in shown
    assert not any(command in shown for command in "\x1b\x07\x9b")
    plane.replies["/api/v1/fleet"] = problem(503, "overloaded", "full of \x1b[2J")
    refused = tidegate("fleet", "--url", plane.url)
    assert "full of ?[2J" in refused.stderr


def test_a_fleet_that_is_well_has_nothing_to_explain(tidegate: Tidegate, plane: Plane) -> None:
    engines = {"damage": WELL["engines"]["damage"]}
    plane.replies["/api/v1/fleet"] = Reply(
        {"instances": [{**WELL, "engines": engines}], "changes": FLEET["changes"]}
    )

    assert len(tidegate("fleet", "--url", plane.url).stdout.splitlines()) == 2


def test_watching_shows_what_changed(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("fleet", "--watch", "--times", 2, "--url", plane.url)

    assert result.stdout.count("1 healthy, 1 unhealthy") == 2
    assert result.stdout.count("healthy → unhealthy") == 2
    # A change of another day is shown with its date, in the time zone of the terminal.
    assert "2025-01-31 " in result.stdout or "2025-02-01 " in result.stdout


def test_watching_for_scripts_is_a_line_for_each_look(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("fleet", "--times", 2, "--json", "--url", plane.url)

    assert [json.loads(line) for line in result.stdout.splitlines()] == [FLEET, FLEET]


def test_one_instance_with_its_history(tidegate: Tidegate, plane: Plane) -> None:
    history = [
        {
            "at": "2025-01-31T12:00:00Z",
            "instance": "triton-0",
            "engine": "damage",
            "was": "proving",
            "now": "fit",
            "reason": "probe: ok",
        }
    ]
    plane.replies["/api/v1/fleet/triton-0"] = Reply({**WELL, "history": history})

    lines = tidegate("fleet", "show", "triton-0", "--url", plane.url).stdout.splitlines()

    assert lines[0] == "triton-0  ● healthy"
    names = ["why", "since", "seen", "in", "waiting", "queue", "gpu", "url"]
    assert [line.split()[0] for line in lines[1:9]] == names
    assert "damage 1.0.0 12.4 ms, volume 1.0.0 3.0 ms" in lines[6]
    assert "42 %, 3.0 of 16.0 GiB" in lines[7]
    damage, volume = (line.split() for line in lines[11:13])
    assert damage == ["damage", "✓", "fit", "1.0.0", "2", "closed", "probe:", "ok"]
    assert volume == ["volume", "○", "unprobed", "1.0.0", "1", "half", "open", "-"]
    assert lines[-1].split()[2:] == ["damage", "proving", "→", "fit", "probe:", "ok"]


def test_a_load_that_is_not_known_says_why(tidegate: Tidegate, plane: Plane) -> None:
    unknown = {**WELL, "history": [], "load": None, "load_reason": "scrape failed: refused"}
    plane.replies["/api/v1/fleet/triton-0"] = Reply(unknown)
    shown = tidegate("fleet", "show", "triton-0", "--url", plane.url).stdout
    assert "unknown: scrape failed: refused" in shown


@pytest.mark.parametrize(
    ("width", "headers"),
    [(80, set()), (90, {"LOAD"}), (119, {"LOAD"}), (120, {"LOAD", "URL"})],
)
def test_a_narrow_terminal_has_fewer_columns(
    tidegate: Tidegate, plane: Plane, monkeypatch: pytest.MonkeyPatch, width: int, headers: set[str]
) -> None:
    monkeypatch.setattr("cli.printing.PIPE_WIDTH", width)
    lines = tidegate("fleet", "--url", plane.url).stdout.splitlines()
    assert {"LOAD", "URL"} & set(lines[0].split()) == headers
    assert max(map(len, lines)) <= width


def test_a_drain_waits_until_nothing_is_in_flight(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[DRAIN] = Reply(DRAINING)
    plane.replies["/api/v1/fleet/triton-0"] = in_turn(DRAINING, DRAINING, EMPTY)

    result = tidegate("fleet", "drain", "triton-0", "--reason", "new driver", "--url", plane.url)

    assert result.exit_code == 0
    assert result.stdout == "triton-0 is draining: nothing is in flight there\n"
    assert [seen.method for seen in plane.seen] == ["POST", "GET", "GET", "GET"]
    assert json.loads(plane.seen[0].body) == {
        "reason": "new driver",
        "who": getpass.getuser(),
        "force": False,
    }
    assert plane.seen[0].headers["content-type"] == "application/json"


def test_a_drain_that_takes_too_long_fails_and_says_what_is_left(
    tidegate: Tidegate, plane: Plane
) -> None:
    plane.replies[DRAIN] = Reply(DRAINING)

    result = tidegate("fleet", "drain", "triton-0", "--timeout", 0, "--url", plane.url)

    assert result.exit_code == 1
    assert result.stdout == ""
    assert "triton-0 still has 3 in flight (damage 2, volume 1) after 0 s" in result.stderr
    assert "it stays draining" in result.stderr


def test_a_drain_need_not_be_waited_for(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[DRAIN] = Reply(DRAINING)

    result = tidegate("fleet", "drain", "triton-0", "--no-wait", "--url", plane.url)

    assert result.exit_code == 0
    assert result.stdout == "triton-0 is draining: 3 still in flight\n"
    assert len(plane.seen) == 1


def test_a_drain_that_somebody_undid_is_not_waited_for(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[DRAIN] = Reply(DRAINING)

    result = tidegate("fleet", "drain", "triton-0", "--url", plane.url)

    assert result.exit_code == 1
    assert "triton-0 is not draining any more but healthy" in result.stderr


def test_who_stops_waiting_for_a_drain_is_told_that_it_goes_on(
    tidegate: Tidegate, plane: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    plane.replies[DRAIN] = Reply(DRAINING)

    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("time.sleep", interrupt)
    result = tidegate("fleet", "drain", "triton-0", "--url", plane.url)

    assert result.exit_code == 130
    assert "triton-0 stays draining" in result.stderr


def test_a_terminal_without_the_marks_shows_the_words(plane: Plane) -> None:
    command = [sys.executable, "-c", "from cli.main import main; main()"]
    result = subprocess.run(
        [*command, "fleet", "--url", plane.url],
        env={**os.environ, "PYTHONIOENCODING": "latin-1"},
        capture_output=True,
        check=False,
    )

    assert result.returncode == 0, result.stderr
    assert b"triton-0  ? healthy" in result.stdout


@pytest.mark.parametrize(
    ("action", "said"),
    [
        ("undrain", "triton-0 takes requests as soon as a look finds it well\n"),
        ("isolate", "triton-0 is isolated until it is healed\n"),
        ("heal", "triton-0 is judged anew, and so are its breakers\n"),
    ],
)
def test_an_action_is_asked_for_and_told(
    tidegate: Tidegate, plane: Plane, action: str, said: str
) -> None:
    answer = {**WELL, "history": []}
    plane.replies[f"/api/v1/fleet/triton-0/{action}"] = Reply(answer)

    for_people = tidegate("fleet", action, "triton-0", "--url", plane.url)
    for_scripts = tidegate("fleet", action, "triton-0", "--json", "--url", plane.url)

    assert for_people.stdout == said
    assert json.loads(for_scripts.stdout) == answer
    assert json.loads(plane.seen[0].body) == {
        "reason": "",
        "who": getpass.getuser(),
        "force": False,
    }


@pytest.mark.parametrize("action", ["drain", "isolate"])
def test_force_is_passed_on_and_hinted_at(tidegate: Tidegate, plane: Plane, action: str) -> None:
    path = f"/api/v1/fleet/triton-0/{action}"
    plane.replies[path] = Reply(EMPTY)
    assert tidegate("fleet", action, "triton-0", "--force", "--url", plane.url).exit_code == 0
    assert json.loads(plane.seen[0].body)["force"] is True

    plane.replies[path] = problem(409, "conflict", "the last one; force it", field="force")
    refused = tidegate("fleet", action, "triton-0", "--url", plane.url)

    assert refused.exit_code == 1
    assert refused.stderr == "tidegate: the last one; force it (--force) [correlation id c-9]\n"


def test_an_option_that_would_do_nothing_is_refused(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("fleet", "--url", plane.url, "drain", "triton-0")

    assert result.exit_code == 2
    assert "put it after `drain`" in result.stderr
    assert plane.seen == []


def test_a_name_is_no_path(tidegate: Tidegate, plane: Plane) -> None:
    tidegate("fleet", "heal", "../engines?", "--url", plane.url)

    assert plane.seen[0].path == "/api/v1/fleet/..%2Fengines%3F/heal"
