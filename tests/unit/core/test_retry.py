"""When a failed try is followed by another, and why it is not."""

from __future__ import annotations

from random import Random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.outcomes import MEANINGS, Ending
from control_plane.core.retry import (
    GiveUp,
    GiveUpReason,
    RetryOptions,
    TryElsewhere,
    decide,
    may_hedge,
)
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from tests.unit.core.draws import LEAST, MOST

RETRYABLE = [ending for ending, meaning in MEANINGS.items() if meaning.may_go_elsewhere]
FINAL = [ending for ending in Ending if ending not in RETRYABLE]
NEEDS_ANOTHER = [Ending.OVERLOAD, Ending.NOT_READY_HERE]


def one_retry() -> RetryBudget:
    return RetryBudget(RetryBudgetOptions(ratio=0.0, floor_per_s=0.1))


def after(
    ending: Ending = Ending.BACKEND_FAULT, budget: RetryBudget | None = None, **given: Any
) -> TryElsewhere | GiveUp:
    """The decision after a first try with everything in favour of another, but for ``given``."""
    facts: dict[str, Any] = {
        "attempt": 1,
        "options": RetryOptions(),
        "remaining_s": 5.0,
        "has_other_instance": True,
        "is_sequence": False,
        "now_s": 0.0,
        "rng": MOST,
    }
    return decide(ending, budget=budget or one_retry(), **{**facts, **given})


