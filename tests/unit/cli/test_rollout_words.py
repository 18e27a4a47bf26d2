"""What a rollout came to, in words: what is slow, what is waited for, what to do if it is meant."""

from __future__ import annotations

import json
from typing import Any

import pytest

from cli.evidence_report import plan_words
from cli.history import changes_of
from cli.rollout_words import conclusion_of, duration, evidence_of, if_meant, reached, seen_words
from control_plane.core.analysis import AnalysisOptions, ArmCounts, Step, StepCounts, judge
from tests.unit.cli.plane import Plane
from tests.unit.cli.rollout_replies import (
    CONFIDENCE,
    DETECTIONS,
    ERRORS,
    IGNORED,
    LATENCY,
    LOOK,
    QUERY,
    ROLLOUT,
    SPLIT,
    SURER,
    serve,
)
from tests.unit.cli.rollout_showing import Tidegate, picture


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("time.sleep", lambda _: None)


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
