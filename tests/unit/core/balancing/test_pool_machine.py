"""Whatever is asked of a pool in whatever order, this holds:

1. A place in flight is taken once and given back once: the count of a member is the number of
   its reservations that are out, never negative, and 0 when all are settled.
2. A reservation is settled once; a second time is refused and changes nothing.
3. The barred and the isolated are never picked, who was tried only if nobody else is ready;
   None only if nobody is ready. The benched are picked in panic only, only if there is nobody
   else but them, and never against their breakers.
4. The lists and the agenda hold exactly the members that a naive look at every breaker says.
5. Beyond the ejected share every pick but a probe or a check is a panic; else only one that
   found nobody in rotation or to be probed is. Panics are counted.
6. Outside panic every pick has a permit, and no member has more probes out than its limit.
   A stream is no probe.
7. Whoever is ready, a sequence has a home among them, and it is the same when asked again.
"""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from control_plane.core.balancing import LoadOptions, PolicyName, Pool, PoolOptions, Reservation
from control_plane.core.breaker import BreakerOptions, State
from control_plane.core.outcomes import Verdict

NAMES = st.sampled_from(["a", "b", "c", "d", "e"])
BREAKER = BreakerOptions(consecutive_failures=2, first_open_s=1.0, longest_open_s=8.0)


