"""The accuracy gate: what it says, and that it keeps its promise however often one looks."""

from __future__ import annotations

import random
from math import log

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.accuracy import AccuracyGate, compare
from control_plane.core.accuracy.comparing import MOST_PAIRS
from control_plane.errors import InvalidArgument

GATE = AccuracyGate("right", margin=0.1, least=10)
ALPHA = 0.05
scores = st.lists(st.floats(0, 1), max_size=30)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("score", "map50"),
        ("margin", 0.0),
        ("margin", 0.6),
        ("margin", float("nan")),
        ("least", 0),
        ("least", MOST_PAIRS + 1),
    ],
)
def test_a_gate_that_makes_no_sense_is_refused(field: str, value: object) -> None:
    with pytest.raises(InvalidArgument) as refused:
        AccuracyGate(**{"score": "f1", field: value})  # type: ignore[arg-type]
    assert refused.value.field == f"accuracy.{field}"


def test_without_pairs_there_is_no_evidence() -> None:
    found = compare([], [0.5], GATE, alpha=ALPHA)
    assert (found.pairs, found.stable, found.target) == (0, None, 0.5)
    assert found.alarm.log_e == pytest.approx(0.0)
    assert found.all_clear.log_e == pytest.approx(0.0)
    assert found.alarm.log_threshold == pytest.approx(log(1 / ALPHA))
    assert not found.is_worse
    assert not found.is_proved


def test_a_target_that_is_always_wrong_is_worse_within_a_dozen_or_so() -> None:
    assert not compare([1.0] * 4, [0.0] * 4, GATE, alpha=ALPHA).is_worse
    found = compare([1.0] * 12, [0.0] * 12, GATE, alpha=ALPHA)
    assert found.is_worse
    assert not found.is_proved


def test_a_target_that_is_as_right_is_proved_in_time() -> None:
    assert not compare([1.0] * 20, [1.0] * 20, GATE, alpha=ALPHA).is_proved
    found = compare([1.0] * 80, [1.0] * 80, GATE, alpha=ALPHA)
    assert found.is_proved
    assert not found.is_worse


def test_what_has_no_partner_waits() -> None:
    assert compare([1.0] * 500, [0.0] * 3, GATE, alpha=ALPHA).pairs == 3
    assert compare([1.0] * 500, [0.0] * 3, GATE, alpha=ALPHA).alarm == (
        compare([1.0] * 3, [0.0] * 3, GATE, alpha=ALPHA).alarm
    )


def test_so_many_pairs_are_enough() -> None:
    many = [1.0] * (MOST_PAIRS + 5)
    assert compare(many, many, GATE, alpha=ALPHA).pairs == MOST_PAIRS


@given(scores, scores)
def test_both_are_never_said_of_the_same(stable: list[float], target: list[float]) -> None:
    found = compare(stable, target, GATE, alpha=ALPHA)
    assert found.pairs == min(len(stable), len(target))
    assert not (found.is_worse and found.is_proved)


@pytest.mark.parametrize(("of_stable", "of_target"), [(0.8, 0.7), (0.3, 0.2)])
def test_at_the_margin_itself_neither_is_said_more_often_than_promised(
    of_stable: float, of_target: float
) -> None:
    """Looked at again and again: 200 rollouts, of which 5 % are 10; 21 are 3.5 sigma more."""
    rng = random.Random(7)
    alarms = proofs = 0
    for _ in range(200):
        stable = [float(rng.random() < of_stable) for _ in range(80)]
        target = [float(rng.random() < of_target) for _ in range(80)]
        looks = [compare(stable[:n], target[:n], GATE, alpha=ALPHA) for n in range(5, 81, 5)]
        alarms += any(look.is_worse for look in looks)
        proofs += any(look.is_proved for look in looks)
    assert alarms <= 21
    assert proofs <= 21


def test_a_target_that_is_much_worse_is_found_mostly() -> None:
    rng = random.Random(7)
    found = 0
    for _ in range(20):
        stable = [float(rng.random() < 0.9) for _ in range(150)]
        target = [float(rng.random() < 0.5) for _ in range(150)]
        found += compare(stable, target, GATE, alpha=ALPHA).is_worse
    assert found >= 17
