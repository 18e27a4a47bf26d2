from __future__ import annotations

import json
from collections.abc import Callable

import pytest
from typer.testing import Result

from tests.unit.cli.plane import (
    CANARY,
    ENGINES,
    FLEET,
    HEALTH,
    RELEASE,
    WELL,
    Plane,
    Reply,
    problem,
)

Tidegate = Callable[..., Result]


def test_engines_lists_each_with_its_stable_release(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("engines", "--url", plane.url)

    assert result.exit_code == 0
    header, row = result.stdout.splitlines()
    assert header.split()[:5] == ["ENGINE", "KIND", "READY", "STABLE", "RELEASES"]
    assert row.split()[:6] == ["damage", "ensemble", "yes", "1.0.0", "1.0.0,", "1.1.0"]
    assert header.endswith("IN FLIGHT  REFUSED")
    assert row.split()[6:] == ["3", "of", "40", "3"]


def test_engines_tells_of_a_panic_and_of_who_is_kept_out(tidegate: Tidegate, plane: Plane) -> None:
    (engine,) = ENGINES["engines"]
    panic = {**RELEASE, "ejected": 1, "benched": 2, "is_panicking": True, "panics": 14}
    canary = {**CANARY, "ejected": 0, "benched": 1, "is_panicking": False, "panics": 3}
    unwell = {**engine, "releases": [panic, canary], "retry_budget_remaining": 0.9}
    plane.replies["/api/v1/engines"] = Reply({"engines": [unwell]})
    result = tidegate("engines", "--url", plane.url)
    assert result.stdout.splitlines()[2:] == [
        "",
        "damage 1.0.0: panic, 14 requests so far went to who is kept out: "
        "1 by breakers, 2 by health checks",
        "damage 1.1.0: kept out: 1 by health checks",
        "damage: retry budget spent, no try is made again",
    ]


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        (["engines"], ENGINES),
        (["fleet"], FLEET),
        (["fleet", "show", "triton-0"], {**WELL, "history": []}),
        (["releases"], {"engines": [{"engine": "damage", "releases": [RELEASE, CANARY]}]}),
        (
            ["releases", "damage"],
            {"engine": "damage", "stable": "1.0.0", "releases": [RELEASE, CANARY]},
        ),
        (["status"], {**HEALTH, "fleet": FLEET["instances"], "changes": FLEET["changes"]}),
    ],
)
def test_json_is_what_the_control_plane_said(
    tidegate: Tidegate, plane: Plane, arguments: list[str], expected: object
) -> None:
    result = tidegate(*arguments, "--json", "--url", plane.url + "/")

    assert json.loads(result.stdout) == expected
    assert result.exit_code == 0


