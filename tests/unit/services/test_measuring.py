"""Each request the split sent to an arm is counted once, and stable is watched all the time."""

from __future__ import annotations

import asyncio
from contextlib import suppress
from dataclasses import replace

import pytest

from control_plane.core.analysis import Step, bucket_of
from control_plane.core.baseline import Baseline
from control_plane.core.outcomes import Ending
from control_plane.core.routing import RoutingTable
from control_plane.ports import RolloutCounts
from control_plane.services.measuring import Measuring, MeasuringOptions, read_confidence
from control_plane.services.rollout_tally import WHOLE
from tests.unit.fakes import FakeClock
from tests.unit.services.rollouts import CANARY, STABLE, TRIAL, detections, ended, split

SPLIT = split(500)
ROUTE = SPLIT.routes["damage"]
SURE = detections()


class Setup:
    """A Measuring whose routing table and clock the test moves."""

    def __init__(self, table: RoutingTable = SPLIT, **options: float) -> None:
        self.table, self.clock = table, FakeClock()
        self.confidences: list[tuple[str, str, float, float]] = []
        self.measuring = Measuring(
            plane="one",
            table=lambda: self.table,
            clock=self.clock,
            options=MeasuringOptions(**options),  # type: ignore[arg-type]
            saw_confidence=lambda *one: self.confidences.append(one),
        )

    def counts(self, rollout_id: str = "r-1") -> RolloutCounts:
        found = self.measuring.counts(rollout_id)
        assert found is not None
        return found[1]


def test_the_requests_of_a_step_are_counted_with_their_confidences() -> None:
    setup = Setup()
    setup.measuring.ended(ended(ROUTE, STABLE, answer=SURE, key="a"))
    setup.measuring.ended(ended(ROUTE, CANARY, answer=SURE, key="b", latency_s=0.6))
    setup.measuring.ended(ended(ROUTE, CANARY, Ending.BACKEND_FAULT, key="c"))
    setup.measuring.count()
    (counts,) = setup.counts().steps
    assert counts.step == Step(1, 500, TRIAL.confidence_centre)
    assert (counts.stable.units, counts.stable.errors, counts.stable.slow) == (1, 0, 0)
    assert (counts.canary.units, counts.canary.errors, counts.canary.slow) == (2, 1, 1)
    bucket = bucket_of((0.91234567 + 0.5) / 2)
    assert counts.stable.confidences[bucket] == counts.canary.confidences[bucket] == 1
    assert setup.counts().samples == {1: 1}


def test_each_confidence_that_is_read_is_told() -> None:
    setup = Setup()
    setup.measuring.ended(ended(ROUTE, STABLE, answer=SURE))
    setup.measuring.ended(ended(ROUTE, CANARY, answer=SURE))
    setup.measuring.ended(ended(ROUTE, CANARY, Ending.BACKEND_FAULT))
    assert setup.confidences == []
    setup.measuring.count()
    mean = pytest.approx((0.91234567 + 0.5) / 2)
    assert setup.confidences == [
        ("damage", STABLE, mean, 1000.0),
        ("damage", CANARY, mean, 1000.0),
    ]


def test_keyed_requests_are_handed_on() -> None:
    setup = Setup()
    for _ in range(3):
        setup.measuring.ended(ended(ROUTE, CANARY, key="roof", is_key_given=True))
    setup.measuring.count()
    assert setup.counts().steps == ()
    assert len(setup.measuring.tally("r-1").keyed(10)) == 1
    assert setup.counts().samples == {1: 3}


def test_what_counts_for_neither_arm_is_not_counted() -> None:
    setup = Setup()
    setup.measuring.ended(ended(ROUTE, CANARY, wanted="canary"))
    setup.measuring.ended(ended(ROUTE, CANARY, Ending.OVERLOAD))
    setup.measuring.count()
    assert setup.measuring.counts("r-1") is None


@pytest.mark.parametrize(
    "table", [split(0, None), split(500, None), split(500, replace(TRIAL, step=0))]
)
def test_without_a_step_to_compare_in_only_the_baseline_grows(table: RoutingTable) -> None:
    setup = Setup(table)
    setup.measuring.ended(ended(table.routes["damage"], STABLE, answer=SURE))
    setup.measuring.count()
    assert setup.measuring.counts("r-1") is None
    assert setup.measuring.baseline("damage").samples == 1


@pytest.mark.parametrize(("trial", "step"), [(None, WHOLE), (replace(TRIAL, step=5), 5)])
def test_at_the_whole_traffic_there_are_samples_and_nothing_to_compare(
    trial: object, step: int
) -> None:
    table = split(10_000, trial)  # type: ignore[arg-type]
    setup = Setup(table)
    for _ in range(2):
        setup.measuring.ended(ended(table.routes["damage"], CANARY, answer=SURE))
    setup.measuring.count()
    assert setup.counts().samples == {step: 2}
    assert setup.counts().steps == ()


