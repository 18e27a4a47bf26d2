"""The checks find what they are for; without that, nothing that they pass would say much."""

from __future__ import annotations

import pytest

from tests.integration.rollouts.checks import promised, split_chances
from tests.integration.rollouts.load import Answer, Answers
from tests.integration.rollouts.repository import GOOD, STABLE, Execution
from tests.integration.rollouts.routes import RouteSight, RouteSights
from tests.integration.rollouts.split import LEAST_P, chi_square_p

BOTH = ("triton-0", "triton-1")


def sights(*weights_bp: int, ready: tuple[str, ...] = BOTH) -> RouteSights:
    """A second of each weight of GOOD, looked at ten times; ready: where GOOD is."""
    seen = []
    for second, weight_bp in enumerate(weights_bp):
        shares = {STABLE: 10_000 - weight_bp, GOOD: weight_bp}
        for tenth in range(10):
            at_s = second + tenth / 10
            weights = {release: share for release, share in shares.items() if share}
            seen.append(RouteSight(at_s, at_s, STABLE, weights, {STABLE: BOTH, GOOD: ready}))
    return RouteSights(seen)


def answered(at_s: float, release: str = STABLE, *, by: str = "", error: str = "") -> Answer:
    return Answer(f"photo-{at_s}", at_s, at_s + 0.01, release, by or release, error)


def reached(at_s: float, release: str) -> Execution:
    return Execution(at_s + 0.005, release, 1, 2, f"photo-{at_s}")


def test_nothing_is_found_where_nothing_is_wrong() -> None:
    answers = Answers([answered(0.5), answered(1.5, GOOD)])
    done = [reached(0.5, STABLE), reached(1.5, GOOD)]
    assert promised(answers, done, sights(0, 5000)) == []


@pytest.mark.parametrize(
    ("answer", "execution", "found"),
    [
        (answered(0.5, error="late"), reached(0.5, STABLE), "1 failed"),
        (answered(0.5, by=GOOD), reached(0.5, STABLE), "1 mislabelled"),
        (answered(0.5, GOOD), reached(0.5, STABLE), "1 answered by a release that was not"),
        (answered(0.5), reached(0.5, GOOD), "1 reached a release that was not"),
    ],
)
def test_each_broken_promise_is_found(answer: Answer, execution: Execution, found: str) -> None:
    (words,) = promised(Answers([answer]), [execution], sights(0, 5000))
    assert found in words


def test_a_target_that_is_routed_and_ready_nowhere_is_found() -> None:
    (words,) = promised(Answers([answered(0.5)]), [], sights(0, 5000, ready=()))
    assert "routed and ready nowhere" in words


def test_a_split_is_held_against_the_weights_of_its_time() -> None:
    def answers(per_s: int, good: int) -> Answers:
        chosen = [GOOD if number < good else STABLE for number in range(per_s)]
        return Answers([answered(1.1 + 0.7 * n / per_s, one) for n, one in enumerate(chosen)])

    assert split_chances(answers(100, 27), sights(0, 2500, 0))[2500] > 0.5
    assert split_chances(answers(100, 60), sights(0, 2500, 0))[2500] < LEAST_P
    assert split_chances(answers(10, 10), sights(0, 2500, 0)) == {}  # too few to say


@pytest.mark.parametrize(
    ("counts", "weights_bp", "least", "most"),
    [
        ({STABLE: 50, GOOD: 50}, {STABLE: 5000, GOOD: 5000}, 1.0, 1.0),
        ({STABLE: 60, GOOD: 40}, {STABLE: 5000, GOOD: 5000}, 0.045, 0.046),  # two deviations
        ({STABLE: 99, GOOD: 1}, {STABLE: 10_000}, 0.0, 0.0),
        ({STABLE: 100}, {STABLE: 10_000}, 1.0, 1.0),
        ({}, {STABLE: 5000, GOOD: 5000}, 1.0, 1.0),
    ],
)
def test_the_chance_of_a_split(
    counts: dict[str, int], weights_bp: dict[str, int], least: float, most: float
) -> None:
    assert least <= chi_square_p(counts, weights_bp) <= most
