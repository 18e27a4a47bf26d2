"""Experiments and shadows from the terminal: a split that stays, and copies that nobody feels."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.integration.rollouts.checks import promised, split_chances
from tests.integration.rollouts.load import Answers, scored, wait_for
from tests.integration.rollouts.repository import (
    ENGINE,
    GOOD,
    SLOW,
    STABLE,
    Execution,
    executions,
)
from tests.integration.rollouts.routes import RouteSights, routes_watched
from tests.integration.rollouts.split import LEAST_P, chi_square_p
from tests.integration.rollouts.steering import Steering
from tests.integration.running import RunningTidegate, command_line, wait_until

pytestmark = [pytest.mark.triton, pytest.mark.alone]

COUNTED = 250
SHADOW_PERCENT = 50
SHADOW = ("shadow", ENGINE, "--percent", str(SHADOW_PERCENT))
SLOWER_AT_MOST = 2.0
"""Times the p90 before: what two processes more on two cores may make of it, not a slow release."""


def tidegate(fleet: RunningTidegate, *arguments: str) -> str:
    """What the command prints. It must succeed."""
    done = command_line(*arguments, url=fleet.url)
    assert done.returncode == 0, done.stderr
    return done.stdout


def shown(fleet: RunningTidegate, rollout: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(tidegate(fleet, "rollout", "show", rollout, "--json"))
    return found


def begun(fleet: RunningTidegate, *arguments: str) -> str:
    """The id of the rollout that a command began."""
    return str(json.loads(tidegate(fleet, *arguments, "--json"))["id"])


def test_an_experiment_keeps_its_split_and_reports(
    fleet: RunningTidegate, steering: Steering
) -> None:
    with routes_watched(fleet.url) as sights, scored(fleet.grpc, least=50) as answers:
        split = f"{STABLE}=60,{GOOD}=40"
        rollout = begun(fleet, "experiment", ENGINE, "--split", split)
        steering.wait_for(rollout, "step")
        wait_for(answers, COUNTED)
        report = shown(fleet, rollout)
        said = tidegate(fleet, "rollout", "show", rollout)
        tidegate(fleet, "rollout", "abort", rollout, "--reason", "enough is known")
        steering.wait_for(rollout, "rolled_back")
        steering.settle()
    assert promised(answers, executions(fleet.model_repository), sights) == []
    chances = split_chances(answers, sights)
    assert chances[4000] > LEAST_P
    assert (report["state"], report["weight_percent"]) == ("step", 40.0)
    assert {"errors", "latency", "confidence", "sample_ratio"} <= metrics_of(report)
    assert report["assessment"]["samples"] > COUNTED / 5
    assert "confidence" in said
    (aborted,) = (one for one in steering.audit(rollout) if one["action"] == "abort")
    assert aborted["reason"] == "enough is known"


def test_a_shadow_gets_its_share_and_is_not_felt(
    fleet: RunningTidegate, steering: Steering
) -> None:
    with scored(fleet.grpc, least=50) as before:
        wait_for(before, COUNTED)
    rollout = begun(fleet, *SHADOW, GOOD)
    steering.wait_for(rollout, "shadow")
    with routes_watched(fleet.url) as sights, scored(fleet.grpc) as answers:
        wait_for(answers, COUNTED)
        report = wait_until(lambda: compared(fleet, rollout), what="comparisons")
    copies = copies_of(answers, GOOD, executions(fleet.model_repository))
    tidegate(fleet, "rollout", "abort", rollout)
    steering.wait_for(rollout, "rolled_back")
    assert_not_felt(answers, before, sights)
    counts = {GOOD: copies, STABLE: len(answers) - copies}
    share_bp = SHADOW_PERCENT * 100
    assert chi_square_p(counts, {GOOD: share_bp, STABLE: 10_000 - share_bp}) > LEAST_P
    assert report["shadow_bp"] == share_bp
    assert {"errors", "latency", "confidence"} <= metrics_of(report)


def test_a_shadow_that_is_worse_ends_by_itself_and_is_not_felt(
    fleet: RunningTidegate, steering: Steering
) -> None:
    with scored(fleet.grpc, least=50) as before:
        wait_for(before, COUNTED)
    with routes_watched(fleet.url) as sights, scored(fleet.grpc) as answers:
        rollout = begun(fleet, *SHADOW, SLOW)
        ended = steering.wait_for(rollout, "rolled_back")
        wait_for(answers, 50)
    assert "latency" in ended["reason"]
    assert copies_of(answers, SLOW, executions(fleet.model_repository)) > 0
    assert_not_felt(answers, before, sights)


def assert_not_felt(answers: Answers, before: Answers, sights: RouteSights) -> None:
    """Callers had the stable release's answers only, and as fast as ever."""
    assert answers.failed == []
    assert set(answers.by_release) == {STABLE}
    assert answers.latency_s(0.9) < SLOWER_AT_MOST * before.latency_s(0.9)
    assert all(sight.weights_bp == {STABLE: 10_000} for sight in sights.seen)


def copies_of(answers: Answers, release: str, done: list[Execution]) -> int:
    """How many of a load's inputs reached a release."""
    asked = {one.photo for one in answers.all}
    return len({one.photo for one in done if one.release == release and one.photo in asked})


def metrics_of(report: dict[str, Any]) -> set[str]:
    return {one["metric"] for one in report["assessment"]["metrics"]}


def compared(fleet: RunningTidegate, rollout: str) -> dict[str, Any] | None:
    """The report, once it has compared something."""
    report = shown(fleet, rollout)
    assessment = report["assessment"]
    return report if assessment and assessment["samples"] else None
