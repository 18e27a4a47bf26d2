"""Whatever is found, judged and said of a rollout in whatever order, this holds:

1. An illegal command raises and changes nothing.
2. It has traffic only after it was prepared, and none once it is going back, or over.
3. WORSE takes it back in the very next decision, from everywhere on its way, and so does a
   rollback; from then on it has no traffic again.
4. By itself it goes on only when NOT_WORSE, with its least time and samples; what is said by a
   person, or by nobody for its greatest time, is the only other way out of a step.
5. While it is on its way its weight never falls, and one step is taken at a time.
6. What is over stays what it is; stable moves by completion only.
7. The same facts at the same time lead to the same decision; a decision moves once, and asks
   again at once if it has; a wake is never in the past of what it waits for.
8. However it was left, a person and good facts bring it to an end.
"""

from __future__ import annotations

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control_plane.core.rollout import (
    Command,
    Facts,
    IllegalEvent,
    Kind,
    Plan,
    Rollout,
    State,
    Verdict,
    advance,
    obey,
    roll_back,
)
from control_plane.errors import ControlPlaneError
from tests.unit.core.rollout.rolling import DAMAGE_ENGINE, NOW_S, PLANS, started

GOING_BACK = (State.ROLLING_BACK, State.ROLLED_BACK, State.FAILED)
TRIED = (State.SHADOW, State.STEP)

plans = st.one_of(
    st.sampled_from([PLANS[kind] for kind in (Kind.EXPERIMENT, Kind.SHADOW, Kind.DIRECT)]),
    st.builds(
        Plan,
        steps_percent=st.sets(st.integers(1, 100), min_size=1, max_size=5).map(
            lambda steps: tuple(sorted(steps))
        ),
        shadow_percent=st.sampled_from([0, 0, 20]),
        min_step_s=st.sampled_from([0.0, 10.0]),
        max_step_s=st.sampled_from([10.0, 100.0]),
        min_samples=st.sampled_from([1, 20]),
        is_manual=st.sampled_from([False, False, True]),
    ),
)
found = st.builds(
    Facts,
    is_prepared=st.sampled_from([True, True, False]),
    is_gone=st.booleans(),
    refusal=st.sampled_from(["", "", "", "", "", "no such version"]),
    verdict=st.sampled_from([*Verdict, *[Verdict.NOT_WORSE] * 4]),
    samples=st.sampled_from([0, 19, 20, 500]),
)


class RolloutMachine(RuleBasedStateMachine):
    @initialize(plan=plans)
    def begin(self, plan: Plan) -> None:
        self.rollout = started(plan)
        self.now_s = NOW_S
        self.was_prepared = False
        self.entered_s = NOW_S

    @rule(seconds=st.sampled_from([0.0, 1.0, 9.0, 10.0, 100.0, 600.0]))
    def wait(self, seconds: float) -> None:
        self.now_s += seconds

    @rule(facts=found, times=st.integers(1, 3))
    def decide(self, facts: Facts, times: int) -> None:
        for _ in range(times):
            self.decide_once(facts)

    def decide_once(self, facts: Facts) -> None:
        before = self.rollout
        decision = advance(before, facts, self.now_s)
        assert decision == advance(before, facts, self.now_s)
        after = decision.rollout
        has_moved = after is not before
        if has_moved:
            assert decision.wake_s == self.now_s
        elif decision.wake_s is not None:
            assert decision.wake_s > self.now_s
        self.was_prepared |= before.state is State.PREPARING and facts.is_prepared
        is_over = before.is_finished or before.state is State.ROLLING_BACK
        if facts.verdict is Verdict.WORSE and not is_over:
            assert after.state is State.ROLLING_BACK
        elif before.state in TRIED and has_moved:
            self.check_tried(before, after, facts)
        elif before.state is State.PAUSED:
            assert not has_moved
        self.take(after)

    def check_tried(self, before: Rollout, after: Rollout, facts: Facts) -> None:
        plan = before.plan
        assert not plan.is_manual
        assert plan.kind is Kind.CANARY
        spent_s = self.now_s - self.entered_s
        if after.state is State.PAUSED:
            assert spent_s >= plan.max_step_s
        else:
            assert facts.verdict is Verdict.NOT_WORSE
            assert spent_s >= plan.min_step_s
            assert facts.samples >= plan.min_samples

    @rule(command=st.sampled_from(Command))
    def command(self, command: Command) -> None:
        before = self.rollout
        try:
            after = obey(before, command, "told", self.now_s)
        except IllegalEvent:
            assert self.rollout == before
            return
        if command is Command.PAUSE:
            assert (after.state, after.place) == (State.PAUSED, before.state)
            assert after.traffic == before.traffic
        elif command is Command.RESUME:
            assert (after.state, after.traffic) == (before.place, before.traffic)
        elif command is Command.ABORT:
            assert after.state in GOING_BACK
        else:
            assert before.place in TRIED
        self.take(after)

    @rule()
    def roll_back(self) -> None:
        if self.rollout.state is State.COMPLETED:
            return
        self.take(
            roll_back(
                "r2",
                DAMAGE_ENGINE,
                stable="1.0.0",
                last=self.rollout,
                to=None,
                reason="told",
                now_s=self.now_s,
            )
        )
        assert self.rollout.rollout_id == "r1"
        assert self.rollout.state in GOING_BACK

    def take(self, after: Rollout) -> None:
        before = self.rollout
        if before.is_finished:
            assert after is before
        if after.state in GOING_BACK:
            assert not after.traffic.is_any
        else:
            assert before.state not in GOING_BACK
            was_bp = before.traffic.weight_bp
            assert after.traffic.weight_bp >= was_bp or after.state is State.COMPLETED
        assert after.step - before.step in (0, 1)
        if after.state is not before.state or after.step != before.step:
            self.entered_s = self.now_s
        self.rollout = after

    @invariant()
    def traffic_only_after_the_proof(self) -> None:
        assert self.was_prepared or not self.rollout.traffic.is_any
        assert self.was_prepared or self.rollout.state is not State.COMPLETED

    @invariant()
    def stable_moves_by_completion(self) -> None:
        has_moved = self.rollout.stable_now != "1.0.0"
        completes = self.rollout.state is State.COMPLETED
        assert has_moved is (completes and self.rollout.plan.kind is not Kind.SHADOW)

    @invariant()
    def paused_is_somewhere(self) -> None:
        assert (self.rollout.paused_in is not None) is (self.rollout.state is State.PAUSED)

    def teardown(self) -> None:
        if not hasattr(self, "rollout"):
            return
        good = Facts(is_prepared=True, is_gone=True, verdict=Verdict.NOT_WORSE, samples=10**6)
        for _ in range(20):
            self.now_s += 10.0
            self.decide_once(good)
            for command in (Command.RESUME, Command.ADVANCE):
                try:
                    self.rollout = obey(self.rollout, command, "told", self.now_s)
                except ControlPlaneError:
                    continue
        assert self.rollout.is_finished


TestRollout = RolloutMachine.TestCase
TestRollout.settings = settings(max_examples=150, stateful_step_count=40, deadline=None)
