"""Any history of calls, endings, waits and isolations, against a naive model."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    consumes,
    initialize,
    invariant,
    precondition,
    rule,
)

from control_plane.core.breaker import (
    Breaker,
    BreakerOptions,
    BreakerStatistics,
    IllegalEvent,
    Permit,
    State,
)
from control_plane.core.outcomes import Verdict

OPTIONS = BreakerOptions(
    consecutive_failures=3,
    failure_ratio=0.5,
    slow_ratio=0.75,
    min_calls=6,
    slow_call_s=1.0,
    window_s=4.0,
    window_buckets=4,
    first_open_s=1.0,
    longest_open_s=8.0,
    max_probes=2,
    probes_to_close=3,
    reset_after_s=10.0,
)


class BreakerMachine(RuleBasedStateMachine):
    """What always holds:

    1. Probes out never exceed the limit, and every permit returns, whatever its ending and
       however late: success, failure, ignored, after a trip, after isolation.
    2. Asking first and admitting agree, and looking changes nothing.
    3. IGNORED returns a probe and moves nothing else.
    4. A permit of an earlier period moves nothing at all.
    5. It trips exactly when a naive recount of the window says so, never on a good call.
    6. It closes by exactly ``probes_to_close`` good probes of one period, never otherwise.
    7. The open time is half to all of first * 2^n, never over the longest; n falls only by
       staying closed.
    8. Isolated, it admits nobody and stays so until it is released.
    9. settle says True exactly when the state changed.
    10. What is illegal (settling twice, another's permit, a release that is none, vouching for
        one that is not open) raises and changes nothing.
    """

    held = Bundle("held")
    spent = Bundle("spent")

    @initialize(seed=st.integers(0, 2**32))
    def begin(self, seed: int) -> None:
        self.rng = Random(seed)
        self.breaker = Breaker(OPTIONS)
        self.now_s = 1000.0
        # The model: periods by number, what was counted since the last close, the exponent.
        self.period = 0
        self.period_of: dict[int, int] = {}
        self.out: list[Permit] = []
        self.counted: list[tuple[float, bool, bool]] = []
        self.good_probes = 0
        self.exponent = 0
        self.closed_at_s = self.now_s

    def shown(self) -> BreakerStatistics:
        return self.breaker.statistics(self.now_s)

    @rule(seconds=st.sampled_from([0.0, 0.1, 0.5, 1.0, 3.0, 11.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @precondition(lambda self: self.breaker.state is State.OPEN)
    @rule()
    def wait_until_it_may_be_probed(self) -> None:
        assert self.breaker.opens_until_s is not None
        self.now_s = max(self.now_s, self.breaker.opens_until_s)
        assert self.breaker.admits(self.now_s)

    @rule(target=held)
    def admit(self) -> Permit | None:
        before = self.breaker.state
        expected = self.breaker.admits(self.now_s)
        permit = self.breaker.admit(self.now_s)
        assert (permit is not None) == expected
        if permit is None:
            assert self.breaker.state is before
            return None
        if before is State.OPEN:
            self.begin_period(State.HALF_OPEN)
        assert self.breaker.state in (State.CLOSED, State.HALF_OPEN)
        self.period_of[id(permit)] = self.period
        self.out.append(permit)
        return permit

    @rule(
        target=spent,
        permit=consumes(held),
        verdict=st.sampled_from(Verdict),
        latency_s=st.sampled_from([0.0, 1.0, 1.001]),
    )
    def settle(self, permit: Permit | None, verdict: Verdict, latency_s: float) -> Permit | None:
        if permit is None:
            return None
        before = self.shown()
        has_changed = self.breaker.settle(
            permit, verdict, latency_s=latency_s, now_s=self.now_s, rng=self.rng
        )
        self.out.remove(permit)
        after = self.shown()
        assert has_changed == (before.state is not after.state)
        if self.period_of[id(permit)] != self.period:
            assert after == before
            return permit
        is_probe = before.state is State.HALF_OPEN
        if verdict is Verdict.IGNORED:
            assert after == replace(before, probes_out=before.probes_out - is_probe)
            return permit
        is_failure, is_slow = verdict is Verdict.FAILURE, latency_s > 1.0
        self.counted.append((self.now_s, is_failure, is_slow))
        if is_probe:
            self.check_probe(after, is_bad=is_failure or is_slow)
        else:
            self.check_call(after, is_failure=is_failure, is_slow=is_slow)
        return permit

    def check_probe(self, after: BreakerStatistics, *, is_bad: bool) -> None:
        if is_bad:
            assert after.state is State.OPEN
            self.check_opening()
            return
        self.good_probes += 1
        if self.good_probes < 3:
            assert after.state is State.HALF_OPEN
            assert after.good_probes == self.good_probes
            return
        assert after.state is State.CLOSED
        self.begin_period(State.CLOSED)
        self.counted.clear()
        self.closed_at_s = self.now_s

    def check_call(self, after: BreakerStatistics, *, is_failure: bool, is_slow: bool) -> None:
        in_a_row = 0
        for _, failed, _ in self.counted:
            in_a_row = in_a_row + 1 if failed else 0
        seen = [call for call in self.counted if call[0] // 1.0 > self.now_s // 1.0 - 4]
        is_ratio_due = len(seen) >= 6
        is_due = (
            (is_failure and in_a_row >= 3)
            or (is_failure and is_ratio_due and sum(c[1] for c in seen) >= 0.5 * len(seen))
            or (is_slow and is_ratio_due and sum(c[2] for c in seen) >= 0.75 * len(seen))
        )
        assert (after.state is State.OPEN) == is_due
        assert after.consecutive_failures == in_a_row
        assert after.calls == len(seen)
        if is_due:
            if self.now_s - self.closed_at_s >= 10.0:
                self.exponent = 0
            self.check_opening()

    def check_opening(self) -> None:
        self.begin_period(State.OPEN)
        ceiling_s = min(8.0, 2.0**self.exponent)
        self.exponent += 1
        assert self.breaker.opens_until_s is not None
        open_s = self.breaker.opens_until_s - self.now_s
        assert ceiling_s / 2 - 1e-9 <= open_s <= ceiling_s + 1e-9

    def begin_period(self, state: State) -> None:
        assert self.breaker.state is state
        self.period += 1
        self.good_probes = 0

    @rule()
    def isolate(self) -> None:
        was_isolated = self.breaker.state is State.ISOLATED
        before = self.shown()
        self.breaker.isolate(self.now_s)
        if was_isolated:
            assert self.shown() == before
        else:
            self.begin_period(State.ISOLATED)

    @rule()
    def release(self) -> None:
        if self.breaker.state is State.ISOLATED:
            self.breaker.release(self.now_s)
            self.begin_period(State.HALF_OPEN)
            return
        before = self.shown()
        with pytest.raises(IllegalEvent):
            self.breaker.release(self.now_s)
        assert self.shown() == before

    @rule()
    def vouch(self) -> None:
        before = self.shown()
        if before.state is not State.OPEN:
            with pytest.raises(IllegalEvent):
                self.breaker.vouch(self.now_s)
            assert self.shown() == before
            return
        self.breaker.vouch(self.now_s)
        self.begin_period(State.HALF_OPEN)
        assert self.breaker.admits(self.now_s)
        assert self.shown().opened_times == before.opened_times

    @rule(permit=spent, verdict=st.sampled_from(Verdict))
    def settle_twice(self, permit: Permit | None, verdict: Verdict) -> None:
        if permit is not None:
            self.check_refused(permit, verdict)

    @rule(verdict=st.sampled_from(Verdict))
    def settle_anothers(self, verdict: Verdict) -> None:
        permit = Breaker(OPTIONS).admit(self.now_s)
        assert permit is not None
        self.check_refused(permit, verdict)

    def check_refused(self, permit: Permit, verdict: Verdict) -> None:
        before = self.shown()
        with pytest.raises(ValueError):
            self.breaker.settle(permit, verdict, latency_s=0.0, now_s=self.now_s, rng=self.rng)
        assert self.shown() == before

    @rule(ahead_s=st.sampled_from([0.0, 1.0, 100.0]))
    def look(self, ahead_s: float) -> None:
        before = self.shown()
        self.breaker.statistics(self.now_s + ahead_s)
        self.breaker.retry_after_s(self.now_s + ahead_s)
        self.breaker.admits(self.now_s + ahead_s)
        repr(self.breaker)
        assert self.shown() == before

    @invariant()
    def probes_out_are_those_handed_out_and_never_too_many(self) -> None:
        shown = self.shown()
        assert shown.probes_out <= 2
        if shown.state is State.HALF_OPEN:
            here = [permit for permit in self.out if self.period_of[id(permit)] == self.period]
            assert shown.probes_out == len(here)
            assert self.breaker.admits(self.now_s) == (len(here) < 2)
        else:
            assert shown.probes_out == 0

    @invariant()
    def each_state_admits_whom_it_should(self) -> None:
        admits = self.breaker.admits(self.now_s)
        until_s = self.breaker.opens_until_s
        match self.breaker.state:
            case State.CLOSED:
                assert admits
            case State.ISOLATED:
                assert not admits
            case State.OPEN:
                assert until_s is not None
                assert admits == (self.now_s >= until_s)
        assert (until_s is None) == (self.breaker.state is not State.OPEN)
        assert (self.breaker.retry_after_s(self.now_s) == 0.0) == admits

    def teardown(self) -> None:
        """Whatever is still out comes back at last, and no place stays taken."""
        for permit in getattr(self, "out", ()):
            self.breaker.settle(
                permit, Verdict.IGNORED, latency_s=0.0, now_s=self.now_s, rng=self.rng
            )
            assert permit.is_settled
        if hasattr(self, "breaker"):
            assert self.shown().probes_out == 0


TestBreakerMachine = BreakerMachine.TestCase
TestBreakerMachine.settings = settings(max_examples=150, stateful_step_count=60, deadline=None)
