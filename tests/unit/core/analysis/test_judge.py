"""The judgement: which verdict wins, what is never said, and that order does not matter."""

from __future__ import annotations

from dataclasses import replace
from itertools import product
from math import log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.analysis import (
    BUCKETS,
    AnalysisOptions,
    ArmCounts,
    Judgement,
    Metric,
    MetricJudgement,
    Step,
    StepCounts,
    Verdict,
    judge,
    seen,
)

OPTIONS = AnalysisOptions()
HALF = Step(1, 5_000)


def arm(units: int, errors: int = 0, slow: int = 0, bucket: int | None = None) -> ArmCounts:
    return ArmCounts(
        units, errors, slow, tuple(units if b == bucket else 0 for b in range(BUCKETS))
    )


def judged(stable: ArmCounts, canary: ArmCounts, step: Step = HALF) -> Judgement:
    return judge([StepCounts(step, 0, stable, canary)], OPTIONS)


def metric(judgement: Judgement, name: Metric) -> MetricJudgement:
    (found,) = (part for part in judgement.metrics if part.metric is name)
    return found


# --- verdicts ----------------------------------------------------------------------------


def test_as_good_in_everything_is_not_worse() -> None:
    judgement = judged(arm(5_000, 5, 250, 14), arm(5_000, 5, 250, 14))
    assert judgement.verdict is Verdict.NOT_WORSE
    assert judgement.reason == "no metric is worse by its margin"
    assert [part.metric for part in judgement.metrics] == list(Metric)
    assert {part.verdict for part in judgement.metrics} == {Verdict.NOT_WORSE}


@pytest.mark.parametrize(
    ("canary", "guilty"),
    [
        (arm(500, 60, 25, 14), "errors"),
        (arm(500, 0, 150, 14), "latency"),
        (arm(500, 0, 25, 10), "confidence 0.72 → 0.53"),
        (arm(500, 0, 25, 18), "confidence 0.72 → 0.93"),
        (arm(500, 60, 150, 14), "errors, latency"),
        (arm(500, 0, 150, 10), "latency, confidence 0.72 → 0.53"),
    ],
)
def test_one_bad_metric_is_enough_to_be_worse(canary: ArmCounts, guilty: str) -> None:
    judgement = judged(arm(500, 0, 25, 14), canary)
    assert judgement.verdict is Verdict.WORSE
    assert judgement.reason == f"the canary is worse: {guilty}"


@pytest.mark.parametrize("arms", [(arm(9), arm(9, bucket=18)), (arm(9, bucket=14), arm(9))])
def test_where_a_step_has_not_seen_both_it_does_not_say_which_way_they_moved(
    arms: tuple[ArmCounts, ArmCounts],
) -> None:
    past = StepCounts(HALF, 0, arm(500, 0, 25, 14), arm(500, 0, 25, 18))
    judgement = judge([past, StepCounts(Step(2, 5_001), 0, *arms)], OPTIONS)
    assert judgement.reason == "the canary is worse: confidence"


def test_what_was_seen_is_told_of_the_current_step_judged_or_not() -> None:
    past = StepCounts(HALF, 0, arm(10, 0, 5, 14), arm(10, 0, 5, 18))
    now = StepCounts(Step(2, 7_500), 0, arm(50, 0, 5, 10), arm(10, 1, 2, 18))
    assert seen([now, past], Metric.LATENCY) == (0.1, 0.2)
    assert seen([now, past], Metric.CONFIDENCE) == pytest.approx((0.525, 0.925))
    assert seen([], Metric.CONFIDENCE) == (None, None)


def test_worse_needs_no_least_number_of_units() -> None:
    assert judged(arm(20), arm(15, 15)).verdict is Verdict.WORSE


def test_a_better_canary_is_not_worse() -> None:
    assert judged(arm(5_000, 500, 500), arm(5_000, 5, 50)).verdict is Verdict.NOT_WORSE


def test_too_little_evidence_is_undecided_and_names_what_is_missing() -> None:
    judgement = judged(arm(60), arm(60))
    assert judgement.verdict is Verdict.UNDECIDED
    assert judgement.reason == "not enough evidence yet: errors, latency"


@pytest.mark.parametrize("arms", [(arm(49), arm(51)), (arm(51), arm(49))])
def test_below_the_least_number_of_units_it_is_undecided(arms: tuple[ArmCounts, ArmCounts]) -> None:
    past = StepCounts(HALF, 0, arm(5_000, 0, 250), arm(5_000, 0, 250))
    judgement = judge([past, StepCounts(Step(2, 5_001), 0, *arms)], OPTIONS)
    assert judgement.verdict is Verdict.UNDECIDED
    assert judgement.reason == "49 of at least 50 units"


def test_the_least_number_of_units_is_enough() -> None:
    past = StepCounts(HALF, 0, arm(5_000, 0, 250), arm(5_000, 0, 250))
    now = StepCounts(Step(2, 5_001), 0, arm(50, 0, 3), arm(50, 0, 3))
    assert judge([past, now], OPTIONS).verdict is Verdict.NOT_WORSE


