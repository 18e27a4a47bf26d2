"""An instance's health as its looks, its operators and its mender move it."""

from __future__ import annotations

import pytest
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

OK, WRONG, FAILED, SLOW = (
    ProbeResult.OK,
    ProbeResult.WRONG_ANSWER,
    ProbeResult.FAILED,
    ProbeResult.SLOW,
)
ENGINES = frozenset({"damage", "volume"})
DEAD = Look(is_live=False, is_ready=False)


def look(damage: ProbeResult = OK, volume: ProbeResult = OK, **others: bool) -> Look:
    alive = {"is_live": True, "is_ready": True, **others}
    return Look(probes={"damage": damage, "volume": volume}, serving=ENGINES, **alive)


def health(*looks: Look, **options: int) -> InstanceHealth:
    instance = InstanceHealth("triton-0", HealthOptions(**options))
    for number, one in enumerate(looks):
        instance.looked(one, float(number))
    return instance


@pytest.mark.parametrize(
    "name", ["failed_looks", "good_looks", "failed_probes", "good_probes", "history"]
)
def test_options_below_one_are_refused(name: str) -> None:
    HealthOptions(**{name: 1})
    with pytest.raises(ValueError, match=name):
        HealthOptions(**{name: 0})


def test_before_the_first_look_nothing_is_known_and_nothing_served() -> None:
    instance = health()
    assert repr(instance) == "<InstanceHealth triton-0 unknown: not looked at yet>"
    assert instance.fit_engines == frozenset()
    assert instance.history == ()
    assert instance.fitness("damage") is None
    assert instance.fitness_reason("damage") == ""


def test_the_first_good_look_serves() -> None:
    instance = health()
    changes = instance.looked(look(), 5.0)
    assert changes == (
        Change(5.0, Fitness.PROVING, Fitness.FIT, "probe: ok", "damage"),
        Change(5.0, Fitness.PROVING, Fitness.FIT, "probe: ok", "volume"),
        Change(5.0, State.UNKNOWN, State.HEALTHY, "all is well"),
    )
    assert instance.history == changes
    assert instance.fit_engines == ENGINES
    assert instance.looked(look(), 6.0) == ()
    assert instance.history == changes


def test_one_engine_failing_takes_that_engine_out_by_two() -> None:
    instance = health(look(), look(damage=FAILED))
    assert instance.state is State.DEGRADED
    assert instance.reason == "probe damage: failed"
    assert instance.fit_engines == ENGINES
    instance.looked(look(damage=FAILED), 2.0)
    assert instance.fit_engines == {"volume"}
    assert instance.fitness("damage") is Fitness.UNFIT
    assert instance.fitness_reason("damage") == "probe: failed"
    for now_s in (3.0, 4.0):
        assert instance.fit_engines == {"volume"}
        instance.looked(look(), now_s)
    assert instance.fit_engines == ENGINES
    assert instance.state is State.DEGRADED
    instance.looked(look(), 5.0)
    assert instance.state is State.HEALTHY


def test_all_failing_makes_it_unhealthy_by_two_and_good_looks_bring_it_back() -> None:
    instance = health(look(), look(FAILED, FAILED))
    assert instance.state is State.HEALTHY
    instance.looked(look(FAILED, FAILED), 2.0)
    assert instance.state is State.UNHEALTHY
    assert instance.fit_engines == frozenset()
    instance.looked(look(), 3.0)
    instance.looked(look(), 4.0)
    assert instance.state is State.UNHEALTHY
    assert instance.fit_engines == frozenset()
    instance.looked(look(), 5.0)
    assert instance.state is State.HEALTHY
    assert instance.fit_engines == ENGINES


def test_the_way_up_may_have_a_landing() -> None:
    instance = health(look(FAILED, FAILED), look(damage=SLOW), look())
    assert instance.state is State.UNHEALTHY
    instance.looked(look(), 3.0)
    assert instance.state is State.DEGRADED
    instance.looked(look(), 4.0)
    assert instance.state is State.HEALTHY


def test_the_defaults() -> None:
    assert HealthOptions() == HealthOptions(
        failed_looks=2, good_looks=3, failed_probes=2, good_probes=2, history=100
    )


def test_a_dead_one_is_out_at_once_and_its_engines_prove_themselves_anew() -> None:
    instance = health(look(), look(damage=FAILED), look(damage=FAILED))
    # Whatever a look that was refused claims to have seen is not served.
    changes = instance.looked(look(is_live=False), 3.0)
    assert changes == (
        Change(3.0, Fitness.UNFIT, Fitness.PROVING, "not served here", "damage"),
        Change(3.0, Fitness.FIT, Fitness.PROVING, "not served here", "volume"),
        Change(3.0, State.DEGRADED, State.UNHEALTHY, "connection refused"),
    )
    assert instance.fit_engines == frozenset()
    assert instance.fitness("damage") is None
    for now_s in (4.0, 5.0, 6.0):
        instance.looked(look(), now_s)
    assert instance.fit_engines == ENGINES


