"""A rollout is judged by what all planes counted, and its next step by what was before it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from random import Random

import pytest

from control_plane.core.analysis import (
    AnalysisOptions,
    Arm,
    ArmCounts,
    Metric,
    Observed,
    Step,
    StepCounts,
)
from control_plane.core.gates import Condition, Gate
from control_plane.core.rollout import (
    Assessment,
    Kind,
    MetricFigures,
    Plan,
    Rollout,
    State,
    Verdict,
)
from control_plane.core.routing import Trial
from control_plane.core.state import KeyedUnit
from control_plane.ports import RolloutCounts
from control_plane.services.gates import Gates
from control_plane.services.judging import MAX_ROLLOUTS, Judging
from control_plane.services.measuring import Measuring
from control_plane.services.rollout_tally import WHOLE
from tests.unit.fakes import FakeClock
from tests.unit.services.rollouts import (
    CANARY,
    STABLE,
    TRIAL,
    FakeCountStore,
    detections,
    ended,
    split,
)
from tests.unit.services.test_gates import FakePrometheus

ROLLOUT = Rollout("r-1", "damage", STABLE, CANARY, Plan(Kind.CANARY), state=State.STEP, step=2)
FIVE = Step(2, 500, 0.7)
"""The second step of the default plan."""

SECOND = replace(TRIAL, step=2)


class Setup:
    def __init__(self, gates: Sequence[Gate] = ()) -> None:
        self.store, self.clock, self.prometheus = FakeCountStore(), FakeClock(), FakePrometheus()
        self.measuring = Measuring(plane="one", table=lambda: split(500), clock=self.clock)
        self.judging = self.another(gates)

    def another(self, gates: Sequence[Gate] = ()) -> Judging:
        """The judging of a plane that begins to lead now."""
        return Judging(
            store=self.store,
            measuring=self.measuring,
            options=AnalysisOptions(),
            try_s=lambda engine: {"damage": 2.0}[engine],
            gates=Gates(gates, self.prometheus, clock=self.clock) if gates else None,
        )

    async def assess(self, rollout: Rollout = ROLLOUT, trial: Trial | None = SECOND) -> Assessment:
        return await self.judging.assess(rollout, trial, 5000.0)

    async def put(self, plane: str = "two", **counts: object) -> None:
        await self.store.put_counts("r-1", plane, RolloutCounts(**counts))  # type: ignore[arg-type]


def arms(stable: ArmCounts, canary: ArmCounts, step: Step = FIVE) -> tuple[StepCounts, ...]:
    return (StepCounts(step, 0, stable, canary),)


GOOD = arms(ArmCounts(60_000), ArmCounts(3_100))
BAD = arms(ArmCounts(1_900, 2), ArmCounts(100, 30))


def by_metric(assessment: Assessment) -> dict[str, MetricFigures]:
    return {figures.metric: figures for figures in assessment.metrics}


async def test_without_counts_there_is_nothing_to_judge_by() -> None:
    found = await Setup().assess()
    assert (found.at_s, found.step, found.samples) == (5000.0, 2, 0)
    assert found.verdict is Verdict.ERROR
    assert found.reason == "no request of canary has been counted in this step"


async def test_a_bad_canary_is_worse_and_the_figures_say_by_what() -> None:
    setup = Setup()
    await setup.put(steps=BAD, samples={2: 90, 1: 7})
    found = await setup.assess()
    assert (found.verdict, found.samples) == (Verdict.WORSE, 90)
    assert found.reason == "the canary is worse: errors"
    errors = by_metric(found)["errors"]
    assert errors.verdict is Verdict.WORSE
    assert errors.log_e > errors.log_threshold
    assert errors.target == 0.3


async def test_a_good_canary_is_not_worse() -> None:
    setup = Setup()
    await setup.put(steps=GOOD)
    assert (await setup.assess()).verdict is Verdict.NOT_WORSE


async def test_what_an_earlier_step_showed_does_not_stand_for_a_step_without_requests() -> None:
    setup = Setup()
    await setup.put(steps=GOOD)
    third = replace(ROLLOUT, step=3)
    for trial in (replace(TRIAL, step=3), None):
        found = await setup.assess(third, trial)
        assert found.verdict is Verdict.ERROR
        assert found.reason == "no request of canary has been counted in this step"


async def test_counts_of_all_planes_add_up_and_the_live_ones_replace_what_was_stored() -> None:
    setup = Setup()
    route = split(500, SECOND).routes["damage"]
    for number in range(60):
        setup.measuring.ended(ended(route, CANARY, key=f"c{number}"))
        setup.measuring.ended(ended(route, STABLE, key=f"s{number}"))
    setup.measuring.count()
    await setup.put("one#1", steps=BAD, samples={2: 1_000})
    await setup.put("gone", steps=arms(ArmCounts(40), ArmCounts(40, 10)), samples={2: 40})
    found = await setup.assess()
    assert found.samples == 100
    assert by_metric(found)["errors"].target == pytest.approx(10 / 100)


def units(number: int, *, error: float, seed: int, step: Step = FIVE) -> list[KeyedUnit]:
    """Keys by their number; a twentieth of them are the canary's, of which a share fails."""
    rng, made = Random(seed), []
    for key in range(number):
        is_canary = key % 20 == 0
        is_error = is_canary and rng.random() < error
        made.append(
            KeyedUnit(key, step.number, step.weight_bp, 0.7, is_canary, is_error, False, 14)
        )
    return made


