"""Which release answers in place of which, and when it is worth a try."""

from __future__ import annotations

from dataclasses import replace

import pytest

from control_plane.core.fallback import fallbacks, may_fall_back
from control_plane.core.outcomes import Ending
from control_plane.core.retry import RetryOptions
from control_plane.core.retry_budget import RetryBudget, RetryBudgetOptions
from control_plane.core.routing import ALL_BP, Route
from tests.unit.samples import DAMAGE, DAMAGE_NEXT

DAMAGE_OLD = replace(DAMAGE, version="0.9.0")
ROUTE = Route(
    engine="damage",
    salt="salt",
    stable="1.0.0",
    weights_bp={"1.0.0": ALL_BP - 500, "1.1.0": 500},
    serving={"1.0.0": DAMAGE, "1.1.0": DAMAGE_NEXT, "0.9.0": DAMAGE_OLD},
    known=frozenset({"0.9.0", "1.0.0", "1.1.0"}),
    canary="1.1.0",
)
SPARE = replace(ROUTE, fallback="0.9.0")
OPTIONS = RetryOptions(min_try_s=0.05)


@pytest.mark.parametrize(
    ("route", "chosen", "others"),
    [
        (ROUTE, DAMAGE_NEXT, (DAMAGE,)),
        (ROUTE, DAMAGE, ()),
        (SPARE, DAMAGE_NEXT, (DAMAGE, DAMAGE_OLD)),
        (SPARE, DAMAGE, (DAMAGE_OLD,)),
        (replace(ROUTE, fallback="1.0.0"), DAMAGE_NEXT, (DAMAGE,)),
        (replace(ROUTE, fallback="1.1.0"), DAMAGE_NEXT, (DAMAGE,)),
    ],
)
def test_stable_comes_first_and_then_what_the_settings_name(
    route: Route, chosen: object, others: tuple[object, ...]
) -> None:
    assert fallbacks(route, chosen, wanted="", is_sequence=False) == others  # type: ignore[arg-type]


@pytest.mark.parametrize("wanted", ["1.1.0", "canary", "stable"])
def test_whoever_names_a_release_gets_no_other(wanted: str) -> None:
    assert fallbacks(SPARE, DAMAGE_NEXT, wanted=wanted, is_sequence=False) == ()


def test_a_sequence_has_its_state_in_one_release() -> None:
    assert fallbacks(SPARE, DAMAGE_NEXT, wanted="", is_sequence=True) == ()


def budget_of(retries: float) -> RetryBudget:
    return RetryBudget(RetryBudgetOptions(ratio=0.0, floor_per_s=retries, burst_s=1.0))


def may(ending: Ending | None, budget: RetryBudget, remaining_s: float = 1.0) -> bool:
    return may_fall_back(ending, remaining_s=remaining_s, options=OPTIONS, budget=budget, now_s=0.0)


def test_no_release_helps_against_the_callers_mistake() -> None:
    helped = {ending for ending in Ending if may(ending, budget_of(1.0))}
    assert helped == {
        Ending.OVERLOAD,
        Ending.NOT_READY_HERE,
        Ending.BACKEND_FAULT,
        Ending.UNREACHABLE,
        Ending.SLOW,
        Ending.DEADLINE,  # the release's own, as long as the request has time left
    }


def test_it_costs_what_a_retry_costs() -> None:
    budget = budget_of(1.0)
    assert not may(Ending.CALLERS_MISTAKE, budget)
    assert may(Ending.BACKEND_FAULT, budget)
    assert not may(Ending.BACKEND_FAULT, budget)


def test_where_no_try_was_made_nothing_was_spent() -> None:
    assert may(None, budget_of(0.0))


@pytest.mark.parametrize("ending", [None, Ending.SLOW])
def test_there_must_be_time_for_a_try(ending: Ending | None) -> None:
    budget = budget_of(1.0)
    assert not may(ending, budget, remaining_s=0.049)
    assert may(ending, budget, remaining_s=0.05)
