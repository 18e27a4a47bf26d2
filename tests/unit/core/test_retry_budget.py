"""A fifth of the requests and three a second may be retried, and no more, over any history."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions

NO_FLOOR = RetryBudgetOptions(floor_per_s=0.0)


def withdraw_all(budget: RetryBudget, now_s: float) -> int:
    """Takes until it is refused; how many it got."""
    taken = 0
    while budget.try_withdraw(now_s):
        taken += 1
        assert taken < 100_000
    return taken


def test_the_defaults() -> None:
    assert RetryBudgetOptions() == RetryBudgetOptions(ratio=0.2, floor_per_s=3.0, burst_s=10.0)


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"ratio": -0.1}, "^ratio must not be negative$"),
        ({"floor_per_s": -0.1}, "^floor_per_s must not be negative$"),
        ({"burst_s": 0.0}, "^burst_s must be over 0$"),
    ],
)
def test_what_makes_no_budget_is_refused(numbers: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=refusal):
        RetryBudgetOptions(**numbers)


def test_nothing_may_be_retried_where_nothing_is_allowed() -> None:
    budget = RetryBudget(RetryBudgetOptions(ratio=0.0, floor_per_s=0.0, burst_s=0.5))
    budget.deposit(1.0)
    assert budget.remaining(1e6) == 0.0
    assert not budget.try_withdraw(1e6)


def test_a_new_budget_holds_ten_seconds_of_its_floor() -> None:
    budget = RetryBudget(RetryBudgetOptions())
    assert budget.remaining(5.0) == 30.0
    assert withdraw_all(budget, 5.0) == 30
    assert budget.remaining(5.0) == 0.0


def test_the_floor_comes_back_with_time_and_stops_at_its_burst() -> None:
    budget = RetryBudget(RetryBudgetOptions(floor_per_s=4.0))
    withdraw_all(budget, 5.0)
    assert not budget.try_withdraw(5.125)
    assert budget.try_withdraw(5.25)
    assert not budget.try_withdraw(5.25)
    assert withdraw_all(budget, 7.25) == 8
    assert withdraw_all(budget, 1007.25) == 40


def test_the_fifth_request_earns_a_retry_and_the_fourth_does_not() -> None:
    budget = RetryBudget(NO_FLOOR)
    for _ in range(4):
        budget.deposit(5.0)
    assert not budget.try_withdraw(5.0)
    budget.deposit(5.0)
    assert budget.try_withdraw(5.0)
    assert budget.remaining(5.0) == 0.0


def test_requests_and_floor_add_up() -> None:
    budget = RetryBudget(RetryBudgetOptions(floor_per_s=4.0))
    withdraw_all(budget, 5.0)
    for _ in range(10):
        budget.deposit(5.5)
    assert budget.remaining(5.5) == pytest.approx(4.0)
    assert budget.remaining(6.0) == pytest.approx(6.0)


def test_the_burst_grows_with_the_traffic_and_goes_with_it() -> None:
    budget = RetryBudget(RetryBudgetOptions())
    for _ in range(1000):
        budget.deposit(5.0)
    assert budget.remaining(5.0) == pytest.approx(230.0)
    assert budget.remaining(14.9) == pytest.approx(230.0)
    assert budget.remaining(15.0) == 30.0
    # What was too much once is gone, though there is room for it again.
    budget.deposit(15.0)
    for _ in range(1000):
        budget.deposit(16.0)
    assert budget.remaining(16.0) <= 30.0 + 0.2 * 1001


def test_what_went_is_not_there_again_when_traffic_returns() -> None:
    budget = RetryBudget(RetryBudgetOptions(floor_per_s=1.0))
    for _ in range(1000):
        budget.deposit(5.0)
    assert withdraw_all(budget, 100.0) == 10
    for _ in range(1003):
        budget.deposit(100.0)
    assert withdraw_all(budget, 100.0) == 200


def test_a_burst_of_another_length() -> None:
    budget = RetryBudget(RetryBudgetOptions(burst_s=2.0))
    assert budget.remaining(0.0) == 6.0
    for _ in range(100):
        budget.deposit(0.0)
    assert budget.remaining(1.9) == pytest.approx(26.0)
    assert budget.remaining(2.01) == 6.0


def test_time_that_goes_backwards_earns_nothing_then_or_later() -> None:
    budget = RetryBudget(RetryBudgetOptions())
    withdraw_all(budget, 100.0)
    assert budget.remaining(50.0) == 0.0
    budget.deposit(50.0)
    assert budget.remaining(100.0) == pytest.approx(0.2)


def test_how_it_shows_itself() -> None:
    budget = RetryBudget(RetryBudgetOptions())
    budget.try_withdraw(7.5)
    assert repr(budget) == "<RetryBudget 29 retries at 7.5 s>"


class BudgetMachine(RuleBasedStateMachine):
    """What always holds, for whatever history:

    1. Since any earlier moment, retries <= what remained then + floor * seconds since
       + ratio * requests since. From the beginning that is
       retries <= floor * (seconds + burst) + ratio * requests.
    2. It never holds more than came in within the last burst_s.
    3. A retry is given exactly when a whole one remains, takes one, and a refusal takes nothing.
    4. Looking changes nothing.
    """

    @initialize(
        ratio=st.sampled_from([0.0, 0.1, 0.2, 1.0]),
        floor_per_s=st.sampled_from([0.0, 0.5, 3.0]),
        burst_s=st.sampled_from([1.0, 10.0]),
        now_s=st.floats(0, 1e6),
    )
    def begin(self, ratio: float, floor_per_s: float, burst_s: float, now_s: float) -> None:
        self.options = RetryBudgetOptions(ratio, floor_per_s, burst_s)
        self.budget = RetryBudget(self.options)
        self.now_s = now_s
        self.deposits_s: list[float] = []
        self.withdrawals = 0
        # Moments to look back to: time, retries left, requests and retries until then.
        self.marks = [(now_s, floor_per_s * burst_s, 0, 0)]

    @rule(seconds=st.floats(0, 30))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(requests=st.integers(1, 40))
    def deposit(self, requests: int) -> None:
        for _ in range(requests):
            self.budget.deposit(self.now_s)
            self.deposits_s.append(self.now_s)

    @rule()
    def withdraw(self) -> None:
        before = self.budget.remaining(self.now_s)
        is_given = self.budget.try_withdraw(self.now_s)
        after = self.budget.remaining(self.now_s)
        assert is_given == (before >= 1.0)
        assert after == before - is_given
        self.withdrawals += is_given

    @rule()
    def withdraw_all(self) -> None:
        self.withdrawals += withdraw_all(self.budget, self.now_s)
        assert self.budget.remaining(self.now_s) < 1.0

    @rule()
    def mark(self) -> None:
        if len(self.marks) < 8:
            left = self.budget.remaining(self.now_s)
            self.marks.append((self.now_s, left, len(self.deposits_s), self.withdrawals))

    @rule(ahead_s=st.floats(0, 1000))
    def look(self, ahead_s: float) -> None:
        before = self.budget.remaining(self.now_s)
        self.budget.remaining(self.now_s + ahead_s)
        repr(self.budget)
        assert self.budget.remaining(self.now_s) == before

    @invariant()
    def no_more_than_was_earned_since_any_moment(self) -> None:
        for since_s, left, deposits, withdrawals in self.marks:
            earned = self.options.floor_per_s * (self.now_s - since_s)
            earned += self.options.ratio * (len(self.deposits_s) - deposits)
            assert self.withdrawals - withdrawals <= left + earned + 1e-6

    @invariant()
    def no_more_is_held_than_came_in_lately(self) -> None:
        options = self.options
        lately = sum(at_s >= self.now_s - options.burst_s for at_s in self.deposits_s)
        most = options.floor_per_s * options.burst_s + options.ratio * lately
        assert 0.0 <= self.budget.remaining(self.now_s) <= most + 1e-6


TestBudgetMachine = BudgetMachine.TestCase
TestBudgetMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