def test_an_engine_without_a_probe_is_believed_to_be_ready() -> None:
    instance = health(Look(True, True, {}, frozenset({"echo"})))
    assert instance.fit_engines == {"echo"}
    assert instance.fitness("echo") is None


def test_a_probe_of_an_engine_that_is_not_served_makes_it_no_engine_there() -> None:
    instance = health(Look(True, True, {"damage": OK, "volume": OK}, frozenset({"volume"})))
    assert instance.fit_engines == {"volume"}
    assert instance.fitness("damage") is None


def test_an_engine_served_but_not_probed_this_time_stays_as_it_was() -> None:
    instance = health(look(damage=WRONG), Look(True, True, {"volume": OK}, ENGINES))
    assert instance.fit_engines == {"volume"}


class TestOperators:
    def test_draining_wins_over_looks_until_it_is_undone(self) -> None:
        instance = health(look())
        assert instance.drain("maintenance", 1.0) == (
            Change(1.0, State.HEALTHY, State.DRAINING, "maintenance"),
        )
        assert instance.fit_engines == frozenset()
        assert instance.looked(look(), 2.0) == ()
        assert instance.looked(look(FAILED, OK), 3.0) == ()
        assert (instance.state, instance.reason) == (State.DRAINING, "maintenance")
        instance.undrain("done", 4.0)
        assert (instance.state, instance.fit_engines) == (State.UNKNOWN, frozenset())
        instance.looked(look(), 5.0)
        assert instance.state is State.HEALTHY
        assert instance.fit_engines == ENGINES

    def test_isolated_stays_so_until_healed(self) -> None:
        instance = health(look())
        instance.drain("first", 1.0)
        instance.isolate("suspicious", 2.0)
        instance.looked(look(), 3.0)
        assert (instance.state, instance.fit_engines) == (State.ISOLATED, frozenset())
        assert instance.heal("looked into", 4.0) == (
            Change(4.0, State.ISOLATED, State.UNKNOWN, "looked into"),
        )

    def test_looks_from_before_do_not_count_after(self) -> None:
        instance = health(look(FAILED, FAILED))
        instance.heal("replaced", 1.0)
        instance.looked(look(), 2.0)
        assert instance.state is State.HEALTHY
        instance.looked(look(FAILED, FAILED), 3.0)
        assert instance.state is State.HEALTHY

    def test_an_illegal_event_raises_and_changes_nothing(self) -> None:
        instance = health(look())
        before = (instance.state, instance.reason, instance.history, instance.fit_engines)
        with pytest.raises(IllegalEvent, match="instance 'triton-0' is healthy: undrain"):
            instance.undrain("why", 1.0)
        with pytest.raises(IllegalEvent, match="engine 'damage' is fit: mended"):
            instance.mended("damage", "why", 1.0)
        with pytest.raises(IllegalEvent, match="'echo' on 'triton-0' is not probed there"):
            instance.take_out("echo", "why", 1.0)
        assert before == (instance.state, instance.reason, instance.history, instance.fit_engines)

    def test_healing_a_draining_instance_is_refused_with_its_engines(self) -> None:
        instance = health(look(damage=WRONG))
        instance.give_up("damage", "five mends", 1.0)
        instance.drain("maintenance", 2.0)
        with pytest.raises(IllegalEvent):
            instance.heal("why", 3.0)
        assert instance.fitness("damage") is Fitness.GIVEN_UP


