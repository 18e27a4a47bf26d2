"""A look's grade, and what a row of grades amounts to in each state."""

from __future__ import annotations

import pytest

from control_plane.core.health.looks import (
    Grade,
    Graded,
    Look,
    ProbeResult,
    grade_look,
    read_looks,
)
from control_plane.core.health.states import Event, State
from tests.unit.core.health.looking import FAILED, HUNG, OK, SLOW, WELL, WRONG, look


def probes(*results: ProbeResult) -> dict[str, ProbeResult]:
    return dict(zip(("damage", "volume"), results, strict=False))


@pytest.mark.parametrize(
    ("seen", "probed", "grade", "reason"),
    [
        (look(), {}, Grade.GOOD, "all is well"),
        (look(is_live=False), probes(OK, OK), Grade.DEAD, "connection refused"),
        (look(is_live=False, is_answering=False), {}, Grade.DEAD, "connection refused"),
        (HUNG, {}, Grade.FAILED, "does not answer in time"),
        (HUNG, probes(OK, OK), Grade.FAILED, "does not answer in time"),
        (HUNG, probes(FAILED, FAILED), Grade.FAILED, "does not answer in time"),
        (look(), probes(OK, FAILED), Grade.PARTIAL, "probe volume: failed"),
        (look(), probes(WRONG, SLOW), Grade.PARTIAL, "probe damage: wrong_answer, volume: slow"),
        (look(), probes(SLOW, SLOW), Grade.PARTIAL, "probe damage: slow, volume: slow"),
        (
            look(),
            probes(WRONG, FAILED),
            Grade.FAILED,
            "probe damage: wrong_answer, volume: failed",
        ),
        (look(), probes(FAILED), Grade.FAILED, "probe damage: failed"),
        (look(is_ready=False), probes(WRONG), Grade.FAILED, "probe damage: wrong_answer"),
        (
            look(is_ready=False),
            probes(OK, OK),
            Grade.PARTIAL,
            "says that it is not ready, though its models are",
        ),
        (
            look(is_ready=False),
            probes(SLOW, FAILED),
            Grade.PARTIAL,
            "says that it is not ready, though its models are",
        ),
        (
            look(is_ready=False),
            {},
            Grade.PARTIAL,
            "says that it is not ready, though its models are",
        ),
        (look(serving=frozenset(), is_ready=False), {}, Grade.FAILED, "not ready"),
        (look(), probes(ProbeResult.BUSY), Grade.PARTIAL, "probe damage: busy"),
        (look(serving=frozenset()), {}, Grade.PARTIAL, "ready, but serves no engine"),
    ],
)
def test_the_grade_of_a_look(
    seen: Look, probed: dict[str, ProbeResult], grade: Grade, reason: str
) -> None:
    assert grade_look(seen, probed, dict.fromkeys(probed, "unfit")) == Graded(grade, reason)


@pytest.mark.parametrize("why", ["unfit", "mending", "given_up"])
def test_an_instance_with_an_engine_that_is_out_is_not_wholly_well(why: str) -> None:
    graded = grade_look(look(), probes(OK), {"volume": why})
    assert graded == Graded(Grade.PARTIAL, f"volume: {why}")
    both = grade_look(look(), probes(OK), {"volume": why, "damage": "unfit"})
    assert both == Graded(Grade.PARTIAL, f"damage: unfit, volume: {why}")


@pytest.mark.parametrize(
    ("seen", "probed", "fit", "grade", "reason"),
    [
        (WELL, probes(FAILED), {"damage"}, Grade.PARTIAL, "probe damage: failed"),
        (
            WELL,
            probes(WRONG, FAILED),
            {"volume"},
            Grade.PARTIAL,
            "probe damage: wrong_answer, volume: failed",
        ),
        (WELL, probes(FAILED), {"volume"}, Grade.FAILED, "probe damage: failed"),
        # Then nothing speaks for it but that it was well before.
        (look(is_ready=False), probes(FAILED), {"damage"}, Grade.FAILED, "not ready"),
        (HUNG, probes(FAILED), {"damage"}, Grade.FAILED, "does not answer in time"),
    ],
)
def test_probes_that_settled_nothing_yet_make_no_look_failed(
    seen: Look, probed: dict[str, ProbeResult], fit: set[str], grade: Grade, reason: str
) -> None:
    out = dict.fromkeys(probed.keys() - fit, "unfit")
    assert grade_look(seen, probed, out) == Graded(grade, reason)


LETTERS = {"g": Grade.GOOD, "p": Grade.PARTIAL, "f": Grade.FAILED, "d": Grade.DEAD}
GOOD, PARTIAL, BAD = Event.LOOKS_GOOD, Event.LOOKS_PARTIAL, Event.LOOKS_BAD


@pytest.mark.parametrize(
    ("state", "row", "event"),
    [
        # The first look decides at once, and operators' states are told at once.
        (State.UNKNOWN, "g", GOOD),
        (State.UNKNOWN, "p", PARTIAL),
        (State.UNKNOWN, "f", BAD),
        (State.UNKNOWN, "d", BAD),
        (State.DRAINING, "fg", GOOD),
        (State.ISOLATED, "gf", BAD),
        # Down: at once when dead or partial, by two when failed.
        (State.HEALTHY, "gggd", BAD),
        (State.DEGRADED, "d", BAD),
        (State.UNHEALTHY, "d", BAD),
        (State.HEALTHY, "f", None),
        (State.HEALTHY, "gf", None),
        (State.HEALTHY, "fgf", None),
        (State.HEALTHY, "fpf", None),
        (State.HEALTHY, "ff", BAD),
        (State.DEGRADED, "pff", BAD),
        (State.DEGRADED, "pdf", BAD),
        (State.HEALTHY, "gp", PARTIAL),
        (State.HEALTHY, "fp", PARTIAL),
        # Up: by three, to the worst of them.
        (State.UNHEALTHY, "gg", None),
        (State.UNHEALTHY, "fgg", None),
        (State.UNHEALTHY, "ggg", GOOD),
        (State.UNHEALTHY, "fggg", GOOD),
        (State.UNHEALTHY, "pgg", PARTIAL),
        (State.UNHEALTHY, "ggp", PARTIAL),
        (State.UNHEALTHY, "gfg", None),
        (State.DEGRADED, "pgg", None),
        (State.DEGRADED, "pggg", GOOD),
        (State.DEGRADED, "gg", None),
        # What the state says already is no event.
        (State.HEALTHY, "ggg", None),
        (State.DEGRADED, "ppp", None),
        (State.DEGRADED, "p", None),
    ],
)
def test_what_a_row_of_looks_amounts_to(state: State, row: str, event: Event | None) -> None:
    grades = [LETTERS[letter] for letter in row]
    assert read_looks(state, grades, failed_looks=2, good_looks=3) is event


def test_the_rows_are_as_long_as_the_options_say() -> None:
    assert read_looks(State.HEALTHY, [Grade.FAILED], failed_looks=1, good_looks=1) is BAD
    assert read_looks(State.UNHEALTHY, [Grade.GOOD], failed_looks=1, good_looks=1) is GOOD
    grades = [Grade.FAILED] * 3
    assert read_looks(State.HEALTHY, grades[:2], failed_looks=3, good_looks=1) is None
    assert read_looks(State.HEALTHY, grades, failed_looks=3, good_looks=1) is BAD
