"""Evidence adds up over bets, multiplies over steps, and may begin in any of them."""

from __future__ import annotations

from math import exp, log

import pytest

from control_plane.core.analysis.evidence import (
    Evidence,
    from_any_step,
    log_mixture,
    stake_on,
    stake_waiting,
    total,
    while_it_lasts,
)


def test_evidence_is_reached_at_its_threshold() -> None:
    assert Evidence(4.7, 4.6).is_reached
    assert Evidence(4.6, 4.6).is_reached
    assert not Evidence(4.5, 4.6).is_reached


def test_a_mixture_is_the_weighted_sum_of_the_bets() -> None:
    assert exp(log_mixture([log(2), log(6)], [0.25, 0.5])) == pytest.approx(3.5)


def test_a_mixture_of_huge_and_tiny_evidence_stays_a_number() -> None:
    assert log_mixture([5_000.0, -5_000.0], [0.5, 0.5]) == pytest.approx(5_000 + log(0.5))


def test_scores_of_parts_add_up_bet_by_bet() -> None:
    assert total([(1.0, 2.0), (3.0, -5.0)], 2) == (4.0, -3.0)
    assert total([], 3) == (0.0, 0.0, 0.0)


@pytest.mark.parametrize("steps", range(8))
def test_the_whole_stake_is_placed_or_waits(steps: int) -> None:
    placed = sum(stake_on(step) for step in range(1, steps + 1))
    assert placed + stake_waiting(steps) == pytest.approx(1)
    assert stake_on(steps + 1) <= stake_waiting(steps) + 1e-12


def test_before_the_first_step_there_is_no_evidence() -> None:
    assert from_any_step([], [1.0]) == pytest.approx(0)


def test_a_step_without_units_changes_nothing() -> None:
    assert from_any_step([(0.0,)], [1.0]) == pytest.approx(0)
    assert from_any_step([(0.7,), (0.0,)], [1.0]) == pytest.approx(from_any_step([(0.7,)], [1.0]))


def test_steps_multiply_within_a_start_and_starts_add_up() -> None:
    found = from_any_step([(log(3),), (log(5),)], [1.0])
    assert exp(found) == pytest.approx(0.9 * 15 + 0.05 * 5 + 0.05)


def test_a_late_trouble_need_not_undo_the_good_past() -> None:
    assert from_any_step([(-100.0,), (10.0,)], [1.0]) == pytest.approx(10 + log(0.05), abs=1e-3)
    assert from_any_step([(-1_000.0,)], [1.0]) == pytest.approx(log(0.1))


def test_a_current_step_that_agrees_adds_to_the_others() -> None:
    assert while_it_lasts([(3.0,), (0.0,)], [1.0]) == pytest.approx(3)
    assert while_it_lasts([(3.0,), (2.0,)], [1.0]) == pytest.approx(5)
    assert while_it_lasts([(-3.0,), (2.0,)], [1.0]) == pytest.approx(-1)


def test_half_of_a_steps_stake_may_be_lost_by_chance() -> None:
    assert while_it_lasts([(50.0,), (-0.69,)], [1.0]) == pytest.approx(49.31)


def test_a_current_step_that_disagrees_is_not_outvoted() -> None:
    assert while_it_lasts([(50.0,), (-0.7,)], [1.0]) == pytest.approx(-0.7)
    assert while_it_lasts([(-50.0,), (-0.7,)], [1.0]) == pytest.approx(-50.7)
