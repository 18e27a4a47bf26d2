"""What was counted and what the gates say, put together; and how it is shown."""

from __future__ import annotations

import pytest

from control_plane.core.accuracy import AccuracyGate, Comparison, compare
from control_plane.core.analysis import (
    AnalysisOptions,
    ArmCounts,
    Judgement,
    Metric,
    Step,
    StepCounts,
    judge,
)
from control_plane.core.analysis import Verdict as Judged
from control_plane.core.assessing import (
    Found,
    accuracy_found,
    accuracy_missing,
    conclude,
    detection_figures,
    figures_of,
    ignored_figures,
    options_for,
)
from control_plane.core.rollout import Kind, MetricFigures, Plan, Rollout, Verdict

W, N, U, E = Verdict.WORSE, Verdict.NOT_WORSE, Verdict.UNDECIDED, Verdict.ERROR


def gate(verdict: Verdict, name: str = "a") -> Found:
    return Found(MetricFigures(f"query:{name}", verdict), f"query:{name} {verdict}")


@pytest.mark.parametrize(
    ("judged", "gates", "verdict", "reason"),
    [
        (W, (), W, "counted"),
        (W, (N, U, E), W, "counted"),
        (W, (W,), W, "counted; query:a worse"),
        (E, (), E, "counted"),
        (E, (N,), E, "counted"),
        (E, (U,), E, "counted; query:a undecided"),
        (E, (E,), E, "counted"),
        (E, (W,), W, "query:a worse"),
        (U, (), U, "counted"),
        (U, (N, E), U, "counted"),
        (U, (U,), U, "counted; query:a undecided"),
        (U, (W,), W, "query:a worse"),
        (N, (), N, "counted"),
        (N, (N, N), N, "counted"),
        (N, (N, U), U, "query:a undecided"),
        (N, (E, U), E, "query:a error"),
        (N, (N, E, W), W, "query:a worse"),
    ],
)
def test_the_table(
    judged: Verdict, gates: tuple[Verdict, ...], verdict: Verdict, reason: str
) -> None:
    found = conclude(Judgement(Judged(judged.value), "counted"), [gate(one) for one in gates])
    assert found == (verdict, reason)


def test_every_test_is_shown_with_its_thresholds() -> None:
    arms = ArmCounts(100, 2), ArmCounts(100, 4)
    judged = judge([StepCounts(Step(1, 5_000), 0, *arms)], AnalysisOptions())
    errors, latency, ratio = figures_of(judged)
    first = judged.metrics[0]
    assert (errors.metric, errors.verdict) == ("errors", U)
    assert (errors.log_e, errors.log_threshold) == (first.alarm.log_e, first.alarm.log_threshold)
    assert first.all_clear is not None
    assert errors.clear_log_e == first.all_clear.log_e
    assert errors.clear_log_threshold == first.all_clear.log_threshold
    assert (errors.stable, errors.target) == (0.02, 0.04)
    assert latency.metric == "latency"
    assert (ratio.metric, ratio.clear_log_e, ratio.clear_log_threshold) == (
        "sample_ratio",
        None,
        None,
    )


def rollout(plan: Plan) -> Rollout:
    return Rollout("r-1", "damage", "1.0.0", "1.1.0", plan)


def test_one_alpha_for_the_whole_rollout() -> None:
    options = AnalysisOptions(alpha=0.02)
    canary, both = Plan(Kind.CANARY), Plan(Kind.CANARY, shadow_percent=10)
    assert options_for(rollout(canary), options, is_shadow=False) == options
    for is_shadow in (True, False):
        assert options_for(rollout(both), options, is_shadow=is_shadow).alpha == 0.01
    assert options_for(rollout(Plan.shadow(10)), options, is_shadow=True).alpha == 0.02


def test_a_shadow_has_no_split_to_be_off() -> None:
    options = options_for(rollout(Plan.shadow(10)), AnalysisOptions(), is_shadow=True)
    assert options.alpha_shares[Metric.SAMPLE_RATIO] == 0
    assert options.alpha_shares[Metric.ERRORS] == 0.75


@pytest.mark.parametrize("is_shadow", [True, False])
def test_what_is_ignored_has_no_share_and_leaves_it_to_nobody(is_shadow: bool) -> None:
    ignoring = rollout(Plan(ignored=("confidence", "latency")))
    shares = options_for(ignoring, AnalysisOptions(), is_shadow=is_shadow).alpha_shares
    assert shares == {
        Metric.ERRORS: 0.75,
        Metric.LATENCY: 0.0,
        Metric.CONFIDENCE: 0.0,
        Metric.SAMPLE_RATIO: 0.0 if is_shadow else 0.05,
    }


