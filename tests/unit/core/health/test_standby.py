"""Who may be asked when nobody fit is left: served, and only failed looks or probes against it."""

from __future__ import annotations

import pytest

from control_plane.core.health import Fitness, InstanceHealth, State
from tests.unit.core.health.looking import (
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

NOBODY: frozenset[str] = frozenset()


def unfit_by_failures() -> InstanceHealth:
    instance = well()
    probe(instance, 1.0, damage=FAILED)
    probe(instance, 2.0, damage=FAILED)
    assert instance.fitness("damage") is Fitness.UNFIT
    return instance


def test_the_fit_are_not_on_standby() -> None:
    assert well().standby_engines == NOBODY


def test_one_failed_probe_leaves_it_fit() -> None:
    instance = well()
    probe(instance, 1.0, damage=FAILED)
    assert (instance.fit_engines, instance.standby_engines) == (ENGINES, NOBODY)


def test_what_is_unfit_by_failures_stands_by() -> None:
    instance = unfit_by_failures()
    assert (instance.fit_engines, instance.standby_engines) == ({"volume"}, {"damage"})


def test_what_is_fit_stands_by_where_the_instance_is_unhealthy() -> None:
    instance = well()
    looks(instance, HUNG, HUNG)
    assert instance.state is State.UNHEALTHY
    assert (instance.fit_engines, instance.standby_engines) == (NOBODY, ENGINES)


def test_so_does_an_engine_without_a_golden_input() -> None:
    instance = unseen()
    looks(instance, look({"echo"}), look({"echo"}, is_answering=False))
    looks(instance, look({"echo"}, is_answering=False), from_s=3.0)
    assert instance.state is State.UNHEALTHY
    assert (instance.fit_engines, instance.standby_engines) == (NOBODY, {"echo"})


def test_what_was_let_go_stands_by_until_the_next_look() -> None:
    instance = well()
    instance.drain("maintenance", 1.0)
    instance.undrain("done", 2.0)
    assert (instance.state, instance.standby_engines) == (State.UNKNOWN, ENGINES)
    looks(instance, WELL, from_s=3.0)
    assert (instance.fit_engines, instance.standby_engines) == (ENGINES, NOBODY)


def test_what_is_not_proved_does_not() -> None:
    instance = unseen()
    looks(instance, HUNG)
    assert instance.fitness("damage") is Fitness.PROVING
    assert instance.standby_engines == NOBODY


def test_what_is_not_served_does_not() -> None:
    instance = unfit_by_failures()
    looks(instance, look({"volume"}), from_s=3.0)
    assert instance.standby_engines == NOBODY


def test_what_answers_wrongly_does_not() -> None:
    instance = well()
    probe(instance, 1.0, damage=WRONG)
    assert (instance.fit_engines, instance.standby_engines) == ({"volume"}, NOBODY)
    looks(instance, HUNG, HUNG)
    assert instance.standby_engines == {"volume"}


def test_nor_does_it_when_it_then_fails_to_answer() -> None:
    instance = well()
    probe(instance, 1.0, damage=WRONG)
    probe(instance, 2.0, damage=FAILED)
    assert instance.standby_engines == NOBODY


def test_nor_when_a_mend_of_it_failed() -> None:
    instance = well()
    probe(instance, 1.0, damage=WRONG)
    instance.take_out("damage", "mending", 2.0)
    instance.mend_failed("damage", "unload refused", 3.0)
    assert instance.standby_engines == NOBODY


def test_what_was_loaded_anew_did_not_answer_wrongly() -> None:
    instance = well()
    probe(instance, 1.0, damage=WRONG)
    instance.take_out("damage", "mending", 2.0)
    instance.mended("damage", "loaded anew", 3.0)
    assert instance.fit_engines == ENGINES
    probe(instance, 4.0, damage=FAILED)
    probe(instance, 5.0, damage=FAILED)
    assert instance.standby_engines == {"damage"}


@pytest.mark.parametrize("result", [OK, SLOW])
def test_answering_rightly_once_it_does_again(result: object) -> None:
    instance = well()
    probe(instance, 1.0, damage=WRONG)
    probe(instance, 2.0, damage=result)  # type: ignore[arg-type]
    assert (instance.fit_engines, instance.standby_engines) == ({"volume"}, {"damage"})


def test_a_wrong_answer_ends_it() -> None:
    instance = unfit_by_failures()
    probe(instance, 3.0, damage=WRONG)
    assert instance.standby_engines == NOBODY


def test_what_is_being_mended_does_not() -> None:
    instance = unfit_by_failures()
    instance.take_out("damage", "mending", 3.0)
    assert instance.standby_engines == NOBODY
    probe(instance, 4.0, damage=OK)
    assert instance.standby_engines == NOBODY


def test_what_was_mended_has_to_prove_it_first() -> None:
    instance = unfit_by_failures()
    instance.take_out("damage", "mending", 3.0)
    instance.mended("damage", "loaded anew", 4.0)
    assert instance.standby_engines == NOBODY


def test_a_mend_that_failed_puts_it_back() -> None:
    instance = unfit_by_failures()
    instance.take_out("damage", "mending", 3.0)
    instance.mend_failed("damage", "load refused", 4.0)
    assert instance.standby_engines == {"damage"}


def test_what_is_given_up_does_not() -> None:
    instance = unfit_by_failures()
    instance.give_up("damage", "five mends", 3.0)
    assert instance.standby_engines == NOBODY
    instance.heal("new driver", 4.0)
    assert instance.standby_engines == NOBODY


@pytest.mark.parametrize("hold_back", ["drain", "isolate"])
def test_nothing_does_where_an_operator_holds_it_back(hold_back: str) -> None:
    instance = unfit_by_failures()
    getattr(instance, hold_back)("maintenance", 3.0)
    assert (instance.fit_engines, instance.standby_engines) == (NOBODY, NOBODY)
    looks(instance, HUNG, HUNG, from_s=4.0)
    probe(instance, 6.0, damage=OK)
    assert (instance.fit_engines, instance.standby_engines) == (NOBODY, NOBODY)
