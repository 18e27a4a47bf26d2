"""Rollouts on the terminal: listed, shown and steered."""

from __future__ import annotations

import json
import os
from typing import Any

import pytest
from rich.console import Console

from cli.rollout_picture import rollouts_table, steps_line
from control_plane.rest_api import rollout_schemas as schemas
from tests.unit.cli.plane import Plane, Reply, problem
from tests.unit.cli.rollout_replies import (
    COMPLETED,
    ENTRY,
    ROLLED_BACK,
    ROLLOUT,
    ROLLOUTS,
    SURER,
    serve,
)
from tests.unit.cli.rollout_showing import NOW, ONE, Tidegate, picture


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def test_the_replies_are_those_of_the_control_plane() -> None:
    for reply in (ROLLOUT, COMPLETED, ROLLED_BACK, SURER):
        schemas.Rollout.model_validate(reply)
    schemas.AuditEntry.model_validate(ENTRY)


def test_rollouts_are_listed(tidegate: Tidegate, plane: Plane) -> None:
    answer = {"rollouts": [ROLLOUT, ROLLED_BACK]}
    plane.replies[f"{ROLLOUTS}?engine=damage&limit=2"] = Reply(answer)
    options = ["--engine", "damage", "--limit", 2, "--url", plane.url]
    lines = tidegate("rollout", "list", *options).stdout.splitlines()
    assert lines[0].split()[:3] == ["ROLLOUT", "ENGINE", "KIND"]
    assert lines[1].split()[:12] == [
        *("damage-7f3a", "damage", "canary", "1.0.0", "→", "1.1.0"),
        *("▶", "step", "2", "of", "3", "5"),
    ]
    assert "✗ rolled back" in lines[2]
    assert lines[2].split()[-8:-7] == ["-"]
    assert "the canary is worse: errors" in lines[2]
    assert json.loads(tidegate("rollout", "list", *options, "--json").stdout) == answer


