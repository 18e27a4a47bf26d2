"""What operators and the mender say of an instance and its engines, and what stays of it."""

from __future__ import annotations

import pytest

from control_plane.core.health import Change, Fitness, IllegalEvent, State
from tests.unit.core.health.looking import (
    DEAD,
    ENGINES,
    FAILED,
    HUNG,
    OK,
    WELL,
    WRONG,
    look,
    looks,
    probe,
    well,
)


class TestOperators:
    def test_draining_wins_over_looks_until_it_is_undone(self) -> None:
        instance = well()
        assert instance.drain("maintenance", 1.0) == (
            Change(1.0, State.HEALTHY, State.DRAINING, "maintenance"),
        )
        assert instance.fit_engines == frozenset()
        assert looks(instance, WELL, HUNG, HUNG, from_s=2.0) == []
        assert (instance.state, instance.reason) == (State.DRAINING, "maintenance")
        instance.undrain("done", 5.0)
        assert (instance.state, instance.fit_engines) == (State.UNKNOWN, frozenset())
        looks(instance, WELL, from_s=6.0)
        assert instance.state is State.HEALTHY
        assert instance.fit_engines == ENGINES

    def test_isolated_stays_so_until_healed(self) -> None:
        instance = well()
        instance.drain("first", 1.0)
        assert instance.isolate("suspicious", 2.0) == (
            Change(2.0, State.DRAINING, State.ISOLATED, "suspicious"),
        )
        looks(instance, WELL, DEAD, from_s=3.0)
        assert (instance.state, instance.fit_engines) == (State.ISOLATED, frozenset())
        assert instance.heal("looked into", 5.0) == (
            Change(5.0, State.ISOLATED, State.UNKNOWN, "looked into"),
        )

    def test_looks_from_before_do_not_count_after(self) -> None:
        instance = well()
        looks(instance, HUNG, HUNG)
        assert instance.state is State.UNHEALTHY
        instance.heal("replaced", 3.0)
        looks(instance, WELL, HUNG, from_s=4.0)
        assert instance.state is State.HEALTHY

    def test_an_illegal_event_raises_and_changes_nothing(self) -> None:
        instance = well()
        before = (instance.state, instance.reason, instance.history, instance.fit_engines)
        with pytest.raises(IllegalEvent, match="instance 'triton-0' is healthy: undrain"):
            instance.undrain("why", 1.0)
        with pytest.raises(IllegalEvent, match="engine 'damage' is fit: mended"):
            instance.mended("damage", "why", 1.0)
        with pytest.raises(
            IllegalEvent, match="'echo' on 'triton-0' is not probed there: take_out"
        ):
            instance.take_out("echo", "why", 1.0)
        assert before == (instance.state, instance.reason, instance.history, instance.fit_engines)

    def test_healing_a_draining_instance_is_refused_with_its_engines(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        instance.give_up("damage", "five mends", 1.0)
        instance.drain("maintenance", 2.0)
        with pytest.raises(IllegalEvent):
            instance.heal("why", 3.0)
        assert instance.fitness("damage") is Fitness.GIVEN_UP


class TestMending:
    def test_taken_out_no_probe_brings_it_in_and_mended_one_does(self) -> None:
        instance = well()
        assert instance.take_out("damage", "mending", 1.0) == (
            Change(1.0, Fitness.FIT, Fitness.MENDING, "mending", "damage"),
        )
        assert instance.fit_engines == {"volume"}
        probe(instance, 2.0, damage=OK)
        looks(instance, WELL, look({"volume"}), WELL, from_s=2.0)
        assert instance.fitness("damage") is Fitness.MENDING
        assert instance.mended("damage", "loaded anew", 5.0) == (
            Change(5.0, Fitness.MENDING, Fitness.FIT, "loaded anew", "damage"),
        )
        assert instance.fit_engines == ENGINES

    def test_a_mend_that_failed_needs_two_good_probes(self) -> None:
        instance = well()
        instance.take_out("damage", "mending", 1.0)
        instance.mend_failed("damage", "load refused", 2.0)
        assert instance.fitness_reason("damage") == "load refused"
        probe(instance, 3.0, damage=OK)
        assert instance.fit_engines == {"volume"}
        probe(instance, 4.0, damage=OK)
        assert instance.fit_engines == ENGINES

    def test_given_up_it_stays_out_until_healed(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        assert instance.give_up("damage", "five mends", 1.0) == (
            Change(1.0, Fitness.UNFIT, Fitness.GIVEN_UP, "five mends", "damage"),
        )
        for now_s in (2.0, 3.0, 4.0, 5.0):
            probe(instance, now_s, damage=OK)
            looks(instance, WELL, from_s=now_s)
        assert (instance.state, instance.reason) == (State.DEGRADED, "damage: given_up")
        assert instance.fit_engines == {"volume"}
        assert instance.heal("new driver", 6.0) == (
            Change(6.0, State.DEGRADED, State.UNKNOWN, "new driver"),
            Change(6.0, Fitness.GIVEN_UP, Fitness.PROVING, "new driver", "damage"),
        )
        looks(instance, WELL, from_s=6.5)
        probe(instance, 7.0, damage=OK)
        assert instance.fit_engines == ENGINES

    def test_what_was_probed_before_it_was_taken_out_does_not_show_after(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG)
        instance.take_out("damage", "mending", 2.0)
        looks(instance, WELL, from_s=3.0)
        assert (instance.state, instance.reason) == (State.DEGRADED, "damage: mending")

    def test_what_was_probed_before_it_was_mended_does_not_show_after(self) -> None:
        instance = well()
        instance.take_out("damage", "mending", 1.0)
        probe(instance, 2.0, damage=FAILED)
        instance.mended("damage", "loaded anew", 3.0)
        assert looks(instance, WELL, from_s=4.0) == []
        assert (instance.state, instance.reason) == (State.HEALTHY, "all is well")

    @pytest.mark.parametrize("is_ready", [True, False])
    def test_the_proof_of_a_mend_keeps_in_an_instance_whose_other_engines_are_out(
        self, is_ready: bool
    ) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG, volume=WRONG)
        instance.take_out("damage", "mending", 2.0)
        instance.mended("damage", "loaded anew", 3.0)
        looks(instance, *[look(is_ready=is_ready)] * 3, from_s=4.0)
        assert (instance.state, instance.fit_engines) == (State.DEGRADED, {"damage"})

    def test_and_brings_back_one_that_its_probes_had_failed(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG, volume=WRONG)
        looks(instance, WELL, WELL, from_s=2.0)
        assert instance.state is State.UNHEALTHY
        instance.take_out("damage", "mending", 4.0)
        looks(instance, look({"volume"}), from_s=5.0)
        instance.mended("damage", "loaded anew", 6.0)
        looks(instance, WELL, WELL, from_s=7.0)
        assert (instance.state, instance.fit_engines) == (State.UNHEALTHY, frozenset())
        looks(instance, WELL, from_s=9.0)
        assert (instance.state, instance.fit_engines) == (State.DEGRADED, {"damage"})
        assert instance.reason == "probe volume: wrong_answer"

    def test_but_only_until_the_next_probe(self) -> None:
        instance = well()
        probe(instance, 1.0, damage=WRONG, volume=WRONG)
        instance.take_out("damage", "mending", 2.0)
        instance.mended("damage", "loaded anew", 3.0)
        probe(instance, 4.0, damage=WRONG)
        looks(instance, WELL, WELL, from_s=5.0)
        assert instance.state is State.UNHEALTHY

    def test_what_is_probed_while_it_is_mended_does(self) -> None:
        instance = well()
        instance.take_out("damage", "mending", 1.0)
        probe(instance, 2.0, damage=FAILED)
        looks(instance, WELL, from_s=3.0)
        assert (instance.state, instance.reason) == (State.DEGRADED, "probe damage: failed")