def test_releases_shows_traffic_in_percent_and_pins(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("releases", "damage", "--url", plane.url)

    rows = [line.split() for line in result.stdout.splitlines()]
    assert rows[1][:6] == ["damage", "1.0.0", "stable", "100", "%", "damage_detector=1"]
    assert rows[2] == ["damage", "1.1.0", "-", "0", "%", "damage_detector=2", "-"]


@pytest.mark.parametrize(
    ("changes", "role"),
    [
        ({"is_canary": True, "shadow_bp": 500}, "canary"),
        ({"shadow_bp": 550}, "shadow of 5.5 %"),
        ({"is_serving": True}, "by name"),
    ],
)
def test_a_release_says_what_it_is_to_the_traffic(
    tidegate: Tidegate, plane: Plane, changes: dict[str, object], role: str
) -> None:
    answer = {"engine": "damage", "stable": "1.0.0", "releases": [{**CANARY, **changes}]}
    plane.replies["/api/v1/engines/damage/releases"] = Reply(answer)
    lines = tidegate("releases", "damage", "--url", plane.url).stdout.splitlines()
    assert lines[0].split()[2] == "ROLE"
    assert f"1.1.0    {role} " in lines[1]


def test_status_shows_state_engines_and_fleet(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("status", "--url", plane.url)

    assert result.stdout.startswith(f"degraded  Tidegate 0.1.0 at {plane.url}")
    assert "triton-1" in result.stdout


def test_status_of_an_unavailable_control_plane_is_shown(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/orchestrator/health"] = Reply({**HEALTH, "status": "unavailable"}, 503)

    result = tidegate("status", "--url", plane.url)

    assert result.exit_code == 1
    assert result.stdout.startswith("unavailable")


@pytest.mark.parametrize(
    ("word", "arguments", "exit_code"),
    [
        ("ok", [], 0),
        ("ok", ["--check"], 0),
        ("degraded", [], 0),
        ("degraded", ["--check"], 1),
        ("unavailable", ["--json"], 1),
    ],
)
def test_the_exit_status_of_status_is_for_scripts(
    tidegate: Tidegate, plane: Plane, word: str, arguments: list[str], exit_code: int
) -> None:
    plane.replies["/api/v1/orchestrator/health"] = Reply({**HEALTH, "status": word})

    assert tidegate("status", *arguments, "--url", plane.url).exit_code == exit_code


def test_a_check_looks_once(tidegate: Tidegate, plane: Plane) -> None:
    assert tidegate("status", "--check", "--watch", "--url", plane.url).exit_code == 2
    assert plane.seen == []


def test_watching_goes_on_when_the_control_plane_is_gone(
    tidegate: Tidegate, free_port: int
) -> None:
    url = f"http://127.0.0.1:{free_port}"

    for_scripts = tidegate(
        "status", "--watch", "--times", 2, "--interval", 0.1, "--json", "--url", url
    )
    for_people = tidegate("status", "--watch", "--times", 1, "--url", url)

    looks = [json.loads(line) for line in for_scripts.stdout.splitlines()]
    assert [look["status"] for look in looks] == ["unreachable", "unreachable"]
    assert looks[0]["error"]["code"] == "unreachable"
    assert for_people.stdout.startswith("unreachable  cannot reach the control plane")
    assert for_people.exit_code == 0


def test_watching_prints_each_look(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("status", "--times", 2, "--interval", 0.1, "--url", plane.url)

    assert result.stdout.count("degraded  Tidegate") == 2


def test_an_unreachable_control_plane_is_one_line_with_a_hint(
    tidegate: Tidegate, free_port: int
) -> None:
    result = tidegate("engines", TIDEGATE_URL=f"http://127.0.0.1:{free_port}")

    assert result.exit_code == 1
    assert result.stdout == ""
    assert result.stderr == (
        f"tidegate: cannot reach the control plane at http://127.0.0.1:{free_port}: "
        "connection refused (is it running? tidegate up)\n"
    )


def test_a_problem_is_told_with_its_correlation_id(tidegate: Tidegate, plane: Plane) -> None:
    result = tidegate("releases", "roof/..", "--url", plane.url)

    assert result.exit_code == 1
    assert result.stderr == "tidegate: no such path [correlation id c-9]\n"
    assert plane.seen[0].path == "/api/v1/engines/roof%2F../releases"


def test_a_stranger_on_the_port_is_told_from_tidegate(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/engines"] = Reply(b"<html>", content_type="text/html")

    result = tidegate("engines", "--url", plane.url)

    assert result.exit_code == 1
    assert "does not answer as a Tidegate control plane does (is --url right?)" in result.stderr


def test_an_overloaded_control_plane_says_when_to_come_back(
    tidegate: Tidegate, plane: Plane
) -> None:
    plane.replies["/api/v1/engines"] = problem(503, "overloaded", "too busy", retry_after_s=2.5)

    result = tidegate("engines", "--url", plane.url)

    assert "too busy (try again in 2.5 s)" in result.stderr


def test_a_refusal_without_a_body_still_says_something(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies["/api/v1/engines"] = Reply(
        b"", 502, "text/plain", {"x-correlation-id": "from-a-header"}
    )

    result = tidegate("engines", "--url", plane.url)

    assert result.stderr == "tidegate: HTTP status 502 [correlation id from-a-header]\n"


def test_the_token_goes_as_bearer_and_its_absence_is_hinted_at(
    tidegate: Tidegate, plane: Plane
) -> None:
    tidegate("fleet", "--url", plane.url, TIDEGATE_TOKEN="t-1")
    plane.replies["/api/v1/fleet"] = problem(401, "permission_denied", "who are you?")
    refused = tidegate("fleet", "--url", plane.url)

    assert plane.seen[0].headers["authorization"] == "Bearer t-1"
    assert "authorization" not in plane.seen[1].headers
    assert "who are you? (set --token or TIDEGATE_TOKEN)" in refused.stderr


def test_status_tells_of_a_store_that_is_away_and_of_the_catalogue(
    tidegate: Tidegate, plane: Plane
) -> None:
    trouble = {
        "queue": {"is_away": True},
        "state": {"revision": 7, "is_away": True},
        "complaints": ["1.1.0 is in use, but not in the catalogue any more"],
    }
    plane.replies["/api/v1/orchestrator/health"] = Reply({**HEALTH, **trouble})
    lines = tidegate("status", "--url", plane.url).stdout.splitlines()
    assert lines[1].startswith("the state store is away: requests are served by revision 7")
    assert lines[2].startswith("the queue is away: no job is accepted or worked on")
    assert "catalogue: 1.1.0 is in use" in "\n".join(lines[3:5])