def test_what_an_engine_does_not_judge_stays_so_whatever_a_rollout_ignores() -> None:
    shares = {Metric.ERRORS: 0.9, Metric.LATENCY: 0.1, Metric.CONFIDENCE: 0.0}
    options = AnalysisOptions(alpha_shares=shares, confidence_tolerance=0.05)
    for plan, latency in ((Plan(), 0.1), (Plan(ignored=("latency",)), 0.0)):
        found = options_for(rollout(plan), options, is_shadow=False)
        assert found.alpha_shares == {**shares, Metric.LATENCY: latency}
        assert found.confidence_tolerance == 0.05


def test_what_is_ignored_is_shown_and_claims_nothing() -> None:
    arms = ArmCounts(100, 2, 5), ArmCounts(100, 4, 30)
    counts = [StepCounts(Step(1, 5_000), 0, *arms)]
    ignoring = rollout(Plan(ignored=("latency", "confidence")))
    assert ignored_figures(ignoring, counts) == (
        MetricFigures("confidence", U),
        MetricFigures("latency", U, stable=0.05, target=0.3),
    )
    assert ignored_figures(rollout(Plan()), counts) == ()


@pytest.mark.parametrize(
    ("details", "verdict", "share"),
    [
        ({}, U, None),
        ({"compared": 4, "agreed": 3}, N, 0.75),
        ({"compared": 4, "matched": 6, "only_stable": 1, "only_target": 3}, N, 0.6),
        ({"compared": 4, "only_target": 3}, N, 0.0),
    ],
)
def test_how_many_boxes_agree(
    details: dict[str, int], verdict: Verdict, share: float | None
) -> None:
    assert detection_figures(details) == MetricFigures("detections", verdict, target=share)


def test_gates_that_hold_a_release_are_all_named() -> None:
    held = [gate(E, "a"), gate(E, "b")]
    found = conclude(Judgement(Judged.NOT_WORSE, "counted"), held)
    assert found == (E, "query:a error; query:b error")


def test_answers_none_of_which_agree() -> None:
    assert detection_figures({"compared": 4}).target == 0.0


RIGHT = AccuracyGate("right", margin=0.1, least=10)


def compared(stable: float, target: float, pairs: int) -> Comparison:
    return compare([stable] * pairs, [target] * pairs, RIGHT, alpha=0.01)


def test_too_few_judged_photos_are_waited_for() -> None:
    found = accuracy_found(RIGHT, compared(1.0, 1.0, 9))
    assert found.figures.verdict is U
    assert found.words == "accuracy:right: 9 of at least 10 judged photos of each release"
    assert accuracy_found(RIGHT, compared(1.0, 1.0, 10)).figures.verdict is N


def test_what_is_worse_is_so_with_few_photos_too() -> None:
    late = AccuracyGate("right", margin=0.1, least=1000)
    found = accuracy_found(late, compared(1.0, 0.0, 30))
    assert found.figures.verdict is W
    assert found.words == "accuracy:right is worse by more than 0.1: 1.00 → 0.00"
    assert found.figures.metric == "accuracy:right"
    assert found.figures.log_e > found.figures.log_threshold > 0
    assert (found.figures.stable, found.figures.target) == (1.0, 0.0)


def test_a_gate_that_wants_proof_waits_for_it() -> None:
    strict = AccuracyGate("right", margin=0.1, least=10, is_proof_needed=True)
    waiting = accuracy_found(strict, compared(1.0, 1.0, 20))
    assert waiting.figures.verdict is U
    assert waiting.words == "accuracy:right: not proved yet to be within 0.1: 1.00 → 1.00"
    proved = accuracy_found(strict, compared(1.0, 1.0, 200))
    assert proved.figures.verdict is N
    assert proved.figures.clear_log_e is not None
    assert accuracy_found(RIGHT, compared(1.0, 1.0, 20)).figures.clear_log_e is None


def test_without_a_mean_none_is_told() -> None:
    nothing = compare([], [], RIGHT, alpha=0.01)
    strict = AccuracyGate("right", least=1, is_proof_needed=True)
    found = accuracy_found(strict, Comparison(5, nothing.alarm, nothing.all_clear, None, 1.0))
    assert found.words == "accuracy:right: not proved yet to be within 0.1"


def test_feedback_that_cannot_be_read_says_nothing() -> None:
    found = accuracy_missing(RIGHT, "the store is away")
    assert found.figures.verdict is E
    assert found.words == "accuracy:right: the store is away"
