"""One unit per key and step, in the stratum of what was known; exact where keys repeat."""

from __future__ import annotations

from itertools import product
from math import exp

import pytest

from control_plane.core.analysis import (
    AnalysisOptions,
    Arm,
    ArmCounts,
    Metric,
    Observed,
    Step,
    StepCounts,
    Tally,
    digest_of,
    judge,
    merge,
)

FIRST, SECOND = Step(1, 2_000), Step(2, 5_000)


def seen(
    key: str | None, arm: Arm = Arm.STABLE, *, is_error: bool = False, bucket: int | None = None
) -> Observed:
    return Observed(arm, is_error, is_slow=False, confidence_bucket=bucket, key=key)


def test_nothing_observed_is_nothing_counted() -> None:
    assert Tally().counts() == ()


def test_what_has_no_key_is_counted_each_time() -> None:
    tally = Tally()
    assert all(tally.observe(seen(None), FIRST) for _ in range(3))
    assert tally.counts() == (StepCounts(FIRST, stable=ArmCounts(3)),)


def test_everything_of_a_unit_is_counted_in_its_arm() -> None:
    tally = Tally()
    tally.observe(Observed(Arm.CANARY, True, True, None, "a"), FIRST)
    for key in ("b", "c"):
        tally.observe(Observed(Arm.CANARY, False, False, 7, key), FIRST)
    (counts,) = tally.counts()
    assert counts.stable == ArmCounts()
    assert (counts.canary.units, counts.canary.errors, counts.canary.slow) == (3, 1, 1)
    assert counts.canary.confidences[7] == counts.canary.with_confidence == 2


def test_a_key_counts_once_in_a_step() -> None:
    tally = Tally()
    assert tally.observe(seen("a"), FIRST)
    assert not tally.observe(seen("a", is_error=True), FIRST)
    assert tally.counts() == (StepCounts(FIRST, stable=ArmCounts(1)),)


def test_a_key_of_stable_counts_again_by_its_smaller_chance() -> None:
    tally = Tally()
    tally.observe(seen("a"), FIRST)
    assert tally.observe(seen("a", Arm.CANARY), SECOND)
    again = StepCounts(SECOND, 2_000, canary=ArmCounts(1))
    assert merge(tally.counts()) == (StepCounts(FIRST, stable=ArmCounts(1)), again)
    assert again.canary_share == pytest.approx(3_000 / 8_000)


def test_a_key_of_the_canary_never_counts_again() -> None:
    tally = Tally()
    tally.observe(seen("a", Arm.CANARY), FIRST)
    assert not tally.observe(seen("a", Arm.CANARY), SECOND)


def test_a_step_that_does_not_grow_the_canary_tells_nothing_of_a_key_of_stable() -> None:
    tally = Tally()
    tally.observe(seen("a"), FIRST)
    assert not tally.observe(seen("a"), Step(2, 2_000))
    assert tally.observe(seen("a"), Step(3, 2_001))


def test_a_late_end_of_an_earlier_step_counts_only_for_a_new_key() -> None:
    tally = Tally()
    tally.observe(seen("a"), SECOND)
    assert not tally.observe(seen("a"), FIRST)
    assert tally.observe(seen("b"), FIRST)


def test_when_full_only_known_keys_and_those_without_are_counted() -> None:
    tally = Tally(max_keys=1)
    assert not tally.is_full
    tally.observe(seen("a"), FIRST)
    assert tally.is_full
    assert not tally.observe(seen("b"), FIRST)
    assert tally.observe(seen(None), FIRST)
    assert tally.observe(seen("a"), SECOND)
    assert repr(tally) == "<Tally of 1 keys in 2 strata>"


def test_what_another_tally_counted_is_known_by_its_digest() -> None:
    tally = Tally()
    assert tally.observe_again(seen(None, Arm.CANARY), FIRST, digest_of("a"))
    assert not tally.observe(seen("a"), FIRST)
    assert not tally.observe_again(seen(None), SECOND, digest_of("a"))
    assert tally.observe_again(seen(None), FIRST, digest_of("b"))
    assert digest_of("a") < 2**64


def test_the_leader_counts_once_what_two_control_planes_saw() -> None:
    leader, replicas = Tally(), (Tally(), Tally())
    requests = [seen("a"), seen("b"), seen("a"), seen("c", Arm.CANARY), seen("b", is_error=True)]
    for number, request in enumerate(requests):
        if replicas[number % 2].observe(request, FIRST):
            leader.observe(request, FIRST)
    (counts,) = leader.counts()
    assert (counts.stable.units, counts.canary.units) == (2, 1)


# --- the guarantee, exactly --------------------------------------------------------------
#
# One release against itself, three clients, two of which fail always, ten requests each in
# either step. What is random is only where their keys fall, and that has three cases: the
# canary from the first step on, from the second on, or never.

OUTCOMES = {"a": True, "b": True, "c": False}
FATES = (
    (0.2, (Arm.CANARY, Arm.CANARY)),
    (0.3, (Arm.STABLE, Arm.CANARY)),
    (0.5, (Arm.STABLE, Arm.STABLE)),
)
ERRORS_ONLY = AnalysisOptions(alpha_shares={Metric.ERRORS: 1.0})


def expected_e(counted: str) -> float:
    """The expectation of the alarm's e-value, for a way of counting."""
    expected = 0.0
    for fates in product(FATES, repeat=len(OUTCOMES)):
        tally, chance = Tally(), 1.0
        for number, step in enumerate((FIRST, SECOND)):
            for (key, is_error), (_, arms) in zip(OUTCOMES.items(), fates, strict=True):
                for _ in range(10):
                    name = {"requests": None, "keys by step": f"{key}{number}", "keys": key}
                    request = seen(name[counted], arms[number], is_error=is_error)
                    tally.observe(request, step)
        for probability, _ in fates:
            chance *= probability
        (errors,) = judge(tally.counts(), ERRORS_ONLY).metrics
        expected += chance * exp(errors.alarm.log_e)
    return expected


def test_with_keys_that_repeat_the_expected_evidence_of_equals_is_one() -> None:
    assert expected_e("keys") == pytest.approx(1)


def test_counted_request_by_request_it_is_not() -> None:
    assert expected_e("requests") > 1_000


def test_counted_once_a_step_as_if_the_arms_were_drawn_anew_it_is_not() -> None:
    assert expected_e("keys by step") > 1.1