async def test_keyed_units_are_counted_once_whichever_planes_saw_them() -> None:
    setup = Setup()
    seen = units(4_000, error=0.2, seed=1)
    await setup.store.add_keyed("r-1", "one#1", seen[:2_500])
    await setup.assess()
    await setup.store.add_keyed("r-1", "two#1", seen[1_500:])
    found = await setup.assess()
    errors = sum(unit.is_error for unit in seen)
    assert by_metric(found)["errors"].target == pytest.approx(errors / 200)
    assert found.verdict is Verdict.WORSE


async def test_a_new_leader_comes_to_the_same_judgement() -> None:
    setup = Setup()
    await setup.put(steps=arms(ArmCounts(500, 3, 20), ArmCounts(40, 1, 5)))
    seen = units(5_000, error=0.01, seed=2)
    for begin in range(0, len(seen), 700):
        await setup.store.add_keyed("r-1", "two", seen[begin : begin + 700])
        last = await setup.assess()
    assert await setup.another().assess(ROLLOUT, SECOND, 5000.0) == last


async def test_the_rollouts_remembered_are_bounded_and_one_is_replayed_if_need_be() -> None:
    setup = Setup()
    await setup.store.add_keyed("r-1", "two", units(2_000, error=0.01, seed=2))
    before = await setup.assess()
    for number in range(MAX_ROLLOUTS):
        await setup.assess(replace(ROLLOUT, rollout_id=f"r-{number + 2}"))
    assert await setup.assess() == before


async def test_an_engine_may_be_judged_by_options_of_its_own() -> None:
    setup = Setup()
    await setup.put(steps=arms(ArmCounts(60_000), ArmCounts(3_100, slow=900)))
    assert (await setup.assess()).verdict is Verdict.WORSE
    judging = Judging(
        store=setup.store,
        measuring=setup.measuring,
        options=AnalysisOptions(),
        by_engine={"damage": AnalysisOptions(alpha_shares={Metric.ERRORS: 1.0})},
        try_s=lambda _: 2.0,
    )
    assert (await judging.assess(ROLLOUT, SECOND, 5000.0)).verdict is Verdict.NOT_WORSE
    other = replace(ROLLOUT, engine="materials")
    assert (await judging.assess(other, SECOND, 5000.0)).verdict is Verdict.WORSE


def sure(units: int, bucket: int) -> ArmCounts:
    return ArmCounts(units, confidences=tuple(units if b == bucket else 0 for b in range(20)))