def test_a_request_is_counted_under_the_step_that_split_it() -> None:
    setup = Setup()
    later = split(2_500, replace(TRIAL, step=2, slow_s=0.05)).routes["damage"]
    setup.measuring.ended(ended(later, CANARY, key="a"))
    setup.measuring.ended(ended(ROUTE, CANARY, key="b"))
    setup.measuring.count()
    first, second = sorted(setup.counts().steps, key=lambda one: one.step.number)
    assert (first.step.number, first.canary.slow) == (1, 0)
    assert (second.step.number, second.step.weight_bp, second.canary.slow) == (2, 2_500, 1)


def test_when_the_queue_is_full_whatever_comes_is_left_out() -> None:
    setup = Setup(max_waiting=2)
    for key in "abc":
        setup.measuring.ended(ended(ROUTE, CANARY, Ending.BACKEND_FAULT, key=key))
    assert setup.measuring.dropped == 1
    setup.measuring.count(1)
    setup.measuring.ended(ended(ROUTE, CANARY, key="d"))
    setup.measuring.count()
    assert setup.counts().steps[0].canary.units == 3


def test_large_answers_and_failures_without_one_are_left_out_alike() -> None:
    setup = Setup(max_waiting_bytes=len(SURE))
    setup.measuring.ended(ended(ROUTE, CANARY, answer=SURE, key="a"))
    setup.measuring.ended(ended(ROUTE, CANARY, Ending.BACKEND_FAULT, key="b"))
    assert setup.measuring.dropped == 1
    setup.measuring.count()
    setup.measuring.ended(ended(ROUTE, CANARY, Ending.BACKEND_FAULT, key="b"))
    setup.measuring.count()
    assert setup.counts().steps[0].canary.units == 2


def test_stable_is_watched_whether_a_rollout_is_under_way_or_not() -> None:
    table = split(0, None)
    setup = Setup(table)
    route = table.routes["damage"]
    for number in range(100):
        at_s = 1000.0 + number
        setup.measuring.ended(ended(route, STABLE, at_s=at_s, answer=SURE))
    setup.measuring.ended(ended(route, STABLE, Ending.OVERLOAD))
    setup.measuring.count()
    setup.clock.advance(100.0)
    baseline = setup.measuring.baseline("damage")
    assert baseline.samples == 100
    assert baseline.p95_s == pytest.approx(0.1, rel=0.06)
    assert baseline.confidence_mean == pytest.approx((0.91234567 + 0.5) / 2)
    setup.clock.advance(700.0)
    assert setup.measuring.baseline("damage") == Baseline()
    assert setup.measuring.baseline("roof") == Baseline()


def test_a_new_stable_release_has_a_baseline_of_its_own() -> None:
    setup = Setup()
    setup.measuring.ended(ended(ROUTE, STABLE))
    route = replace(ROUTE, stable=CANARY, canary=None, weights_bp={CANARY: 10_000}, trial=None)
    setup.table = RoutingTable(3, {"damage": route})
    assert setup.measuring.baseline("damage") == Baseline()
    setup.measuring.ended(ended(route, CANARY, latency_s=2.0))
    assert setup.measuring.baseline("damage").p95_s == pytest.approx(2.0, rel=0.06)
    setup.measuring.forget()
    setup.table = SPLIT
    assert setup.measuring.baseline("damage") == Baseline()


def test_a_rollout_is_forgotten_long_after_its_route_and_begins_under_another_label() -> None:
    setup = Setup(forget_s=60.0)
    setup.measuring.ended(ended(ROUTE, CANARY))
    setup.measuring.count()
    assert setup.measuring.counts("r-1") == ("one#1", setup.counts())
    setup.clock.advance(1_000.0)
    setup.measuring.forget()
    assert set(setup.measuring.tallies()) == {"r-1"}
    setup.table = split(0, None)
    setup.clock.advance(60.0)
    setup.measuring.forget()
    assert set(setup.measuring.tallies()) == {"r-1"}
    setup.clock.advance(0.1)
    setup.measuring.forget()
    assert set(setup.measuring.tallies()) == set()
    assert setup.measuring.counts("r-1") is None
    assert setup.measuring.tally("r-1").label == "one#2"


async def test_what_ended_is_counted_by_its_task() -> None:
    setup = Setup()
    task = asyncio.create_task(setup.measuring.run())
    for number in range(100):
        setup.measuring.ended(ended(ROUTE, CANARY, answer=SURE, key=str(number)))
    tally = setup.measuring.tally("r-1")
    for _ in range(20):
        await asyncio.sleep(0)
    assert tally.counts().steps[0].canary.units == 100
    setup.measuring.ended(ended(ROUTE, CANARY, answer=SURE, key="100"))
    for _ in range(3):
        await asyncio.sleep(0)
    assert tally.counts().steps[0].canary.units == 101
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def test_an_answer_that_cannot_be_read_has_no_confidence() -> None:
    assert read_confidence(b"") is None
    assert read_confidence(b"\xff\xff") is None
    assert read_confidence(SURE) == pytest.approx((0.91234567 + 0.5) / 2)
