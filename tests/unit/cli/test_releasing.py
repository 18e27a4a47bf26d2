"""Promote, experiment, shadow and rollback: what is asked, and what a newcomer reads."""

from __future__ import annotations

import getpass
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from typer.testing import Result

from tests.unit.cli.plane import Plane, Reply, Seen, problem
from tests.unit.cli.rollout_replies import BEGUN, COMPLETED, ROLLED_BACK, ROLLOUT, ROLLOUTS, serve

Tidegate = Callable[..., Result]
ROLL_BACK = "/api/v1/engines/damage/rollback"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


@pytest.fixture
def promoting(plane: Plane) -> Plane:
    plane.replies[ROLLOUTS] = Reply(BEGUN, 201)
    return plane


def asked(plane: Plane) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(plane.seen[0].body)
    return found


def test_the_first_promotion_says_what_happens_and_how_to_stop_it(
    tidegate: Tidegate, promoting: Plane
) -> None:
    result = tidegate("promote", "damage", "1.1.0", TIDEGATE_URL=promoting.url)

    assert result.exit_code == 0
    lines = result.stdout.splitlines()
    assert lines[0] == "canary rollout damage-7f3a of damage has begun: 1.0.0 → 1.1.0"
    said = " ".join(lines)
    assert "loaded and proved on every instance first" in said
    assert "grows: 1 % → 5 % → 100 %." in said
    assert "1 min and 100 requests at least" in said
    assert "asks you after 1 h" in said
    assert "found worse than 1.0.0, the traffic goes back by itself" in said
    for command in ("rollout watch", "rollout pause", "rollback"):
        assert f"tidegate {command} damage --url {promoting.url}" in said
    assert asked(promoting) == {
        "engine": "damage",
        "release": "1.1.0",
        "kind": "canary",
        "who": getpass.getuser(),
        "reason": "",
    }


def test_all_of_a_plan_can_be_said(tidegate: Tidegate, promoting: Plane) -> None:
    options = ["--canary", "2, 20", "--min-step-s", 5, "--max-step-s", 50.5, "--min-samples", 7]
    more = ["--shadow", 10, "--manual", "--reason", "new data", "--who", "ada"]
    more += ["--ignore", "confidence, latency", "--accuracy", "f1", "--accuracy-margin", 0.05]
    more += ["--min-feedback", 40, "--accuracy-proof"]
    result = tidegate("promote", "damage", "1.1.0", *options, *more, "--url", promoting.url)

    assert result.exit_code == 0
    assert asked(promoting) == {
        "engine": "damage",
        "release": "1.1.0",
        "kind": "canary",
        "steps_percent": [2, 20],
        "min_step_s": 5.0,
        "max_step_s": 50.5,
        "min_samples": 7,
        "shadow_percent": 10,
        "manual": True,
        "ignore": ["confidence", "latency"],
        "accuracy": {"score": "f1", "margin": 0.05, "least": 40, "proof": True},
        "who": "ada",
        "reason": "new data",
    }


def test_what_belongs_to_a_gate_is_refused_without_one(
    tidegate: Tidegate, promoting: Plane
) -> None:
    result = tidegate("promote", "damage", "1.1.0", "--min-feedback", 40, "--url", promoting.url)
    assert result.exit_code == 2
    assert "--accuracy" in result.stderr


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"is_manual": True}, ["until you say `advance`", "tidegate rollout advance damage"]),
        ({"steps_percent": [50]}, ["grows: 50 %, and then all traffic.\n"]),
        ({"steps_percent": [5, 50]}, ["grows: 5 % → 50 %, and then all traffic.\n"]),
        ({"shadow_percent": 10}, ["Then 10 % of the traffic is copied to it first."]),
        ({"kind": "direct", "steps_percent": []}, ["all traffic goes to 1.1.0 at once"]),
        ({"ignored": ["confidence"]}, ["Ignored, so that it decides nothing here: confidence."]),
    ],
)
def test_what_happens_next_is_that_of_the_plan(
    tidegate: Tidegate, promoting: Plane, changes: dict[str, Any], said: list[str]
) -> None:
    promoting.replies[ROLLOUTS] = Reply({**BEGUN, **changes}, 201)
    shown = tidegate("promote", "damage", "1.1.0", "--url", promoting.url).stdout
    assert all(one in shown for one in said)
    assert ("goes back by itself" in shown) == (changes.get("kind") != "direct")