class PoolMachine(RuleBasedStateMachine):
    policy = PolicyName.P2C_EWMA

    def __init__(self) -> None:
        super().__init__()
        self.rng = Random(11)
        self.now_s = 1000.0
        options = PoolOptions(
            policy=self.policy, breaker=BREAKER, load=LoadOptions(slow_start_s=2.0)
        )
        self.pool = Pool(options)
        self.options = options
        # By member object, for a name may come back while calls to the old one are out.
        self.out: list[tuple[Reservation, object]] = []
        self.settled: list[Reservation] = []
        self.panics = 0

    @rule(name=NAMES, weight=st.sampled_from([0.5, 1.0, 3.0]))
    def add(self, name: str, weight: float) -> None:
        is_new = name not in self.pool
        assert self.pool.add(name, self.now_s, weight=weight) == is_new

    @rule(name=NAMES)
    def remove(self, name: str) -> None:
        is_member = name in self.pool
        assert self.pool.remove(name) == is_member

    @rule(name=NAMES)
    def isolate_or_release(self, name: str) -> None:
        if name not in self.pool:
            return
        if self.pool._members[name].breaker.state is State.ISOLATED:
            self.pool.release(name, self.now_s)
        else:
            self.pool.isolate(name, self.now_s)

    @rule(name=NAMES)
    def bench(self, name: str) -> None:
        if name in self.pool:
            self.pool.bench(name, self.now_s)

    @rule(name=NAMES)
    def unbench(self, name: str) -> None:
        if name not in self.pool:
            return
        member = self.pool._members[name]
        was_benched, before = member.is_benched, self.pool.statistics(self.now_s)
        self.pool.unbench(name, self.now_s)
        if was_benched:
            assert not member.is_benched
            assert member.breaker.state is not State.OPEN
        else:
            assert self.pool.statistics(self.now_s) == before

    @rule(name=NAMES, pending=st.integers(0, 50))
    def hint(self, name: str, pending: int) -> None:
        self.pool.update_hint(name, pending)

    @rule(pause_s=st.sampled_from([0.0, 0.01, 0.3, 1.0, 9.0]))
    def wait(self, pause_s: float) -> None:
        self.now_s += pause_s

    @rule(
        barred=st.lists(NAMES, max_size=3),
        tried=st.lists(NAMES, max_size=2),
        is_stream=st.booleans(),
    )
    def reserve(self, barred: list[str], tried: list[str], is_stream: bool) -> None:
        members = self.pool._members.values()
        allowed = {
            each.name: each.breaker
            for each in members
            if each.breaker.state is not State.ISOLATED and each.name not in barred
        }
        admitting = {
            name
            for name, breaker in allowed.items()
            if breaker.admits(self.now_s) and (not is_stream or breaker.state is State.CLOSED)
        }
        fit = {each.name for each in members if not each.is_benched} & allowed.keys()
        others = fit - set(tried) or fit
        willing = admitting & others
        is_overruling = self.is_too_many_out()
        suspects = {each.name for each in self.pool._roster.suspects if not each.awaited}
        may_be_asked = {name for name in allowed if allowed[name].admits(self.now_s)}
        reservation = self.pool.reserve(
            self.now_s, self.rng, barred, tried=tried, is_stream=is_stream
        )
        if reservation is None:
            assert not fit
            return
        name = reservation.name
        assert name in others or (not fit and name in may_be_asked)
        if reservation.is_panic:
            self.panics += 1
            assert is_overruling or not willing
            assert (reservation.permit is not None) == (name in admitting)
        else:
            is_check = not (barred or tried or is_stream) and name in suspects
            assert name in willing
            assert reservation.permit is not None
            is_probe = self.pool.breaker_state(name) is State.HALF_OPEN
            assert is_probe or is_check or not is_overruling
            assert not (is_probe and is_stream)
        self.out.append((reservation, self.pool._members[name]))

    @rule(sequence=st.sampled_from(["1", "2", "3"]))
    def reserve_for_a_sequence(self, sequence: str) -> None:
        ready = {each.name for each in self.pool._roster.ready}
        homes = set()
        for _ in range(2):
            reservation = self.pool.reserve(self.now_s, self.rng, sequence=sequence)
            if reservation is None:
                assert not ready
                return
            homes.add(reservation.name)
            self.panics += reservation.is_panic
            self.out.append((reservation, self.pool._members[reservation.name]))
        assert len(homes) == 1
        assert homes <= ready or not ready

    @precondition(lambda self: self.out)
    @rule(
        which=st.integers(0, 1000),
        verdict=st.sampled_from([*Verdict, Verdict.FAILURE]),
        latency_s=st.sampled_from([0.0, 0.02, 5.0]),
    )
    def settle(self, which: int, verdict: Verdict, latency_s: float) -> None:
        reservation, _ = self.out.pop(which % len(self.out))
        self.give_back(reservation, verdict, latency_s)
        self.settled.append(reservation)

    @precondition(lambda self: self.settled)
    @rule(which=st.integers(0, 1000))
    def settle_twice(self, which: int) -> None:
        before = self.pool.statistics(self.now_s)
        with pytest.raises(ValueError, match="settled before"):
            self.give_back(self.settled[which % len(self.settled)], Verdict.FAILURE, 0.1)
        assert self.pool.statistics(self.now_s) == before

    def give_back(self, reservation: Reservation, verdict: Verdict, latency_s: float) -> None:
        self.pool.settle(reservation, verdict, latency_s=latency_s, now_s=self.now_s, rng=self.rng)

    def is_too_many_out(self) -> bool:
        members = self.pool._members.values()
        states = [each.breaker.state for each in members if not each.is_benched]
        ready = len(states) - states.count(State.ISOLATED)
        return ready - states.count(State.CLOSED) > max(1, ready // 2)

    @invariant()
    def what_is_in_flight_is_what_is_out(self) -> None:
        assert self.pool.statistics(self.now_s).in_flight == len(self.out)
        for member in self.pool._members.values():
            here = [reservation for reservation, each in self.out if each is member]
            assert member.in_flight == len(here)
            assert member.streams == sum(reservation.is_stream for reservation in here)

    @invariant()
    def everybody_is_where_a_naive_look_says(self) -> None:
        everybody = self.pool._members.values()
        members = [each for each in everybody if not each.is_benched]
        benched = {
            each.name
            for each in everybody
            if each.is_benched and each.breaker.state is not State.ISOLATED
        }
        assert {each.name for each in self.pool._roster.benched} == benched
        assert self.pool.statistics(self.now_s).benched == len(benched)
        by_state = {state: set[str]() for state in State}
        for each in members:
            by_state[each.breaker.state].add(each.name)
        names = {each.name for each in members}
        assert {each.name for each in self.pool._roster.ready} == names - by_state[State.ISOLATED]
        assert {each.name for each in self.pool._roster.rotation} == by_state[State.CLOSED]
        assert {each.name for each in self.pool._roster.suspects} <= by_state[State.CLOSED]
        has_room = {each.name for each in members if each.breaker.admits(self.now_s)}
        probing = {each.name for each in self.pool._roster.probing}
        # Open ones move over when the next call looks who is due.
        assert by_state[State.HALF_OPEN] & has_room <= probing
        assert probing <= has_room & (by_state[State.HALF_OPEN] | by_state[State.OPEN])
        waiting = {name for name in names if name in self.pool._roster.agenda}
        assert waiting == by_state[State.OPEN] - probing
        assert len(self.pool._roster.agenda) == len(waiting)
        assert self.pool.is_overruling == self.is_too_many_out()

    @invariant()
    def probes_out_are_bounded_and_panics_counted(self) -> None:
        statistics = self.pool.statistics(self.now_s)
        assert statistics.panics == self.panics
        assert all(
            0 <= each.breaker.probes_out <= BREAKER.max_probes for each in statistics.members
        )

    def teardown(self) -> None:
        for reservation, _ in self.out:
            self.give_back(reservation, Verdict.SUCCESS, 0.02)
        statistics = self.pool.statistics(self.now_s)
        assert statistics.in_flight == 0
        assert all(each.in_flight == each.breaker.probes_out == 0 for each in statistics.members)


class RoundRobinMachine(PoolMachine):
    policy = PolicyName.ROUND_ROBIN


class WeightedMachine(PoolMachine):
    policy = PolicyName.WEIGHTED


BOUNDED = settings(max_examples=40, stateful_step_count=50, deadline=None)
TestP2cEwma = PoolMachine.TestCase
TestRoundRobin = RoundRobinMachine.TestCase
TestWeighted = WeightedMachine.TestCase
TestP2cEwma.settings = TestRoundRobin.settings = TestWeighted.settings = BOUNDED
