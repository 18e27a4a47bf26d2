"""Rollouts on the terminal: listed, shown, watched to their end, and steered."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any

import pytest
from rich.console import Console
from typer.testing import Result

from cli.evidence_report import plan_words
from cli.failure import Refused
from cli.history import changes_of
from cli.rollout_picture import rollout_picture, rollouts_table, steps_line
from cli.rollout_watching import watch_rollout
from cli.rollout_words import conclusion_of, duration, evidence_of, if_meant, reached, seen_words
from control_plane.core.analysis import AnalysisOptions, ArmCounts, Step, StepCounts, judge
from control_plane.rest_api import rollout_schemas as schemas
from tests.unit.cli.plane import Plane, Reply, Seen, problem
from tests.unit.cli.rollout_replies import (
    COMPLETED,
    CONFIDENCE,
    DETECTIONS,
    ENTRY,
    ERRORS,
    IGNORED,
    LATENCY,
    LOOK,
    QUERY,
    ROLLED_BACK,
    ROLLOUT,
    ROLLOUTS,
    SPLIT,
    SURER,
    serve,
)

Tidegate = Callable[..., Result]
NOW = datetime(2025, 1, 31, 12, 0, 10, tzinfo=UTC)
ONE = f"{ROLLOUTS}/damage-7f3a"


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


def picture(width: int = 120, **changes: Any) -> str:
    """What a terminal shows, without its colours."""
    out = Console(width=width, record=True, file=open(os.devnull, "w"))  # noqa: SIM115
    with out.file:
        out.print(rollout_picture({**ROLLOUT, **changes}, NOW, width=width))
    return out.export_text()


def in_turn(*replies: Reply) -> Callable[[Seen], Reply]:
    left: Iterator[Reply] = iter(replies)
    return lambda _: next(left)


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


@pytest.mark.parametrize(
    ("reason", "is_explained"),
    [
        ("46 of at least 50 units", True),
        ("46 of at least 50 units; corrected has failed once", True),
        ("not enough evidence yet: errors", False),
    ],
)
def test_units_are_told_from_samples_where_both_are_shown(
    tidegate: Tidegate, plane: Plane, reason: str, is_explained: bool
) -> None:
    serve(plane, {**ROLLOUT, "assessment": {**LOOK, "reason": reason}})
    shown = tidegate("rollout", "show", "damage", "--url", plane.url).stdout
    explained = "Units are requests that draw their release anew"
    assert (explained in shown) == is_explained


def test_what_has_no_evidence_is_shown_as_it_is(tidegate: Tidegate, plane: Plane) -> None:
    metrics = [QUERY, DETECTIONS, {**QUERY, "metric": "brand_new", "stable": 1, "target": None}]
    serve(plane, {**ROLLOUT, "assessment": {**LOOK, "metrics": metrics}})
    text = tidegate("rollout", "show", "damage", "--url", plane.url).stdout
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "gpu_errors ✓ not worse - - 0.25" in rows
    assert "detections · no verdict - - 97.50 %" in rows
    assert "brand new ✓ not worse - - 1 → -" in rows
    assert "the query's result: 0.25" in rows
    # However alike the answers are, nothing is decided by it.
    assert "· detections: no verdict" in rows
    assert "boxes that both releases have found: 97.50 %" in rows
    assert "needed" not in text
    assert "Evidence is what" not in text


def test_what_is_ignored_is_shown_as_that(tidegate: Tidegate, plane: Plane) -> None:
    look = {**LOOK, "metrics": [ERRORS, IGNORED]}
    serve(plane, {**ROLLOUT, "ignored": ["confidence"], "assessment": look})
    text = tidegate("rollout", "show", "damage", "--url", plane.url).stdout
    rows = [" ".join(line.split()) for line in text.splitlines()]
    assert "confidence · ignored - - 0.335 → 0.514" in rows
    at = rows.index("· confidence: ignored")
    assert rows[at + 1] == "mean confidence: stable 0.335, target 0.514"
    assert any(row.endswith("asks after 1 h; ignored: confidence") for row in rows)


@pytest.mark.parametrize(
    ("slow_s", "step", "said"),
    [
        (0.25, 2, "slow requests (over 250 ms): stable 0.40 %"),
        (2.5, 2, "slow requests (over 2.5 s): stable 0.40 %"),
        (None, 2, "slow requests (slower than the step's limit): stable 0.40 %"),
        # The limit is that of the step it is in, not of the one that was last looked at.
        (0.25, 1, "slow requests (slower than the step's limit): stable 0.40 %"),
    ],
)
def test_slow_is_what_the_step_calls_slow(
    tidegate: Tidegate, plane: Plane, slow_s: float | None, step: int, said: str
) -> None:
    look = {**LOOK, "step": step, "metrics": [LATENCY]}
    serve(plane, {**ROLLOUT, "slow_s": slow_s, "assessment": look})
    assert said in tidegate("rollout", "show", "damage", "--url", plane.url).stdout


def test_an_older_control_plane_does_not_say_what_is_slow() -> None:
    older = {name: value for name, value in ROLLOUT.items() if name != "slow_s"}
    assert seen_words(LATENCY, older, 2) == "slow requests (slower than the step's limit)"


def test_that_no_request_has_come_yet_is_no_error_to_a_person(
    tidegate: Tidegate, plane: Plane
) -> None:
    # The words are those of the analysis, so that this fails when they change there.
    nothing = judge([StepCounts(Step(2, 500), 0, ArmCounts(9), ArmCounts())], AnalysisOptions())
    look = {**LOOK, "verdict": nothing.verdict.value, "reason": nothing.reason, "metrics": []}
    waiting = {**ROLLOUT, "verdict": "error", "samples": 0, "assessment": look}
    serve(plane, waiting)
    watch = ("rollout", "watch", "--times", 1, "--url", plane.url)
    said = tidegate(*watch).stdout
    assert "0 samples, waiting: no request of 1.1.0 counted in this step yet" in said
    assert "error" not in said
    assert "… waiting: no request of 1.1.0 counted in this step yet" in picture(**waiting)
    assert json.loads(tidegate(*watch, "--json").stdout)["verdict"] == "error"


@pytest.mark.parametrize(
    ("verdict", "reason", "conclusion"),
    [
        (
            "error",
            "no request of stable has been counted in this step; corrected has no number",
            ("waiting", "no request of 1.0.0 counted in this step yet; corrected has no number"),
        ),
        ("error", judge([], AnalysisOptions()).reason, ("waiting", "no request counted yet")),
        ("error", "the split is off", ("error", "the split is off")),
        ("worse", "no request has been counted", ("worse", "no request has been counted")),
    ],
)
def test_only_a_want_of_requests_is_waiting(
    verdict: str, reason: str, conclusion: tuple[str, str]
) -> None:
    assert conclusion_of({"verdict": verdict, "reason": reason}, ROLLOUT) == conclusion


MEANT = "if 1.1.0 is meant to be surer of itself: tidegate promote damage 1.1.0 --ignore confidence"


def test_what_was_taken_back_for_one_difference_says_what_to_do_if_it_is_meant(
    tidegate: Tidegate, plane: Plane
) -> None:
    serve(plane, SURER)
    shown = tidegate("rollout", "show", "damage", "--url", plane.url).stdout
    assert f"\nall traffic is with 1.0.0\n{MEANT}\n" in shown
    watched = tidegate("rollout", "watch", "damage", "--url", plane.url).stdout
    assert watched.endswith(f"the canary is worse: confidence 0.34 → 0.51  ·  {MEANT}\n")
    assert MEANT in picture(**SURER)


@pytest.mark.parametrize(
    ("changes", "metric", "meant"),
    [
        ({}, {"target": 0.2}, "less sure of itself: tidegate promote damage 1.1.0"),
        ({}, {"target": None}, "surer or less sure of itself: tidegate promote damage 1.1.0"),
        ({}, {"stable": None}, "surer or less sure of itself: tidegate promote damage 1.1.0"),
        (
            {"kind": "shadow", "shadow_percent": 100},
            {},
            "surer of itself: tidegate shadow damage 1.1.0 --percent 100",
        ),
        (
            {"kind": "experiment", "steps_percent": [40]},
            {},
            "surer of itself: tidegate experiment damage --split 1.0.0=60,1.1.0=40",
        ),
    ],
)
def test_it_says_which_difference_and_how_to_begin_anew(
    changes: dict[str, Any], metric: dict[str, Any], meant: str
) -> None:
    look = {**SURER["assessment"], "metrics": [{**CONFIDENCE, **metric}]}
    said = if_meant({**SURER, "assessment": look, **changes})
    assert said == f"if 1.1.0 is meant to be {meant} --ignore confidence"


def test_what_was_ignored_before_is_ignored_again() -> None:
    look = {**SURER["assessment"], "metrics": [IGNORED, {**CONFIDENCE, "metric": "latency"}]}
    said = if_meant({**SURER, "ignored": ["confidence"], "assessment": look})
    assert said == (
        "if 1.1.0 is meant to be slower: tidegate promote damage 1.1.0 --ignore confidence,latency"
    )


def test_all_that_it_was_taken_back_for_is_named() -> None:
    slow = {**CONFIDENCE, "metric": "latency"}
    look = {**SURER["assessment"], "metrics": [ERRORS, slow, CONFIDENCE, SPLIT]}
    assert if_meant({**SURER, "assessment": look}) == (
        "if 1.1.0 is meant to be slower and surer of itself: "
        "tidegate promote damage 1.1.0 --ignore confidence,latency"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"state": "rolling_back"},
        {"is_reversal": True},
        {"assessment": None},
        {"assessment": {**SURER["assessment"], "verdict": "undecided"}},
        {"assessment": {**SURER["assessment"], "metrics": []}},
        {"assessment": {**SURER["assessment"], "metrics": [{**ERRORS, "verdict": "worse"}]}},
        {
            "assessment": {
                **SURER["assessment"],
                "metrics": [CONFIDENCE, {**SPLIT, "verdict": "error"}],
            }
        },
        {
            "assessment": {
                **SURER["assessment"],
                "metrics": [CONFIDENCE, {**QUERY, "verdict": "worse"}],
            }
        },
    ],
)
def test_where_it_would_not_help_nothing_is_said_of_ignoring(changes: dict[str, Any]) -> None:
    assert if_meant({**SURER, **changes}) == ""


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        (
            {"kind": "shadow", "steps_percent": [], "shadow_percent": 25},
            "a copy of 25 % of the traffic, until told",
        ),
        ({"kind": "experiment", "steps_percent": [40]}, "40 % of the traffic, until told"),
        ({"kind": "direct", "steps_percent": []}, "all of the traffic at once"),
        ({"is_manual": True}, "1 % → 5 % → 100 %, on when told"),
        ({"shadow_percent": 25}, "a shadow of 25 % first, then 1 % → 5 % → 100 %, each step at"),
    ],
)
def test_a_plan_is_told_in_words(changes: dict[str, Any], said: str) -> None:
    assert plan_words({**ROLLOUT, **changes}).startswith(said)


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


def test_words_and_figures() -> None:
    assert [duration(s) for s in (0, 59.9, 60, 3661, 90_000, 86_400)] == [
        *("0 s", "59 s", "1 min", "1 h 1 min", "1 d 1 h", "1 d"),
    ]
    logs = (None, -9.0, -1.0, 1.25, 4.0, 23.1, 800.0)
    assert [evidence_of(log_e) for log_e in logs] == [
        *("none", "<0.01", "0.37", "3.5", "55", "10^10", "10^347"),
    ]
    assert [reached(*pair) for pair in ((None, 4.0), (2.0, None), (-1.0, 4.0), (2.0, 4.0))] == [
        *(0.0, 0.0, 0.0, 0.5),
    ]
    assert reached(5.0, 4.0) == 1.0
    after = {"steps_percent": [1, 5], "pins": {"a": 1}, "to": None, "stable": "1.0.0"}
    change = {"before": {"stable": "1.0.0", "engine": "damage"}, "after": after}
    assert changes_of(change) == "engine damage → -, steps percent 1 5, pins a=1, to -"
    assert changes_of({"before": {}, "after": {}}) == "-"
    weights = {"before": {"weights_bp": {"1.0.0": 10_000}}, "after": {"weights_bp": {}}}
    assert changes_of(weights) == "traffic 1.0.0=100 % → none"
    evidence = [ERRORS, SPLIT, {**QUERY, "verdict": "worse", "threshold": 0.0}]
    said = changes_of({"after": {"evidence": evidence, "samples": 3}})
    assert said == "gpu_errors worse (0.25), samples 3"