class TestMending:
    def test_taken_out_no_probe_brings_it_in_and_mended_one_does(self) -> None:
        instance = health(look())
        assert instance.take_out("damage", "mending", 1.0) == (
            Change(1.0, Fitness.FIT, Fitness.MENDING, "mending", "damage"),
        )
        assert instance.fit_engines == {"volume"}
        instance.looked(look(), 2.0)
        instance.looked(Look(True, True, {"volume": OK}, frozenset({"volume"})), 3.0)
        assert instance.fitness("damage") is Fitness.MENDING
        instance.mended("damage", "loaded anew", 4.0)
        assert instance.fit_engines == {"volume"}
        instance.looked(look(), 5.0)
        assert instance.fit_engines == ENGINES

    def test_a_mend_that_failed_needs_two_good_probes(self) -> None:
        instance = health(look())
        instance.take_out("damage", "mending", 1.0)
        instance.mend_failed("damage", "load refused", 2.0)
        assert instance.fitness_reason("damage") == "load refused"
        instance.looked(look(), 3.0)
        assert instance.fit_engines == {"volume"}
        instance.looked(look(), 4.0)
        assert instance.fit_engines == ENGINES

    def test_given_up_it_stays_out_until_healed(self) -> None:
        instance = health(look(damage=WRONG))
        instance.give_up("damage", "five mends", 1.0)
        for now_s in (2.0, 3.0, 4.0, 5.0):
            instance.looked(look(), now_s)
        assert instance.state is State.HEALTHY
        assert instance.fit_engines == {"volume"}
        assert instance.heal("new driver", 6.0) == (
            Change(6.0, Fitness.GIVEN_UP, Fitness.PROVING, "new driver", "damage"),
        )
        instance.looked(look(), 7.0)
        assert instance.fit_engines == ENGINES


def test_the_history_is_bounded() -> None:
    instance = health(history=3)
    for now_s in range(10):
        instance.drain(f"drain {now_s}", now_s)
        instance.undrain(f"undrain {now_s}", now_s)
    assert [change.reason for change in instance.history] == ["undrain 8", "drain 9", "undrain 9"]


class HealthMachine(RuleBasedStateMachine):
    """Invariants: those in InstanceHealth's docstring."""

    @initialize(failed=st.integers(1, 3), good=st.integers(1, 4))
    def start(self, failed: int, good: int) -> None:
        self.options = HealthOptions(failed_looks=failed, good_looks=good, history=20)
        self.instance = InstanceHealth("triton-0", self.options)
        self.looks: list[Look] = []
        self.changes: list[Change] = []
        self.now_s = 0.0

    @rule(
        is_live=st.sampled_from([True, True, True, False]),
        is_ready=st.booleans(),
        probes=st.dictionaries(st.sampled_from("abc"), st.sampled_from(ProbeResult)),
        serving=st.frozensets(st.sampled_from("abcd")),
    )
    def look(
        self,
        is_live: bool,
        is_ready: bool,
        probes: dict[str, ProbeResult],
        serving: frozenset[str],
    ) -> None:
        self.now_s += 1.0
        seen = Look(is_live, is_ready, probes, serving)
        before = self.instance.state
        self.changes += self.instance.looked(seen, self.now_s)
        self.looks.append(seen)
        if before in (State.DRAINING, State.ISOLATED):
            assert self.instance.state is before

    @rule(times=st.integers(1, 4))
    def all_well(self, times: int) -> None:
        for _ in range(times):
            self.look(True, True, dict.fromkeys("abc", OK), frozenset("abc"))

    @rule(verb=st.sampled_from(["drain", "undrain", "isolate", "heal"]))
    def operate(self, verb: str) -> None:
        self.attempt(lambda: getattr(self.instance, verb)("told", self.now_s))

    @rule(
        verb=st.sampled_from(["take_out", "mended", "mend_failed", "give_up"]),
        engine=st.sampled_from("abcd"),
    )
    def mend(self, verb: str, engine: str) -> None:
        self.attempt(lambda: getattr(self.instance, verb)(engine, "told", self.now_s))

    def attempt(self, act: object) -> None:
        def snapshot() -> tuple[object, ...]:
            fitness = tuple(self.instance.fitness(engine) for engine in "abcd")
            return (
                repr(self.instance),
                fitness,
                self.instance.history,
                self.instance.fit_engines,
            )

        before = snapshot()
        try:
            self.changes += act()  # type: ignore[operator]
        except IllegalEvent:
            assert snapshot() == before

    @invariant()
    def history_is_whole(self) -> None:
        assert self.instance.history == tuple(self.changes[-20:])
        last: dict[str | None, object] = {None: State.UNKNOWN}
        for change in self.changes:
            assert change.from_state is last.get(change.engine, Fitness.PROVING)
            assert change.from_state is not change.to_state
            last[change.engine] = change.to_state
        assert self.instance.state is last[None]

    @invariant()
    def only_the_fit_take_traffic(self) -> None:
        fit = self.instance.fit_engines
        if self.instance.state not in (State.HEALTHY, State.DEGRADED):
            assert not fit
        for engine in fit:
            assert self.looks[-1].is_live
            assert engine in self.looks[-1].serving
            assert self.instance.fitness(engine) in (None, Fitness.FIT)

    @invariant()
    def what_is_healthy_was_live(self) -> None:
        if self.instance.state is State.HEALTHY:
            assert self.looks[-1].is_live


TestHealthMachine = HealthMachine.TestCase
TestHealthMachine.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