async def test_what_a_rollout_ignores_is_shown_and_decides_nothing() -> None:
    setup = Setup()
    await setup.put(steps=arms(sure(60_000, 6), sure(3_100, 10)))
    found = await setup.assess()
    assert (found.verdict, found.reason) == (
        Verdict.WORSE,
        "the canary is worse: confidence 0.33 → 0.53",
    )
    found = await setup.assess(replace(ROLLOUT, plan=Plan(ignored=("confidence",))))
    assert found.verdict is Verdict.NOT_WORSE
    figures = by_metric(found)
    assert list(figures) == ["errors", "latency", "sample_ratio", "confidence"]
    ignored = figures["confidence"]
    assert (ignored.log_threshold, ignored.clear_log_threshold) == (0.0, None)
    assert (ignored.stable, ignored.target) == pytest.approx((0.325, 0.525))


async def test_a_release_that_finds_nothing_at_all_is_no_release_that_is_less_sure() -> None:
    setup = Setup()
    await setup.put(steps=arms(sure(60_000, 6), ArmCounts(3_100)))
    found = await setup.assess(replace(ROLLOUT, plan=Plan(ignored=("confidence",))))
    assert (found.verdict, found.reason) == (
        Verdict.ERROR,
        "canary gives no confidences, the other release does",
    )


async def test_a_store_that_is_away_is_an_error_and_never_good() -> None:
    setup = Setup()
    setup.store.is_away = True
    found = await setup.assess()
    assert found.verdict is Verdict.ERROR
    assert found.reason == "the counts cannot be read: no route to it"


@pytest.mark.parametrize("state", [State.PENDING, State.PREPARING, State.ROLLING_BACK])
async def test_where_nothing_is_compared_nothing_is_said(state: State) -> None:
    setup = Setup()
    await setup.put(steps=BAD)
    found = await setup.assess(replace(ROLLOUT, state=state))
    assert (found.verdict, found.metrics) == (Verdict.UNDECIDED, ())


async def test_paused_it_is_judged_as_where_it_was_paused() -> None:
    setup = Setup()
    await setup.put(steps=BAD)
    paused = replace(ROLLOUT, state=State.PAUSED, paused_in=State.STEP)
    assert (await setup.assess(paused)).verdict is Verdict.WORSE


async def test_with_all_traffic_the_earlier_steps_stand_and_the_samples_go_on() -> None:
    setup = Setup()
    await setup.put(steps=GOOD, samples={5: 10, WHOLE: 7})
    whole = replace(ROLLOUT, step=5)
    found = await setup.assess(whole, None)
    assert (found.verdict, found.samples) == (Verdict.NOT_WORSE, 17)
    assert (await Setup().assess(whole)).verdict is Verdict.ERROR


# --- the shadow ---------------------------------------------------------------------------

SHADOW = replace(ROLLOUT, plan=Plan(Kind.CANARY, shadow_percent=10), state=State.SHADOW, step=0)
PAIRS = Step(1, 5_000, 0.7)


async def test_a_shadow_is_judged_by_its_pairs_and_without_a_sample_ratio() -> None:
    setup = Setup()
    details = {"compared": 100, "matched": 30, "only_stable": 5, "only_target": 5}
    await setup.put(
        shadow=arms(ArmCounts(100), ArmCounts(100, 30), PAIRS), samples={0: 70}, details=details
    )
    await setup.put("three", details=details, samples={0: 5})
    found = await setup.assess(SHADOW, replace(TRIAL, step=0))
    assert (found.verdict, found.step, found.samples) == (Verdict.WORSE, 0, 75)
    figures = by_metric(found)
    assert set(figures) == {"errors", "latency", "detections"}
    assert figures["detections"].target == 0.75


async def test_a_shadow_ignores_what_its_rollout_does() -> None:
    setup = Setup()
    slow = arms(ArmCounts(4_000), ArmCounts(4_000, slow=2_000), PAIRS)
    await setup.put(shadow=slow, details={"compared": 4_000})
    assert (await setup.assess(SHADOW)).reason == "the canary is worse: latency"
    found = await setup.assess(replace(SHADOW, plan=replace(SHADOW.plan, ignored=("latency",))))
    assert found.verdict is Verdict.NOT_WORSE
    assert list(by_metric(found)) == ["errors", "latency", "detections"]
    assert by_metric(found)["latency"].target == 0.5