def test_a_direct_one_has_no_steps(tidegate: Tidegate, promoting: Plane) -> None:
    assert tidegate("promote", "damage", "1.1.0", "--direct", "--url", promoting.url).exit_code == 0
    assert asked(promoting)["kind"] == "direct"
    for option in (
        ["--canary", "1"],
        ["--manual"],
        ["--shadow", "1"],
        ["--min-samples", "1"],
        ["--ignore", "latency"],
    ):
        result = tidegate("promote", "damage", "1.1.0", "--direct", *option)
        assert result.exit_code == 2
        assert option[0] in result.stderr


def test_an_experiment_has_a_split(tidegate: Tidegate, promoting: Plane) -> None:
    begun = {**BEGUN, "kind": "experiment", "steps_percent": [40]}
    promoting.replies[ROLLOUTS] = Reply(begun, 201)
    split = "1.0.0=60, 1.1.0=40"
    result = tidegate("experiment", "damage", "--split", split, "--url", promoting.url)

    assert "it answers 40 % of the traffic, until you end it" in result.stdout
    # It has no next step: the traffic would be elsewhere before its reader knew.
    assert "promote 1.1.0: all traffic goes to it at once" in result.stdout
    assert "next step" not in result.stdout
    body = asked(promoting)
    assert (body["kind"], body["split"]) == ("experiment", {"1.0.0": 60, "1.1.0": 40})
    assert "ignore" not in body
    ignoring = ["--ignore", "confidence", "--url", promoting.url]
    tidegate("experiment", "damage", "--split", split, *ignoring)
    assert json.loads(promoting.seen[1].body)["ignore"] == ["confidence"]


def test_a_shadow_has_a_share(tidegate: Tidegate, promoting: Plane) -> None:
    begun = {**BEGUN, "kind": "shadow", "steps_percent": [], "shadow_percent": 10}
    promoting.replies[ROLLOUTS] = Reply(begun, 201)
    result = tidegate("shadow", "damage", "1.1.0", "--url", promoting.url)
    assert "10 % of the traffic is copied to it, and no caller gets its answers" in result.stdout
    assert "end it" in result.stdout
    assert "found worse than 1.0.0, the copying ends by itself." in result.stdout
    assert "goes back" not in result.stdout
    more = ["--percent", 25, "--ignore", "latency", "--url", promoting.url]
    tidegate("shadow", "damage", "1.1.0", *more)
    first, second = (json.loads(seen.body) for seen in promoting.seen)
    assert first["kind"] == "shadow"
    assert not first.keys() & {"shadow_percent", "ignore"}
    assert (second["shadow_percent"], second["ignore"]) == (25, ["latency"])


@pytest.mark.parametrize(
    "arguments",
    [
        ["promote", "damage"],
        ["promote", "damage", "1.1.0", "--canary", "1;5"],
        ["promote", "damage", "1.1.0", "--canary", ""],
        ["promote", "damage", "1.1.0", "--min-samples", "many"],
        ["experiment", "damage"],
        ["experiment", "damage", "--split", "1.0.0"],
        ["experiment", "damage", "--split", "1.0.0=half,1.1.0=half"],
        ["experiment", "damage", "--split", "1.0.0=1=2"],
        ["experiment", "damage", "--split", "1.0.0=50,1.0.0=50"],
        ["rollback"],
    ],
)
def test_wrong_usage_is_exit_status_2(tidegate: Tidegate, arguments: list[str]) -> None:
    assert tidegate(*arguments).exit_code == 2


@pytest.mark.parametrize("command", [["promote", "damage", "1.1.0"], ["rollback", "damage"]])
def test_a_refusal_is_one_line_and_exit_status_1(
    tidegate: Tidegate, plane: Plane, command: list[str]
) -> None:
    for path in (ROLLOUTS, ROLL_BACK):
        plane.replies[path] = problem(503, "store_unavailable", "the store does not answer")
    result = tidegate(*command, "--url", plane.url)
    assert result.exit_code == 1
    assert result.stderr == "tidegate: the store does not answer [correlation id c-9]\n"


@pytest.mark.parametrize(
    ("command", "field", "flag"),
    [
        (["promote", "damage", "1.1.0"], "steps_percent[1]", "--canary"),
        (["promote", "damage", "1.1.0"], "steps_percent.1", "--canary"),
        (["promote", "damage", "1.1.0"], "max_step_s", "--max-step-s"),
        (["promote", "damage", "1.1.0"], "shadow_percent", "--shadow"),
        (["promote", "damage", "1.1.0"], "who", "--who"),
        (["shadow", "damage", "1.1.0"], "shadow_percent", "--percent"),
        (["experiment", "damage", "--split", "a=1,b=99"], "split[a]", "--split"),
        (["experiment", "damage", "--split", "a=1,b=99"], "ignore", "--ignore"),
        (["rollback", "damage"], "to", "--to"),
    ],
)
def test_a_field_that_is_refused_is_named_by_its_flag(
    tidegate: Tidegate, plane: Plane, command: list[str], field: str, flag: str
) -> None:
    said = f"{field} is wrong"
    for path in (ROLLOUTS, ROLL_BACK):
        plane.replies[path] = problem(400, "invalid_argument", said, field=field)
    result = tidegate(*command, "--url", plane.url)
    assert result.stderr == f"tidegate: {said} ({flag}) [correlation id c-9]\n"


