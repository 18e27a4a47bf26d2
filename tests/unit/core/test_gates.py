"""A gate's condition, its measures in a row, and what is no measure at all."""

from __future__ import annotations

from math import inf, nan

import pytest

from control_plane.core.gates import Condition, Gate, Measures
from control_plane.core.rollout import Plan, Rollout, Verdict

GATE = Gate("errors", 'x{release="{release}"}', Condition("<", 0.05))
ROLLOUT = Rollout("r-1", "damage", "1.0.0", "1.1.0", Plan.direct())


@pytest.mark.parametrize(
    ("text", "true", "false"),
    [
        ("result < 0.05", 0.04, 0.05),
        ("result<=0.05", 0.05, 0.06),
        (" result > -1 ", 0.0, -1.0),
        ("result >= 1e3", 1000.0, 999.0),
        ("result == 0", 0.0, 1.0),
        ("result != 0", 1.0, 0.0),
    ],
)
def test_a_condition_holds_or_not(text: str, true: float, false: float) -> None:
    condition = Condition.read(text)
    assert condition.holds(true)
    assert not condition.holds(false)
    assert Condition.read(str(condition)) == condition


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("< 0.05", "is no condition; write `result < 0.05`"),
        ("result = 1", "is no condition"),
        ("result < few", "'few' in 'result < few' is no number"),
        ("result < nan", "is no finite number"),
        ("result < inf", "is no finite number"),
    ],
)
def test_what_is_no_condition(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        Condition.read(text)


def test_a_query_names_the_rollouts_releases_and_keeps_its_own_braces() -> None:
    gate = Gate("a", 'f{engine="{engine}",r="{release}"} / f{r="{stable}"}', GATE.condition)
    assert gate.expression(ROLLOUT) == 'f{engine="damage",r="1.1.0"} / f{r="1.0.0"}'


def verdict(*measures: tuple[float, ...] | str, gate: Gate = GATE) -> Verdict:
    found = Measures()
    for values in measures:
        if isinstance(values, str):
            found = found.after_failure(values)
        else:
            found = found.after(gate, values)
    return found.figures(gate).verdict


def test_so_many_failing_measures_in_a_row_are_worse() -> None:
    good, bad = (0.01,), (0.2,)
    assert verdict(good) is Verdict.NOT_WORSE
    assert verdict(bad) is Verdict.UNDECIDED
    assert verdict(bad, good, bad) is Verdict.UNDECIDED
    assert verdict(bad, bad) is Verdict.WORSE
    assert verdict(bad, bad, good) is Verdict.NOT_WORSE
    once = Gate("errors", "x", GATE.condition, failures=1)
    assert verdict(bad, gate=once) is Verdict.WORSE


@pytest.mark.parametrize(
    ("values", "problem"),
    [
        ((), "no data"),
        ((0.1, 0.2), "2 series instead of one"),
        ((nan,), "the result is nan"),
        ((inf,), "the result is inf"),
    ],
)
def test_what_is_no_number_says_nothing(values: tuple[float, ...], problem: str) -> None:
    found = Measures().after(GATE, (0.01,)).after(GATE, values)
    assert found.figures(GATE).verdict is Verdict.ERROR
    assert found.figures(GATE).target is None
    assert found.words(GATE) == f"query:errors: {problem}"


def test_a_measure_that_failed_neither_counts_as_failing_nor_ends_the_row() -> None:
    assert verdict((0.2,), "away") is Verdict.ERROR
    assert verdict((0.2,), "away", (0.2,)) is Verdict.WORSE
    assert verdict("away", "away", "away") is Verdict.ERROR


def test_before_the_first_measure_a_gate_says_nothing() -> None:
    assert Measures().figures(GATE).verdict is Verdict.ERROR
    assert Measures().words(GATE) == "query:errors: not asked yet"


def test_what_was_measured_is_shown() -> None:
    found = Measures().after(GATE, (0.25,))
    assert found.figures(GATE).metric == "query:errors"
    assert found.figures(GATE).target == 0.25
    assert found.words(GATE) == "query:errors is 0.25, asked is result < 0.05"


def test_after_a_number_there_is_no_problem() -> None:
    assert Measures().after(GATE, (0.25,)) == Measures(0.25, 1, "")