def test_a_newcomer_is_told_how_to_begin(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{ROLLOUTS}?limit=20"] = Reply({"rollouts": []})
    result = tidegate("rollout", "list", "--url", plane.url)
    assert result.stdout == "no rollout yet; begin one: tidegate promote ENGINE RELEASE\n"


def test_a_rollout_is_shown_with_every_figure(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLOUT)
    lines = tidegate("rollout", "show", "damage", "--url", plane.url).stdout.splitlines()
    text = "\n".join(lines)
    assert lines[0] == "damage  1.0.0 → 1.1.0   canary damage-7f3a   ▶ step 2 of 3 (5 %)"
    for said in (
        "requests that failed: stable 0.40 %, target 0.60 %",
        "that it is worse: evidence 10.0 of 99 needed",
        "that it is not worse by the margin: evidence 148 of 99 needed, so it is",
        "the target's share of the requests: expected 5.00 %, seen -",
        "that the split is not what the route says: evidence none of 1998 needed",
        "\n1 % → 5 % → 100 %, each step at least 1 min and 100 samples, asks after 1 h",
        # Nothing that is said is read as markup.
        "refused: [red]no golden[/]",
        "not enough evidence yet: [errors]",
        "hail is [missed]",
        "state step → rolling_back, traffic 5 % → 0 %",
        "errors worse (148 of 99, 0.40 % → 0.60 %)",
    ):
        assert said in text
    assert text.count("evidence none") == 1


def test_status_is_another_word_for_show(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLOUT)
    shown, status = (
        tidegate("rollout", word, "damage", "--json", "--url", plane.url).stdout
        for word in ("show", "status")
    )
    assert status == shown != ""
    assert "status" not in tidegate("rollout", "--help").stdout


def test_json_has_the_history_too(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, ROLLOUT)
    result = tidegate("rollout", "show", "--json", "--url", plane.url)
    assert json.loads(result.stdout) == {**ROLLOUT, "history": [ENTRY]}


def test_one_that_has_begun_has_nothing_to_show_but_that(tidegate: Tidegate, plane: Plane) -> None:
    fresh = {
        **ROLLOUT,
        "state": "preparing",
        "step": 0,
        "weight_bp": 0,
        "assessment": None,
        "verdict": None,
        "instances": {},
        "is_manual": True,
        "shadow_percent": 10,
    }
    serve(plane, fresh)
    plane.replies["/api/v1/audit?rollout=damage-7f3a&limit=100"] = Reply({"entries": []})
    shown = tidegate("rollout", "show", "damage", "--url", plane.url).stdout
    assert "shadow 10 % ── 1 % ── 5 % ── 100 %" in shown
    assert "next: 1.1.0 is loaded and proved on every instance; no traffic before" in shown
    assert "a shadow of 10 % first, then 1 % → 5 % → 100 %, on when told" in shown
    assert not any(word in shown for word in ("TEST", "INSTANCE", "History", "samples  "))


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, ["✓ 1 % ──  ▶ 5 %  ── 100 %", "next: 100 %, once it is found not to be worse"]),
        ({}, ["time     █░░░", "2 min 10 s (at least 1 min, at most 1 h)"]),
        ({}, ["samples  ████████░░░░░░░░░░░░ 40 (at least 100)"]),
        ({}, ["██████░░░░░░ 10.0 of 99", "████████████ 148 of 99", "0.40 % → 0.60 %"]),
        ({}, ["1.0.0   95 % ██████████████████████████████████████▓▓ 5 % 1.1.0"]),
        ({"weight_bp": 1}, ["99.99 % ███████████████████████████████████████▓ 0.01 %"]),
        (
            {"state": "paused", "paused_in": "step"},
            ["‖ paused in step 2 of 3 (5 %)", "‖ 5 %", "`tidegate rollout resume`"],
        ),
        ({"is_manual": True}, ["it stays until you say `advance` or `abort`", "when you say"]),
        ({"is_manual": True}, ["samples  40 "]),
        ({"step": 3}, ["next: all of the traffic for good, once"]),
        (
            {"state": "shadow", "step": 0, "shadow_percent": 10, "shadow_bp": 1000},
            [" ◌ shadow 10 %  ── 1 %", "10 % is copied to 1.1.0", "next: 1 %, once"],
        ),
        (
            {"state": "promoting", "step": 3, "weight_bp": 10_000},
            ["✓ 1 % ── ✓ 5 % ── ✓ 100 %", "1.0.0    0 % ▓▓▓", "ready on every instance"],
        ),
        (
            {"state": "completed", "is_finished": True, "weight_bp": 0},
            ["✓ completed", "▓ 100 % 1.1.0", "1.1.0 is stable now"],
        ),
        (
            {"state": "rolling_back", "weight_bp": 0},
            [" ◀ 5 % ", "1.0.0  100 % ███", "1.1.0 is unloaded when its requests are over"],
        ),
        (
            {"state": "rolled_back", "is_finished": True},
            ["✗ rolled back", " ✗ 5 % ", "all traffic is with 1.0.0"],
        ),
        (
            {"kind": "shadow", "state": "shadow", "steps_percent": [], "step": 0},
            ["next: stays until `tidegate rollout advance` ends it"],
        ),
        (
            {"kind": "shadow", "state": "completed", "is_finished": True, "weight_bp": 0},
            ["1.0.0  100 % ███", "1.0.0 is stable as before"],
        ),
        (
            {"kind": "experiment", "steps_percent": [40], "step": 1},
            ["step 1 of 1 (40 %)", "it stays until", "all of the traffic for good, when you say"],
        ),
    ],
)
def test_the_picture_says_how_far_it_is_and_what_is_next(
    changes: dict[str, Any], said: list[str]
) -> None:
    shown = picture(**changes)
    for one in said:
        assert one in shown, shown


