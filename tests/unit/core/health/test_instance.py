"""An instance's health as looks and probes move it."""

from __future__ import annotations

import pytest

from control_plane.core.health import (
    NOT_SERVED,
    Change,
    Fitness,
    HealthOptions,
    InstanceHealth,
    Look,
    ProbeResult,
    State,
)
from tests.unit.core.health.looking import (
    BUSY,
    ENGINES,
    FAILED,
    HUNG,
    OK,
    SLOW,
    WELL,
    WRONG,
    look,
    looks,
    probe,
    unseen,
    well,
)


@pytest.mark.parametrize(
    "name", ["failed_looks", "good_looks", "failed_probes", "good_probes", "history"]
)
def test_options_below_one_are_refused(name: str) -> None:
    HealthOptions(**{name: 1})
    with pytest.raises(ValueError, match=name):
        HealthOptions(**{name: 0})


def test_the_defaults() -> None:
    assert HealthOptions() == HealthOptions(
        failed_looks=2, good_looks=3, failed_probes=2, good_probes=2, history=100
    )


def test_before_the_first_look_nothing_is_known_and_nothing_served() -> None:
    instance = unseen()
    assert repr(instance) == "<InstanceHealth triton-0 unknown: not looked at yet>"
    assert instance.fit_engines == frozenset()
    assert instance.standby_engines == frozenset()
    assert instance.history == ()
    assert instance.fitness("damage") is None
    assert instance.fitness_reason("damage") == ""


def test_an_engine_with_a_golden_input_takes_nothing_before_its_first_good_probe() -> None:
    instance = unseen()
    changes = instance.looked(WELL, 5.0)
    proving = "damage: proving, volume: proving"
    assert changes == (Change(5.0, State.UNKNOWN, State.DEGRADED, proving),)
    for now_s in (6.0, 7.0):
        assert instance.looked(WELL, now_s) == ()
        assert instance.fitness("damage") is Fitness.PROVING
        assert instance.fitness_reason("damage") == "not probed yet"
        assert (instance.fit_engines, instance.standby_engines) == (frozenset(), frozenset())
    changes += tuple(probe(instance, 8.0, damage=OK))
    assert changes[1:] == (Change(8.0, Fitness.PROVING, Fitness.FIT, "probe: ok", "damage"),)
    assert instance.fit_engines == {"damage"}
    assert probe(instance, 9.0, volume=BUSY) == []
    assert instance.fit_engines == {"damage"}
    assert instance.history == changes
    # A slow right answer is a right one.
    probe(instance, 10.0, volume=SLOW)
    assert instance.fit_engines == {"damage", "volume"}


def test_an_engine_without_a_golden_input_is_believed_to_be_ready() -> None:
    instance = unseen()
    looks(instance, look({"echo"}))
    assert instance.fit_engines == {"echo"}
    assert instance.fitness("echo") is None
    assert probe(instance, 2.0, echo=FAILED) == []
    assert instance.fit_engines == {"echo"}