def test_the_evidence_of_earlier_steps_counts() -> None:
    past = StepCounts(HALF, 0, arm(5_000, 0, 250), arm(5_000, 0, 250))
    now = StepCounts(Step(2, 7_500), 0, arm(60, 0, 3), arm(180, 0, 9))
    assert judge([now], OPTIONS).verdict is Verdict.UNDECIDED
    assert judge([past, now], OPTIONS).verdict is Verdict.NOT_WORSE


def test_a_canary_that_breaks_late_is_found() -> None:
    past = [StepCounts(Step(n, 500 * n), 0, arm(9_000, 90), arm(500, 5)) for n in (1, 2, 3)]
    now = StepCounts(Step(4, 5_000), 0, arm(400, 4), arm(400, 34))
    assert judge(past, OPTIONS).verdict is not Verdict.WORSE
    assert judge([*past, now], OPTIONS).verdict is Verdict.WORSE


def test_a_good_past_does_not_carry_a_canary_through_a_bad_step() -> None:
    past = [StepCounts(Step(n, 500 * n), 0, arm(90_000, 0), arm(9_000, 0)) for n in (1, 2, 3)]
    good, bad = (StepCounts(Step(4, 5_000), 0, arm(200), arm(200, e)) for e in (0, 5))
    assert judge([*past, good], OPTIONS).metrics[0].verdict is Verdict.NOT_WORSE
    assert judge([*past, bad], OPTIONS).metrics[0].verdict is Verdict.UNDECIDED


# --- no data is never success --------------------------------------------------------------


def test_without_any_counts_it_is_an_error() -> None:
    assert judge([], OPTIONS) == Judgement(Verdict.ERROR, "no request has been counted")


@pytest.mark.parametrize(
    ("arms", "missing"), [((arm(20), arm(0)), "canary"), ((arm(0), arm(2)), "stable")]
)
def test_with_one_empty_arm_it_is_an_error(arms: tuple[ArmCounts, ArmCounts], missing: str) -> None:
    past = StepCounts(HALF, 0, arm(5_000, 0, 250), arm(5_000, 0, 250))
    judgement = judge([past, StepCounts(Step(2, 5_001), 0, *arms)], OPTIONS)
    assert judgement.verdict is Verdict.ERROR
    assert judgement.reason == f"no request of {missing} has been counted in this step"


@pytest.mark.parametrize(("buckets", "missing"), [((14, None), "canary"), ((None, 14), "stable")])
def test_confidences_in_one_arm_only_are_an_error(
    buckets: tuple[int | None, int | None], missing: str
) -> None:
    judgement = judged(arm(5_000, 0, 250, buckets[0]), arm(5_000, 0, 250, buckets[1]))
    assert judgement.verdict is Verdict.ERROR
    assert judgement.reason.startswith(f"{missing} gives no confidences")