def test_a_field_without_a_flag_has_no_hint(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[ROLLOUTS] = problem(404, "unknown_release", "no such release", field="release")
    result = tidegate("promote", "damage", "9.9.9", "--url", plane.url)
    assert result.stderr == "tidegate: no such release [correlation id c-9]\n"


def test_where_another_is_under_way_it_says_how_to_go_on(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[ROLLOUTS] = problem(409, "conflict", "one at a time")
    result = tidegate("promote", "damage", "1.1.0", "--url", plane.url)
    assert f"tidegate rollout watch damage --url {plane.url}; end it: " in result.stderr
    assert f"tidegate rollout abort damage --url {plane.url}) [" in result.stderr


def test_json_is_what_the_control_plane_said(tidegate: Tidegate, promoting: Plane) -> None:
    promoting.replies[ROLL_BACK] = Reply(ROLLED_BACK)
    for command, answer in (
        (["promote", "damage", "1.1.0"], BEGUN),
        (["rollback", "damage"], ROLLED_BACK),
    ):
        result = tidegate(*command, "--json", "--url", promoting.url)
        assert json.loads(result.stdout) == answer


@pytest.mark.parametrize(("end", "exit_code"), [(COMPLETED, 0), (ROLLED_BACK, 1)])
def test_a_promotion_can_be_watched_to_its_end(
    tidegate: Tidegate, promoting: Plane, end: dict[str, Any], exit_code: int
) -> None:
    looks: Iterator[dict[str, Any]] = iter([BEGUN, ROLLOUT, ROLLOUT, end])

    def look(_: Seen) -> Reply:
        return Reply(next(looks))

    promoting.replies[f"{ROLLOUTS}/damage-7f3a"] = look
    result = tidegate("promote", "damage", "1.1.0", "--watch", "--url", promoting.url)

    assert result.exit_code == exit_code
    assert len(result.stdout.splitlines()) == 3
    assert ("completed" in result.stdout) == (exit_code == 0)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"state": "rolling_back"}, "all traffic of damage is with 1.0.0; 1.1.0 is unloaded"),
        ({"state": "rolled_back"}, "nothing to take back: all traffic of damage is with 1.0.0"),
        (
            {"state": "pending", "is_reversal": True, "stable": "1.1.0", "target": "1.0.0"},
            "takes damage back to 1.0.0: it is loaded and proved, then all traffic goes there",
        ),
        (
            {"state": "completed", "is_reversal": True, "stable": "1.1.0", "target": "1.0.0"},
            "nothing to take back: 1.0.0 is the stable release of damage",
        ),
    ],
)
def test_a_rollback_says_what_it_has_done(
    tidegate: Tidegate, plane: Plane, changes: dict[str, Any], said: str
) -> None:
    plane.replies[ROLL_BACK] = Reply({**ROLLOUT, **changes})
    result = tidegate("rollback", "damage", "--reason", "hail", "--who", "ada", "--url", plane.url)
    assert result.exit_code == 0
    assert said in result.stdout
    assert asked(plane) == {"to": None, "reason": "hail", "who": "ada"}


def test_a_rollback_goes_where_it_is_told_and_ends_well(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[ROLL_BACK] = Reply({**ROLLOUT, "state": "rolling_back"})
    serve(plane, ROLLED_BACK)
    result = tidegate("rollback", "damage", "--to", "1.0.0", "--watch", "--url", plane.url)
    assert asked(plane)["to"] == "1.0.0"
    assert result.exit_code == 0
    assert "rolled back" in result.stdout


def test_who_asks_without_a_name_is_the_command_line(
    tidegate: Tidegate, promoting: Plane, monkeypatch: pytest.MonkeyPatch
) -> None:
    def nobody() -> str:
        raise KeyError("uid not found: 1234")

    monkeypatch.setattr(getpass, "getuser", nobody)
    tidegate("promote", "damage", "1.1.0", "--url", promoting.url)
    assert asked(promoting)["who"] == "cli"