class TestProbes:
    def test_one_engine_failing_takes_that_engine_out_by_two(self) -> None:
        instance = well()
        assert probe(instance, 1.0, damage=FAILED) == []
        looks(instance, WELL)
        assert instance.state is State.DEGRADED
        assert instance.reason == "probe damage: failed"
        assert instance.fit_engines == ENGINES
        probe(instance, 2.0, damage=FAILED)
        assert instance.fit_engines == {"volume"}
        assert instance.fitness("damage") is Fitness.UNFIT
        for now_s in (3.0, 4.0):
            assert instance.fit_engines == {"volume"}
            probe(instance, now_s, damage=OK)
        assert instance.fit_engines == ENGINES

    def test_a_wrong_answer_takes_it_out_at_once(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        assert instance.fit_engines == {"volume"}

    def test_a_dead_process_takes_it_out_at_once_and_leaves_it_as_a_last_resort(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=ProbeResult.DEAD)
        assert instance.fit_engines == {"volume"}
        assert instance.standby_engines == {"damage"}  # another process of it may live

    def test_a_dead_process_makes_no_wrong_answer_right(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        probe(instance, 2.0, damage=ProbeResult.DEAD)
        assert instance.standby_engines == frozenset()

    def test_one_failed_probe_is_never_counted_twice_however_often_it_is_looked(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=FAILED)
        looks(instance, *[WELL] * 10)
        assert instance.fitness("damage") is Fitness.FIT
        assert instance.fit_engines == ENGINES
        assert instance.state is State.DEGRADED

    def test_nor_is_one_of_each_engine(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=FAILED, volume=FAILED)
        looks(instance, *[WELL] * 10)
        assert instance.fit_engines == ENGINES
        assert instance.state is State.DEGRADED

    def test_nor_is_one_good_probe(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        probe(instance, 2.0, damage=OK)
        looks(instance, *[WELL] * 10)
        assert instance.fitness("damage") is Fitness.UNFIT
        assert instance.fit_engines == {"volume"}

    def test_why_it_failed_reaches_the_history(self) -> None:
        instance = well()
        probe(instance, 1.0, "no answer in 2 s", damage=FAILED)
        (change,) = probe(instance, 2.0, "no answer in 3 s", damage=FAILED)
        assert change == Change(
            2.0, Fitness.FIT, Fitness.UNFIT, "probe: failed: no answer in 3 s", "damage"
        )
        assert instance.history[-1] == change
        assert instance.fitness_reason("damage") == change.reason
        (change,) = probe(instance, 3.0, "crack 0.9, not 0.1", volume=WRONG)
        assert change.reason == "probe: wrong_answer: crack 0.9, not 0.1"
        assert instance.history[-1] == change

    def test_without_a_word_why_the_result_is_the_reason(self) -> None:
        instance = well()
        (change,) = probe(instance, 1.0, damage=WRONG)
        assert change.reason == "probe: wrong_answer"

    def test_of_an_engine_not_served_there_a_probe_says_nothing(self) -> None:
        instance = unseen()
        looks(instance, look({"volume"}))
        assert probe(instance, 2.0, damage=OK) == []
        assert instance.fitness("damage") is None
        looks(instance, WELL, from_s=3.0)
        assert instance.fitness("damage") is Fitness.PROVING

    def test_nor_of_one_that_is_unloaded_while_it_is_mended(self) -> None:
        instance = well()
        instance.take_out("damage", "mending", 1.0)
        looks(instance, look({"volume"}), from_s=2.0)
        assert probe(instance, 3.0, damage=FAILED) == []
        # It would show in the grade otherwise.
        assert looks(instance, look({"volume"}), from_s=4.0) == []
        assert (instance.state, instance.reason) == (State.DEGRADED, "damage: mending")

    def test_what_is_unloaded_proves_itself_anew(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=FAILED)
        assert looks(instance, look({"volume"})) == [
            Change(1.0, Fitness.FIT, Fitness.PROVING, NOT_SERVED, "damage")
        ]
        assert instance.fitness("damage") is None
        # Nor does its last probe show any more.
        looks(instance, WELL)
        assert (instance.state, instance.reason) == (State.DEGRADED, "damage: proving")
        assert instance.fit_engines == {"volume"}
        probe(instance, 2.0, damage=OK)
        assert instance.fit_engines == ENGINES


class TestReasons:
    def test_the_reason_is_that_of_now_also_where_the_state_stays(self) -> None:
        instance = unseen()
        instance.looked(look(frozenset(), failure="loading"), 1.0)
        assert (instance.state, instance.reason) == (State.DEGRADED, "loading")
        instance.looked(WELL, 2.0)
        assert instance.reason == "damage: proving, volume: proving"
        probe(instance, 3.0, damage=OK, volume=WRONG)
        instance.looked(WELL, 4.0)
        assert instance.reason == "probe volume: wrong_answer"
        assert len([one for one in instance.history if one.engine is None]) == 1

    def test_so_is_that_of_an_engine_that_is_fit(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=SLOW)
        assert instance.fitness_reason("damage") == "probe: slow"
        probe(instance, 2.0, damage=OK)
        assert instance.fitness_reason("damage") == "probe: ok"


class TestLooks:
    def test_all_failing_makes_it_unhealthy_by_two_and_good_looks_bring_it_back(self) -> None:
        instance = well()
        for now_s in (1.0, 2.0):
            probe(instance, now_s, damage=FAILED, volume=FAILED)
        looks(instance, WELL, from_s=2.0)
        assert instance.state is State.HEALTHY
        looks(instance, WELL, from_s=3.0)
        assert instance.state is State.UNHEALTHY
        assert instance.reason == "probe damage: failed, volume: failed"
        for now_s in (4.0, 5.0):
            probe(instance, now_s, damage=OK, volume=OK)
            looks(instance, WELL, from_s=now_s)
            assert instance.state is State.UNHEALTHY
            assert instance.fit_engines == frozenset()
        looks(instance, WELL, from_s=6.0)
        assert (instance.state, instance.reason) == (State.DEGRADED, "recovering")
        assert instance.fit_engines == ENGINES
        looks(instance, WELL, from_s=7.0)
        assert instance.state is State.HEALTHY

    def test_the_way_up_may_have_a_landing(self) -> None:
        instance = well()
        looks(instance, HUNG, HUNG)
        assert instance.state is State.UNHEALTHY
        probe(instance, 3.0, damage=SLOW)
        looks(instance, WELL, from_s=3.0)
        probe(instance, 4.0, damage=OK)
        looks(instance, WELL, from_s=4.0)
        assert instance.state is State.UNHEALTHY
        looks(instance, WELL, from_s=5.0)
        assert instance.state is State.DEGRADED
        looks(instance, WELL, from_s=6.0)
        assert instance.state is State.HEALTHY

    def test_a_dead_one_is_out_at_once_and_its_engines_prove_themselves_anew(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        # Whatever a look that was refused claims to have seen is not served.
        assert looks(instance, look(is_live=False), from_s=3.0) == [
            Change(3.0, Fitness.UNFIT, Fitness.PROVING, "not served here", "damage"),
            Change(3.0, Fitness.FIT, Fitness.PROVING, "not served here", "volume"),
            Change(3.0, State.HEALTHY, State.UNHEALTHY, "connection refused"),
        ]
        assert (instance.fit_engines, instance.standby_engines) == (frozenset(), frozenset())
        assert instance.fitness("damage") is None
        looks(instance, *[WELL] * 3, from_s=4.0)
        assert instance.fit_engines == frozenset()
        probe(instance, 7.0, damage=OK, volume=OK)
        assert instance.fit_engines == ENGINES

    def test_a_hung_one_is_out_by_two_whatever_its_probes_said(self) -> None:
        instance = well()
        assert looks(instance, HUNG) == []
        assert instance.fit_engines == ENGINES
        assert looks(instance, HUNG, from_s=2.0) == [
            Change(2.0, State.HEALTHY, State.UNHEALTHY, "does not answer in time")
        ]
        assert instance.fit_engines == frozenset()
        assert instance.standby_engines == ENGINES
        probe(instance, 3.0, damage=OK, volume=OK)
        looks(instance, *[HUNG] * 5, from_s=3.0)
        assert instance.state is State.UNHEALTHY
        assert instance.fit_engines == frozenset()
        assert instance.standby_engines == ENGINES
        assert instance.fitness("damage") is Fitness.FIT

    def test_one_that_hangs_when_first_looked_at_never_was_fit(self) -> None:
        instance = unseen()
        looks(instance, look({"echo"}, is_answering=False))
        assert instance.state is State.UNHEALTHY
        assert (instance.fit_engines, instance.standby_engines) == (frozenset(), {"echo"})


def test_the_history_is_bounded() -> None:
    instance = unseen(history=3)
    for now_s in range(10):
        instance.drain(f"drain {now_s}", now_s)
        instance.undrain(f"undrain {now_s}", now_s)
    assert [change.reason for change in instance.history] == ["undrain 8", "drain 9", "undrain 9"]


def test_a_look_knows_of_no_golden_input_unless_it_is_told() -> None:
    instance = unseen()
    instance.looked(Look(is_live=True, is_ready=True, serving=ENGINES), 1.0)
    assert instance.state is State.HEALTHY
    assert instance.fit_engines == ENGINES


class TestWithoutGoldenInput:
    """Nobody probes it: it is judged while it is mended, and then its own traffic has the word."""

    def served(self) -> InstanceHealth:
        instance = unseen()
        instance.looked(look(frozenset({"echo"})), 0.0)
        assert instance.fit_engines == {"echo"}
        instance.take_out("echo", "traffic fails", 1.0)
        assert instance.fit_engines == set()
        return instance

    def test_it_is_judged_from_its_first_mend_on(self) -> None:
        instance = unseen()
        looks(instance, look(ENGINES | {"echo"}))
        assert instance.judged == ENGINES
        instance.take_out("echo", "traffic fails", 2.0)
        assert instance.judged == ENGINES | {"echo"}

    def test_a_look_brings_it_in_that_was_not_seen_loaded_when_its_mend_ended(self) -> None:
        instance = self.served()
        instance.looked(look(frozenset()), 2.0)
        instance.mended("echo", "loaded anew", 3.0)
        instance.looked(look(frozenset({"echo"})), 4.0)
        assert instance.fit_engines == {"echo"}

    def test_a_look_brings_it_in_that_was_given_up_and_is_healed(self) -> None:
        instance = self.served()
        instance.give_up("echo", "five mends", 2.0)
        instance.heal("seen to", 3.0)
        instance.looked(look(frozenset({"echo"})), 4.0)
        assert instance.fit_engines == {"echo"}

    def test_while_it_is_mended_or_given_up_a_look_does_not(self) -> None:
        instance = self.served()
        instance.looked(look(frozenset({"echo"})), 2.0)
        assert instance.fit_engines == set()
        instance.give_up("echo", "five mends", 3.0)
        instance.looked(look(frozenset({"echo"})), 4.0)
        assert instance.fit_engines == set()

    @pytest.mark.parametrize("is_mended", [False, True])
    def test_it_says_nothing_for_an_instance_whose_probes_all_fail(self, is_mended: bool) -> None:
        """Mended or not: that it was loaded anew is no proof."""
        instance = unseen()
        seen = look(ENGINES | {"echo"})
        looks(instance, seen, from_s=0.0)
        if is_mended:
            instance.take_out("echo", "traffic fails", 0.5)
            instance.mended("echo", "loaded anew", 0.6)
        probe(instance, 1.0, damage=WRONG, volume=WRONG)
        looks(instance, seen, seen, from_s=2.0)
        assert instance.state is State.UNHEALTHY
        assert (instance.fit_engines, instance.standby_engines) == (frozenset(), {"echo"})