async def test_how_boxes_compare_decides_nothing() -> None:
    setup = Setup()
    pairs = arms(ArmCounts(4_000), ArmCounts(4_000), PAIRS)
    await setup.put(shadow=pairs, details={"compared": 4_000, "only_target": 9_000})
    found = await setup.assess(SHADOW, None)
    assert by_metric(found)["detections"].target == 0.0
    assert found.verdict is Verdict.NOT_WORSE


async def test_a_rollout_with_a_shadow_and_steps_has_half_of_alpha_for_each() -> None:
    setup = Setup()
    await setup.put(steps=BAD, shadow=arms(ArmCounts(9), ArmCounts(9), PAIRS))
    plain = by_metric(await setup.assess())["errors"]
    steps = by_metric(await setup.assess(replace(ROLLOUT, plan=SHADOW.plan)))["errors"]
    shadow = by_metric(await setup.assess(SHADOW))["errors"]
    assert steps.log_threshold == pytest.approx(plain.log_threshold + 0.6931, abs=1e-3)
    assert shadow.log_threshold == steps.log_threshold


# --- gates --------------------------------------------------------------------------------

GATE = Gate("rate", "rate{{release}}", Condition("<", 0.5), interval_s=10.0)


async def test_a_gate_that_says_nothing_keeps_a_good_release_from_going_on() -> None:
    setup = Setup([GATE])
    await setup.put(steps=GOOD)
    setup.prometheus.values = ()
    await setup.assess()
    found = await setup.assess()
    assert (found.verdict, found.reason) == (Verdict.ERROR, "query:rate: no data")
    setup.clock.advance(10.0)
    setup.prometheus.values = (0.1,)
    await setup.assess()
    found = await setup.assess()
    assert found.verdict is Verdict.NOT_WORSE
    assert by_metric(found)["query:rate"].target == 0.1


async def test_a_gate_that_fails_twice_is_worse_whatever_was_counted() -> None:
    setup = Setup([GATE])
    setup.prometheus.values = (0.9,)
    await setup.assess()
    setup.clock.advance(10.0)
    await setup.assess()
    setup.store.is_away = True
    found = await setup.assess()
    assert (found.verdict, found.reason) == (
        Verdict.WORSE,
        "query:rate is 0.9, asked is result < 0.5",
    )


# --- what the next step is measured by ----------------------------------------------------


def test_before_stable_was_seen_half_of_a_trys_time_is_slow() -> None:
    setup = Setup()
    assert setup.judging.trial_for(ROLLOUT) == Trial("r-1", 2, 1.0, 0.5)
    assert setup.judging.trial_for(SHADOW) == Trial("r-1", 0, 1.0, 0.5)


def test_a_step_is_measured_by_stable_as_it_was_before() -> None:
    setup = Setup()
    route = split(0, None).routes["damage"]
    for number in range(50):
        assert setup.judging.trial_for(ROLLOUT).slow_s == 1.0
        setup.measuring.ended(
            ended(route, STABLE, at_s=1000.0 + number, latency_s=0.2, answer=detections())
        )
    setup.measuring.count()
    setup.clock.advance(50.0)
    trial = setup.judging.trial_for(ROLLOUT)
    assert trial.slow_s == pytest.approx(0.2, rel=0.06)
    assert trial.confidence_centre == pytest.approx((0.91234567 + 0.5) / 2)


def test_what_is_counted_by_a_trial_is_what_the_analysis_takes() -> None:
    observed = Observed(Arm.CANARY, False, False, 14, None)
    setup = Setup()
    tally = setup.measuring.tally("r-1")
    tally.add(observed, Step(SECOND.step, 500, SECOND.confidence_centre), "a")
    assert tally.counts().steps[0].step == FIVE