def test_the_defaults() -> None:
    assert RetryOptions() == RetryOptions(
        max_attempts=3, min_try_s=0.05, first_wait_s=0.025, longest_wait_s=0.25
    )


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"max_attempts": 0}, "^max_attempts must be at least 1$"),
        ({"min_try_s": -0.1}, "^min_try_s must not be negative$"),
        ({"first_wait_s": -0.1}, "^first_wait_s must not be negative$"),
        ({"longest_wait_s": 0.02}, "^longest_wait_s must be at least first_wait_s$"),
    ],
)
def test_what_makes_no_sense_is_refused(numbers: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        RetryOptions(**numbers)


def test_the_outermost_numbers_are_allowed() -> None:
    RetryOptions(max_attempts=1, min_try_s=0.0, first_wait_s=0.0, longest_wait_s=0.0)


@pytest.mark.parametrize("ending", RETRYABLE)
def test_another_instance_is_tried_at_once(ending: Ending) -> None:
    assert after(ending) == TryElsewhere(wait_s=0.0)


@pytest.mark.parametrize("ending", FINAL)
def test_what_another_try_cannot_help_is_final(ending: Ending) -> None:
    assert after(ending) == GiveUp(GiveUpReason.NOT_RETRYABLE)
    assert after(ending, is_sequence=True) == GiveUp(GiveUpReason.NOT_RETRYABLE)


@pytest.mark.parametrize("ending", RETRYABLE)
def test_a_sequence_is_never_tried_again(ending: Ending) -> None:
    assert after(ending, is_sequence=True) == GiveUp(GiveUpReason.SEQUENCE)


@pytest.mark.parametrize("attempt", [3, 4])
def test_the_third_try_is_the_last(attempt: int) -> None:
    assert after(attempt=2) == TryElsewhere(0.0)
    assert after(attempt=attempt) == GiveUp(GiveUpReason.ATTEMPTS_SPENT)


@pytest.mark.parametrize("ending", RETRYABLE)
def test_the_same_instance_is_not_asked_again_for_what_it_said_it_cannot(ending: Ending) -> None:
    decision = after(ending, has_other_instance=False)
    if ending in NEEDS_ANOTHER:
        assert decision == GiveUp(GiveUpReason.NO_OTHER_INSTANCE)
    else:
        assert decision == TryElsewhere(wait_s=0.025)


def test_the_wait_for_the_same_instance_grows_with_jitter_to_its_limit() -> None:
    options = RetryOptions(max_attempts=9)
    same: dict[str, Any] = {"has_other_instance": False, "options": options}
    assert after(attempt=2, **same) == TryElsewhere(0.05)
    assert after(attempt=2, rng=LEAST, **same) == TryElsewhere(0.025)
    assert after(attempt=8, **same) == TryElsewhere(0.25)


@pytest.mark.parametrize(
    ("remaining_s", "has_other_instance", "is_tried"),
    [
        (0.05, True, True),
        (0.0499, True, False),
        (0.0751, False, True),
        (0.0749, False, False),
        (0.0, True, False),
    ],
)
def test_there_must_be_time_for_the_wait_and_a_try(
    remaining_s: float, has_other_instance: bool, is_tried: bool
) -> None:
    decision = after(remaining_s=remaining_s, has_other_instance=has_other_instance)
    assert isinstance(decision, TryElsewhere) == is_tried
    if not is_tried:
        assert decision == GiveUp(GiveUpReason.NO_TIME_LEFT)


def test_each_further_try_takes_one_from_the_budget() -> None:
    budget = one_retry()
    assert after(budget=budget) == TryElsewhere(0.0)
    assert after(budget=budget) == GiveUp(GiveUpReason.BUDGET_SPENT)
    # The budget is asked at the time of the decision: ten seconds earn a retry.
    assert after(budget=budget, now_s=9.9) == GiveUp(GiveUpReason.BUDGET_SPENT)
    assert after(budget=budget, now_s=10.0) == TryElsewhere(0.0)


@given(
    st.sampled_from(Ending),
    st.integers(1, 5),
    st.floats(0, 1),
    st.booleans(),
    st.booleans(),
    st.integers(),
)
def test_the_budget_pays_for_a_try_and_for_nothing_else(
    ending: Ending,
    attempt: int,
    remaining_s: float,
    has_other_instance: bool,
    is_sequence: bool,
    seed: int,
) -> None:
    budget = one_retry()
    decision = after(
        ending,
        budget,
        attempt=attempt,
        remaining_s=remaining_s,
        has_other_instance=has_other_instance,
        is_sequence=is_sequence,
        rng=Random(seed),
    )
    match decision:
        case TryElsewhere(wait_s):
            assert budget.remaining(0.0) == 0.0
            assert ending in RETRYABLE
            assert attempt < 3
            assert not is_sequence
            assert wait_s + RetryOptions().min_try_s <= remaining_s
            assert (wait_s == 0.0) == has_other_instance
            assert has_other_instance or ending not in NEEDS_ANOTHER
        case GiveUp():
            assert budget.remaining(0.0) == 1.0


class TestHedge:
    @pytest.mark.parametrize(
        ("changes", "is_made"),
        [
            ({}, True),
            ({"attempt": 2}, True),
            ({"attempt": 3}, False),
            ({"has_other_instance": False}, False),
            ({"remaining_s": 0.05}, True),
            ({"remaining_s": 0.049}, False),
        ],
    )
    def test_it_is_bound_by_what_bounds_a_retry(
        self, changes: dict[str, object], is_made: bool
    ) -> None:
        budget = RetryBudget(RetryBudgetOptions(ratio=0.0, floor_per_s=1.0, burst_s=1.0))
        asked: dict[str, object] = {"attempt": 1, "has_other_instance": True, "remaining_s": 1.0}
        asked |= changes | {"options": RetryOptions(), "budget": budget, "now_s": 0.0}
        assert may_hedge(**asked) is is_made  # type: ignore[arg-type]
        # One retry was in the budget: it is gone if there was a hedge, and only then.
        assert budget.try_withdraw(0.0) is not is_made

    def test_without_budget_there_is_none(self) -> None:
        budget = RetryBudget(RetryBudgetOptions(ratio=0.0, floor_per_s=0.0))
        assert not may_hedge(
            attempt=1,
            options=RetryOptions(),
            remaining_s=1.0,
            has_other_instance=True,
            budget=budget,
            now_s=0.0,
        )