@pytest.mark.parametrize("canary_units", [6_000, 3_000])
def test_a_broken_split_is_an_error_and_not_the_canarys_fault(canary_units: int) -> None:
    judgement = judged(arm(5_000, 0, 250), arm(canary_units, 0, canary_units // 20))
    assert judgement.verdict is Verdict.ERROR
    assert "split" in judgement.reason
    assert metric(judgement, Metric.SAMPLE_RATIO).verdict is Verdict.ERROR


def test_with_a_broken_split_a_bad_canary_is_still_rolled_back_and_both_are_said() -> None:
    judgement = judged(arm(500, 0, 25), arm(5_000, 2_500, 250))
    assert judgement.verdict is Verdict.WORSE
    assert judgement.reason.endswith("; the split is not what the route says")


def test_a_few_units_without_confidences_are_too_few_to_complain() -> None:
    judgement = judged(arm(1_000, 0, 50, 14), arm(49), Step(1, 500))
    assert judgement.verdict is Verdict.UNDECIDED


# --- what is shown -------------------------------------------------------------------------


def test_each_metric_shows_its_evidence_against_its_threshold() -> None:
    judgement = judged(arm(1_000, 10, 50, 14), arm(1_000, 20, 60, 13))
    errors = metric(judgement, Metric.ERRORS)
    assert (errors.stable, errors.canary) == (0.01, 0.02)
    assert errors.alarm.log_threshold == pytest.approx(log(1 / 0.0075))
    assert errors.all_clear is not None
    assert errors.all_clear.log_threshold == pytest.approx(log(100))
    latency = metric(judgement, Metric.LATENCY)
    assert (latency.stable, latency.canary) == (0.05, 0.06)
    confidence = metric(judgement, Metric.CONFIDENCE)
    assert (confidence.stable, confidence.canary) == pytest.approx((0.725, 0.675))
    ratio = metric(judgement, Metric.SAMPLE_RATIO)
    assert (ratio.stable, ratio.canary, ratio.all_clear) == (0.5, 0.5, None)


def test_what_is_shown_is_of_the_current_step_with_all_its_strata() -> None:
    past = StepCounts(Step(1, 2_000), 0, arm(800, 8), arm(200, 2))
    now = [
        StepCounts(Step(2, 5_000), 0, arm(50, 5), arm(50, 1)),
        StepCounts(Step(2, 5_000), 2_000, arm(50, 5), arm(30, 1)),
    ]
    judgement = judge([past, *now], OPTIONS)
    errors = metric(judgement, Metric.ERRORS)
    assert (errors.stable, errors.canary) == (0.1, 2 / 80)
    ratio = metric(judgement, Metric.SAMPLE_RATIO)
    assert ratio.stable == pytest.approx((100 * 0.5 + 80 * 0.375) / 180)
    assert ratio.canary == 80 / 180


def test_where_there_is_nothing_nothing_is_shown() -> None:
    errors = metric(judged(arm(10), arm(0)), Metric.ERRORS)
    assert (errors.stable, errors.canary) == (0.0, None)


def test_a_metric_without_a_share_is_not_judged() -> None:
    shares = {Metric.ERRORS: 1.0, Metric.LATENCY: 0.0}
    options = replace(OPTIONS, alpha_shares=shares)
    counts = [StepCounts(HALF, 0, arm(700), arm(700, 0, 700))]
    judgement = judge(counts, options)
    assert [part.metric for part in judgement.metrics] == [Metric.ERRORS]
    assert judgement.verdict is Verdict.NOT_WORSE


def test_the_room_that_is_tolerated_is_an_option() -> None:
    counts = [StepCounts(HALF, 0, arm(5_000, 100, 250), arm(5_000, 200, 500))]
    assert judge(counts, OPTIONS).reason.endswith("errors, latency")
    easy = replace(OPTIONS, tolerated_error_ratio=3.0, tolerated_slow_ratio=3.0)
    assert judge(counts, easy).verdict is not Verdict.WORSE


def test_the_margins_are_options() -> None:
    counts = [StepCounts(HALF, 0, arm(900, 3, 45, 14), arm(900, 4, 46, 13))]
    assert judge(counts, OPTIONS).verdict is Verdict.UNDECIDED
    wide = replace(OPTIONS.error_margin, absolute=0.1)
    easy = replace(OPTIONS, error_margin=wide, slow_margin=wide, confidence_margin=0.2)
    assert judge(counts, easy).verdict is Verdict.NOT_WORSE


# --- merging -------------------------------------------------------------------------------

UNITS = st.builds(
    lambda bad, more, bucket: arm(bad + more, bad, more // 2, bucket),
    st.integers(0, 40),
    st.integers(0, 400),
    st.integers(0, BUCKETS - 1),
)
STRATA = [(Step(1, 500), 0), (Step(2, 2_500), 0), (Step(2, 2_500), 500), (Step(4, 5_000), 500)]
PARTS = st.lists(
    st.builds(
        lambda stratum, stable, canary: StepCounts(*stratum, stable, canary),
        st.sampled_from(STRATA),
        UNITS,
        UNITS,
    ),
    min_size=1,
    max_size=8,
)


@given(PARTS, st.randoms(use_true_random=False))
def test_the_order_and_the_parts_of_the_counts_do_not_matter(
    parts: list[StepCounts], rng: Random
) -> None:
    expected = judge(parts, OPTIONS)
    halves = [
        half
        for part in parts
        for half in (replace(part, stable=ArmCounts()), replace(part, canary=ArmCounts()))
    ]
    rng.shuffle(halves)
    assert judge(halves, OPTIONS) == expected


@given(PARTS, st.integers(0, len(STRATA) - 1))
def test_one_more_error_of_the_canary_never_lowers_the_alarm(
    parts: list[StepCounts], place: int
) -> None:
    def log_alarm(errors: int) -> float:
        more = StepCounts(*STRATA[place], canary=ArmCounts(1, errors))
        return metric(judge([*parts, more], OPTIONS), Metric.ERRORS).alarm.log_e

    assert log_alarm(1) >= log_alarm(0) - 1e-9


@given(PARTS)
def test_judging_twice_says_the_same(parts: list[StepCounts]) -> None:
    assert judge(parts, OPTIONS) == judge(tuple(parts), OPTIONS)


@pytest.mark.parametrize(
    ("errors", "slow", "split"), list(product((True, False), (True, False), (True, False)))
)
def test_worse_goes_before_error_and_error_before_not_worse(
    errors: bool, slow: bool, split: bool
) -> None:
    units = 6_000 if split else 5_000
    canary = arm(units, units // 2 if errors else 5, units // 2 if slow else units // 20)
    verdict = judged(arm(5_000, 5, 250), canary).verdict
    if errors or slow:
        assert verdict is Verdict.WORSE
    else:
        assert verdict is (Verdict.ERROR if split else Verdict.NOT_WORSE)
