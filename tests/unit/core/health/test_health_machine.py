"""Whatever is seen, probed and said of an instance in whatever order, this holds:

1. An illegal event raises and changes nothing.
2. Looks never move it out of draining or isolated.
3. Every change is in the history once, oldest first, each beginning where the last one of the
   same subject ended; the history is bounded.
4. An engine is fit only if it was served at the last look, its fitness is FIT or it has no
   golden input, and the instance is healthy or degraded. With a golden input it has answered
   rightly since it was last loaded or mended.
5. Nobody is both fit and on standby, nor either if its last answer was wrong. Who is
   neither is held back, being mended, given up, not proved, or answered wrongly.
6. While it is healthy its last look was not dead; by failed_looks hung or dead ones it is
   unhealthy, unless an operator holds it back.
7. A look changes no engine's fitness, but for one that is not served any more; and while an
   engine with a golden input is fit, no look that calls the instance ready makes it unhealthy.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, rule

from control_plane.core.health import (
    Change,
    Fitness,
    HealthOptions,
    IllegalEvent,
    InstanceHealth,
    Look,
    ProbeResult,
    State,
)
from control_plane.core.health.states import HELD_BACK, TAKES_TRAFFIC
from tests.unit.core.health.looking import OK, SLOW, WRONG

GOLDEN = frozenset("abc")
ENGINES = frozenset("abcd")
HISTORY = 20
engines = st.sampled_from(sorted(ENGINES))


class HealthMachine(RuleBasedStateMachine):
    @initialize(
        failed_looks=st.integers(1, 3),
        good_looks=st.integers(1, 4),
        failed_probes=st.integers(1, 3),
        good_probes=st.integers(1, 3),
    )
    def start(self, **options: int) -> None:
        self.options = HealthOptions(history=HISTORY, **options)
        self.instance = InstanceHealth("triton-0", self.options)
        self.last = Look(is_live=False, is_ready=False)
        self.changes: list[Change] = []
        self.now_s = 0.0
        self.unanswered_looks = 0
        # What the engines there answered, by the probes alone.
        self.proved: set[str] = set()
        self.wrong: set[str] = set()

    @rule(
        is_live=st.sampled_from([True, True, True, False]),
        is_ready=st.booleans(),
        is_answering=st.sampled_from([True, True, False]),
        serving=st.one_of(st.just(ENGINES), st.frozensets(engines)),
    )
    def look(
        self, is_live: bool, is_ready: bool, is_answering: bool, serving: frozenset[str]
    ) -> None:
        self.now_s += 1.0
        seen = serving if is_answering else self.last.serving
        self.last = Look(
            is_live,
            is_ready and is_answering,
            seen if is_live else frozenset(),
            GOLDEN,
            is_answering,
        )
        state, fitness = self.instance.state, self.fitness()
        self.changes += self.instance.looked(self.last, self.now_s)
        if state in HELD_BACK:
            assert self.instance.state is state
        is_unanswered = not is_live or not is_answering
        self.unanswered_looks = self.unanswered_looks + 1 if is_unanswered else 0
        self.forget(ENGINES - self.last.serving)
        for engine in self.last.serving & GOLDEN:
            assert self.instance.fitness(engine) is (fitness[engine] or Fitness.PROVING)
        is_one_fit = any(self.instance.fitness(engine) is Fitness.FIT for engine in GOLDEN)
        if is_live and self.last.is_ready and is_one_fit:
            assert state is State.UNHEALTHY or self.instance.state is not State.UNHEALTHY

    @rule(times=st.integers(1, 4))
    def look_well(self, times: int) -> None:
        for _ in range(times):
            self.look(True, True, True, ENGINES)

    @rule(times=st.integers(1, 4))
    def all_well(self, times: int) -> None:
        for _ in range(times):
            self.look(True, True, True, ENGINES)
            self.probe_all(OK)

    @rule(times=st.integers(1, 4))
    def hang(self, times: int) -> None:
        for _ in range(times):
            self.look(True, False, False, frozenset())

    @rule(result=st.sampled_from(ProbeResult))
    def probe_all(self, result: ProbeResult) -> None:
        for engine in sorted(ENGINES):
            self.probe(engine, result)

    @rule(engine=engines, results=st.lists(st.sampled_from(ProbeResult), min_size=1, max_size=4))
    def probe_in_a_row(self, engine: str, results: list[ProbeResult]) -> None:
        for result in results:
            self.probe(engine, result)

    def probe(self, engine: str, result: ProbeResult) -> None:
        self.now_s += 0.1
        # One without a golden input is judged from its first mend on.
        is_known = engine in self.last.serving and self.instance.fitness(engine) is not None
        changes = self.instance.probed(engine, result, "told", self.now_s)
        self.changes += changes
        assert is_known or not changes
        if is_known and result in (OK, SLOW):
            self.wrong.discard(engine)
            self.proved.add(engine)
        elif is_known and result is WRONG:
            self.wrong.add(engine)
        self.standby_is_the_last_resort()

    @rule(verb=st.sampled_from(["drain", "undrain", "isolate", "heal"]))
    def operate(self, verb: str) -> None:
        given_up = [each for each, known in self.fitness().items() if known is Fitness.GIVEN_UP]
        done = self.attempt(lambda: getattr(self.instance, verb)("told", self.now_s))
        if done and verb == "heal":
            self.proved -= set(given_up)

    @rule(verb=st.sampled_from(["take_out", "mended", "mend_failed", "give_up"]), engine=engines)
    def mend(self, verb: str, engine: str) -> None:
        done = self.attempt(lambda: getattr(self.instance, verb)(engine, "told", self.now_s))
        if done and verb == "mended":
            self.forget({engine})
            self.proved.add(engine)  # to the mender

    def attempt(self, act: Callable[[], Iterable[Change]]) -> bool:
        self.now_s += 0.1
        before = self.snapshot()
        try:
            self.changes += act()
        except IllegalEvent:
            assert self.snapshot() == before
            return False
        return True

    def forget(self, engines: Iterable[str]) -> None:
        """What ran there before runs there no more."""
        self.proved -= set(engines)
        self.wrong -= set(engines)

    def fitness(self) -> dict[str, Fitness | None]:
        return {engine: self.instance.fitness(engine) for engine in ENGINES}

    def snapshot(self) -> tuple[object, ...]:
        instance = self.instance
        reasons = [instance.fitness_reason(engine) for engine in sorted(ENGINES)]
        engines = (self.fitness(), instance.fit_engines, instance.standby_engines, reasons)
        return repr(instance), instance.history, *engines

    @invariant()
    def history_is_whole(self) -> None:
        assert self.instance.history == tuple(self.changes[-HISTORY:])
        times = [change.at_s for change in self.changes]
        assert times == sorted(times)
        last: dict[str | None, object] = {None: State.UNKNOWN}
        for change in self.changes:
            assert change.from_state is last.get(change.engine, Fitness.PROVING)
            assert change.from_state is not change.to_state
            last[change.engine] = change.to_state
        assert self.instance.state is last[None]
        for engine, fitness in self.fitness().items():
            assert (fitness or Fitness.PROVING) is last.get(engine, Fitness.PROVING)

    @invariant()
    def only_the_fit_take_traffic(self) -> None:
        fit = self.instance.fit_engines
        assert not fit or self.instance.state in TAKES_TRAFFIC
        assert fit <= self.last.serving
        for engine in fit:
            without_golden = (None, Fitness.FIT)  # FIT from its first mend on
            allowed = (Fitness.FIT,) if engine in GOLDEN else without_golden
            assert self.instance.fitness(engine) in allowed
        assert fit & GOLDEN <= self.proved

    @invariant()
    def standby_is_the_last_resort(self) -> None:
        fit, standby = self.instance.fit_engines, self.instance.standby_engines
        assert not fit & standby
        assert not self.wrong & (fit | standby)
        may_be_asked = {
            engine
            for engine in self.last.serving - self.wrong
            if self.instance.fitness(engine) in (None, Fitness.FIT, Fitness.UNFIT)
        }
        is_held_back = self.instance.state in HELD_BACK
        assert fit | standby == (frozenset() if is_held_back else may_be_asked)

    @invariant()
    def what_does_not_answer_is_unhealthy(self) -> None:
        if self.instance.state is State.HEALTHY:
            assert self.last.is_live
        if self.instance.state in TAKES_TRAFFIC:
            assert self.unanswered_looks < self.options.failed_looks


TestHealthMachine = HealthMachine.TestCase
TestHealthMachine.settings = settings(max_examples=100, stateful_step_count=40, deadline=None)