def test_on_80_columns_every_line_stays_one() -> None:
    shown = picture(width=80)
    assert "errors        … undecided  ██▌░░ 10.0 of 99    █████ 148 of 99  0.40 %" in shown
    out = Console(width=80, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with out.file:
        out.print(rollouts_table([ROLLOUT, ROLLED_BACK], NOW, width=80))
    header, first, _ = out.export_text().splitlines()
    assert header.split() == ["ROLLOUT", "ENGINE", "FROM", "→", "TO", "STATE", "TRAFFIC", "SINCE"]
    assert first.split()[-4:] == ["5", "%", "2", "min"]


def test_only_a_canary_has_steps_to_go() -> None:
    assert not steps_line({**ROLLOUT, "kind": "direct", "steps_percent": []})


@pytest.mark.parametrize("action", ["pause", "resume", "advance", "abort"])
def test_a_rollout_is_steered(tidegate: Tidegate, plane: Plane, action: str) -> None:
    serve(plane, ROLLOUT)
    paused = {**ROLLOUT, "state": "paused", "paused_in": "step"}
    plane.replies[f"{ONE}/{action}"] = Reply(paused)
    options = ["--reason", "looks odd", "--who", "ada", "--url", plane.url]
    result = tidegate("rollout", action, *options)
    assert result.stdout == "damage-7f3a (damage 1.0.0 → 1.1.0): paused in step 2 of 3 (5 %)\n"
    assert json.loads(plane.seen[-1].body) == {"reason": "looks odd", "who": "ada"}
    as_json = tidegate("rollout", action, "damage-7f3a", "--json", *options)
    assert json.loads(as_json.stdout) == paused


def test_a_command_that_does_not_apply_says_where_to_look(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{ONE}/resume"] = problem(409, "conflict", "the rollout is in a step")
    refused = tidegate("rollout", "resume", "damage-7f3a", "--url", plane.url)
    assert refused.stderr == (
        "tidegate: the rollout is in a step (how it is now: tidegate rollout show damage-7f3a "
        f"--url {plane.url}) [correlation id c-9]\n"
    )


def test_what_is_not_named_must_be_the_only_one(tidegate: Tidegate, plane: Plane) -> None:
    plane.replies[f"{ROLLOUTS}?limit=200"] = Reply({"rollouts": [COMPLETED]})
    none = tidegate("rollout", "abort", "--url", plane.url)
    assert none.exit_code == 1
    assert none.stderr == "tidegate: no rollout is under way (tidegate rollout list)\n"
    other = {**ROLLOUT, "id": "volume-0001"}
    plane.replies[f"{ROLLOUTS}?limit=200"] = Reply({"rollouts": [ROLLOUT, other]})
    several = tidegate("rollout", "abort", "--url", plane.url)
    assert several.exit_code == 1
    assert "several rollouts are under way: damage-7f3a, volume-0001" in several.stderr
    assert [seen.method for seen in plane.seen] == ["GET", "GET"]


@pytest.mark.parametrize("command", ["show", "watch", "pause", "abort"])
def test_what_is_not_found_says_what_to_type(
    tidegate: Tidegate, plane: Plane, command: str
) -> None:
    path = f"{ROLLOUTS}/damage" + ("" if command in ("show", "watch") else f"/{command}")
    none_yet = problem(404, "not_found", "engine 'damage' has had no rollout yet", field="engine")
    plane.replies[path] = none_yet
    refused = tidegate("rollout", command, "damage", "--url", plane.url)
    begin = f"(begin one: tidegate promote damage RELEASE --url {plane.url})"
    assert f"engine 'damage' has had no rollout yet {begin}" in refused.stderr
    plane.replies[path] = problem(404, "not_found", "'damage' is no rollout", field="rollout")
    refused = tidegate("rollout", command, "damage", "--url", plane.url)
    assert f"(tidegate rollout list --url {plane.url})" in refused.stderr


def test_the_latest_is_shown_when_none_is_under_way(tidegate: Tidegate, plane: Plane) -> None:
    serve(plane, COMPLETED)
    assert "✓ completed" in tidegate("rollout", "show", "--url", plane.url).stdout
    plane.replies[f"{ROLLOUTS}?limit=200"] = Reply({"rollouts": []})
    assert tidegate("rollout", "show", "--url", plane.url).exit_code == 1
