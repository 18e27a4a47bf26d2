"""Low is shed first, high last; every ticket comes back once; what is shed knows when to return."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, replace
from math import exp

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from control_plane.core.admission import (
    Admission,
    AdmissionOptions,
    AdmissionStatistics,
    Shed,
    Ticket,
)
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.core.detections import Priority
from control_plane.core.outcomes import Ending

HIGH, NORMAL, LOW = Priority.HIGH, Priority.NORMAL, Priority.LOW
# One busy sample is a window, and the new estimate is the limit.
QUICK = LimitOptions(
    initial=16,
    min_limit=2,
    max_limit=100,
    smoothing=1.0,
    window_s=1e-9,
    least_samples=1,
    most_samples=1,
    patience_s=0.0,
    longest_s=1e9,
    start_growth=1.0,
    overload_ratio=0.5,
)


def admission_of(limit: int, **changes: float) -> Admission:
    fixed = LimitOptions(initial=limit, min_limit=limit, max_limit=limit)
    return Admission(AdmissionOptions(limit=fixed, **changes))  # type: ignore[arg-type]


def fill(admission: Admission, count: int) -> list[Ticket]:
    tickets = [admission.admit(HIGH, 0.0) for _ in range(count)]
    return [ticket for ticket in tickets if isinstance(ticket, Ticket)]


def settle(
    admission: Admission, ticket: Ticket, ending: Ending = Ending.SUCCESS, now_s: float = 0.0
) -> None:
    admission.settle(ticket, latency_s=None, ending=ending, now_s=now_s)


@pytest.mark.parametrize(
    "changes",
    [
        {"low_percent": 0},
        {"low_percent": 91},
        {"normal_percent": 101},
        {"reserved": -1},
        {"least_retry_after_s": 0.0},
        {"least_retry_after_s": 5.1},
        {"memory_s": 0.0},
    ],
)
def test_options_out_of_bounds_are_refused(changes: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=next(iter(changes))):
        AdmissionOptions(**changes)  # type: ignore[arg-type]


def test_options_at_their_bounds_are_taken() -> None:
    options = AdmissionOptions(
        low_percent=100, normal_percent=100, reserved=0, least_retry_after_s=5.0
    )
    assert [Admission(options).bound(priority) for priority in Priority] == [40, 40, 40]
    assert Admission(AdmissionOptions(low_percent=1)).bound(LOW) == 20


class TestPriorities:
    @pytest.mark.parametrize(
        ("limit", "high", "normal", "low"),
        [
            (100, 100, 90, 70),
            (41, 41, 36, 28),
            (40, 40, 36, 28),
            (30, 30, 26, 21),
            (20, 20, 16, 12),
            (10, 10, 6, 5),
            (8, 8, 4, 4),
            (5, 5, 3, 3),
            (2, 2, 1, 1),
            (1, 1, 1, 1),
        ],
    )
    def test_how_much_each_may_fill(self, limit: int, high: int, normal: int, low: int) -> None:
        admission = admission_of(limit)
        assert admission.bound(HIGH) == high
        assert admission.bound(NORMAL) == normal
        assert admission.bound(LOW) == low

    @pytest.mark.parametrize(("priority", "bound"), [(LOW, 12), (NORMAL, 16), (HIGH, 20)])
    def test_each_is_shed_at_its_bound_and_not_before(self, priority: Priority, bound: int) -> None:
        admission = admission_of(20)
        assert len(fill(admission, bound - 1)) == bound - 1
        last = admission.admit(priority, 0.0)
        assert isinstance(last, Ticket)
        assert last.in_flight == bound
        assert isinstance(admission.admit(priority, 0.0), Shed)
        assert admission.in_flight == bound

    def test_all_but_the_most_urgent_are_held_back_while_latency_is_measured(self) -> None:
        admission = Admission(AdmissionOptions(limit=replace(QUICK, remeasure_s=1.0)))
        first = fill(admission, 16)
        admission.settle(first[0], latency_s=0.1, ending=Ending.SUCCESS, now_s=0.0)
        admission.settle(first[15], latency_s=0.2, ending=Ending.SUCCESS, now_s=1.0)
        statistics = admission.statistics()
        assert statistics.is_measuring
        assert statistics.baseline_s == 0.1
        assert (admission.bound(HIGH), admission.bound(NORMAL), admission.bound(LOW)) == (16, 6, 6)


class TestSettling:
    def test_a_ticket_is_a_frozen_value_and_comes_back_once(self) -> None:
        admission = admission_of(20)
        first, second = fill(admission, 2)
        assert (first.number, second.number) == (0, 1)
        assert first.priority is HIGH
        with pytest.raises(FrozenInstanceError):
            first.in_flight = 9  # type: ignore[misc]
        settle(admission, first)
        assert admission.in_flight == 1
        with pytest.raises(ValueError, match="exactly once"):
            settle(admission, first)
        assert admission.in_flight == 1

    def test_a_ticket_of_another_admission_is_refused(self) -> None:
        admission, other = admission_of(20), admission_of(20)
        fill(admission, 1)
        with pytest.raises(ValueError, match="not open here"):
            settle(admission, fill(other, 1)[0])
        assert admission.in_flight == 1

    @pytest.mark.parametrize(
        ("ending", "latency_s", "limit"),
        [
            (Ending.SUCCESS, 0.1, 20),
            (Ending.SUCCESS, 0.3, 12),
            (Ending.SUCCESS, None, 16),
            (Ending.SLOW, 0.1, 16),
            (Ending.SLOW, 0.3, 12),
            (Ending.SLOW, None, 16),
            (Ending.DEADLINE, 0.1, 16),
            (Ending.DEADLINE, 0.3, 12),
            (Ending.OVERLOAD, 0.1, 8),
            (Ending.OVERLOAD, None, 8),
            (Ending.NOT_READY_HERE, 0.3, 16),
            (Ending.BACKEND_FAULT, 0.3, 16),
            (Ending.UNREACHABLE, 0.3, 16),
            (Ending.CALLERS_MISTAKE, 0.3, 16),
            (Ending.UNSUPPORTED, 0.3, 16),
            (Ending.TOO_LARGE, 0.3, 16),
            (Ending.CANCELLED, 0.3, 16),
        ],
    )
    def test_what_each_ending_teaches(
        self, ending: Ending, latency_s: float | None, limit: int
    ) -> None:
        admission = Admission(AdmissionOptions(limit=QUICK))
        tickets = fill(admission, 16)
        admission.settle(tickets[0], latency_s=0.1, ending=Ending.SUCCESS, now_s=0.0)
        admission.settle(tickets[15], latency_s=latency_s, ending=ending, now_s=1.0)
        assert admission.limit == limit
        assert admission.in_flight == 14

    def test_an_idle_sample_does_not_grow_the_limit(self) -> None:
        admission = Admission(AdmissionOptions(limit=QUICK))
        tickets = fill(admission, 8)
        admission.settle(tickets[6], latency_s=0.1, ending=Ending.SUCCESS, now_s=0.0)
        assert admission.limit == 16
        admission.settle(tickets[7], latency_s=0.1, ending=Ending.SUCCESS, now_s=0.0)
        assert admission.limit == 20


class TestRetryAfter:
    def shed(self, admission: Admission, now_s: float, priority: Priority = HIGH) -> float:
        answer = admission.admit(priority, now_s)
        assert isinstance(answer, Shed)
        return answer.retry_after_s

    def test_nothing_drains_so_it_is_the_most(self) -> None:
        admission = admission_of(20)
        fill(admission, 20)
        assert self.shed(admission, 0.0) == 5.0

    def busy(self, settled: int, still: int = 20) -> Admission:
        """Full with ``still``, after ``settled`` of them have ended at once at 0 s."""
        admission = admission_of(20)
        for _ in range(settled):
            settle(admission, fill(admission, 1)[0])
        fill(admission, still)
        return admission

    def test_one_place_at_the_present_drain_rate(self) -> None:
        assert self.shed(self.busy(4), 0.0) == pytest.approx(1 / 4)
        assert self.shed(self.busy(4), 1.0) == pytest.approx(exp(1) / 4)

    def test_the_less_urgent_wait_for_more_places(self) -> None:
        assert self.shed(self.busy(4), 0.0, NORMAL) == pytest.approx(5 / 4)
        assert self.shed(self.busy(4), 0.0, LOW) == pytest.approx(9 / 4)

    def test_those_shed_before_come_first(self) -> None:
        admission = self.busy(4)
        waits_s = [self.shed(admission, 0.0) for _ in range(3)]
        assert waits_s == pytest.approx([1 / 4, 2 / 4, 3 / 4])
        assert self.shed(admission, 1.0) == pytest.approx((1 + 3 * exp(-1)) / (4 * exp(-1)))

    def test_it_keeps_within_its_bounds(self) -> None:
        assert self.shed(self.busy(10), 0.0) == pytest.approx(0.1)
        assert self.shed(self.busy(11), 0.0) == 0.1
        admission = self.busy(1)
        waits_s = [self.shed(admission, 0.0) for _ in range(6)]
        assert waits_s == pytest.approx([1.0, 2.0, 3.0, 4.0, 5.0, 5.0])

    def test_a_longer_memory_sees_a_slower_rate(self) -> None:
        admission = admission_of(20, memory_s=2.0)
        for _ in range(4):
            settle(admission, fill(admission, 1)[0])
        fill(admission, 20)
        assert self.shed(admission, 0.0) == pytest.approx(2 / 4)
        later = (1 + exp(-0.5)) / (4 * exp(-0.5) / 2)
        assert self.shed(admission, 1.0) == pytest.approx(later)

    def test_time_that_stands_a_little_back_does_not_raise_counts(self) -> None:
        admission = admission_of(20)
        settle(admission, fill(admission, 1)[0], now_s=9.0)
        fill(admission, 20)
        assert self.shed(admission, 8.0) == 1.0


def test_statistics_count_by_priority() -> None:
    admission = admission_of(2)
    fill(admission, 1)
    assert isinstance(admission.admit(LOW, 0.0), Shed)
    for _ in range(2):
        assert isinstance(admission.admit(NORMAL, 0.0), Shed)
    fill(admission, 2)
    assert admission.statistics() == AdmissionStatistics(
        limit=2,
        in_flight=2,
        baseline_s=None,
        is_measuring=False,
        admitted={HIGH: 2, NORMAL: 0, LOW: 0},
        shed={HIGH: 1, NORMAL: 2, LOW: 1},
    )
    assert repr(admission) == "<Admission 2 of 2 in flight>"


class AdmissionMachine(RuleBasedStateMachine):
    """Invariants:

    - in_flight is the number of tickets that are out, and never negative;
    - a request is admitted only where in_flight is then at most the limit, and its bound;
    - every ticket comes back exactly once, a second time raises and changes nothing;
    - high is never shed while normal would be admitted at that instant, nor normal while low;
    - the limit keeps within its bounds, whatever the endings and latencies;
    - retry_after_s keeps within its bounds.
    """

    @initialize(reserved=st.integers(0, 6), minimum=st.integers(1, 8))
    def start(self, reserved: int, minimum: int) -> None:
        limit = LimitOptions(
            initial=8, min_limit=minimum, max_limit=30, least_samples=2, remeasure_s=1.0
        )
        self.minimum = minimum
        self.admission = Admission(AdmissionOptions(limit=limit, reserved=reserved))
        self.out: list[Ticket] = []
        self.now_s = 0.0

    @rule(priority=st.sampled_from(Priority), count=st.integers(1, 12))
    def admit(self, priority: Priority, count: int) -> None:
        for _ in range(count):
            limit = self.admission.limit
            bounds = [self.admission.bound(one) for one in (LOW, NORMAL, HIGH)]
            assert bounds == sorted(bounds)
            answer = self.admission.admit(priority, self.now_s)
            if isinstance(answer, Ticket):
                self.out.append(answer)
                assert answer.in_flight == len(self.out)
                assert answer.in_flight <= min(limit, self.admission.bound(priority))
            else:
                assert 0.1 <= answer.retry_after_s <= 5.0
                assert len(self.out) >= self.admission.bound(priority)

    @precondition(lambda self: self.out)
    @rule(
        data=st.data(),
        ending=st.sampled_from(Ending),
        latency_s=st.one_of(st.none(), st.floats(0.0, 6.0)),
    )
    def settle(self, data: st.DataObject, ending: Ending, latency_s: float | None) -> None:
        ticket = self.out.pop(data.draw(st.integers(0, len(self.out) - 1)))
        self.admission.settle(ticket, latency_s=latency_s, ending=ending, now_s=self.now_s)
        before = self.admission.statistics()
        with pytest.raises(ValueError, match="exactly once"):
            self.admission.settle(ticket, latency_s=latency_s, ending=ending, now_s=self.now_s)
        assert self.admission.statistics() == before

    @rule(seconds=st.floats(0.0, 3.0))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @invariant()
    def counts_and_bounds_hold(self) -> None:
        assert self.admission.in_flight == len(self.out)
        assert self.minimum <= self.admission.limit <= 30


TestAdmissionMachine = AdmissionMachine.TestCase
TestAdmissionMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
