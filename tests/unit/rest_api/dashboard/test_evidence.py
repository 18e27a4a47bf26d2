"""A rollout as it is shown: its steps, its tests, and the orders that make sense now."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from math import inf, log
from typing import Any

import pytest

from control_plane.core.rollout import (
    Assessment,
    Kind,
    MetricFigures,
    Plan,
    Rollout,
    State,
    Verdict,
)
from control_plane.rest_api.dashboard.evidence import (
    WIDEST,
    Bar,
    RolloutPanel,
    make_panel,
    roll_back_button,
)
from control_plane.services.rollout_views import RolloutView

NOON = datetime(2025, 1, 31, 12, tzinfo=UTC)
CANARY = Plan(steps_percent=(5, 50))


def rollout(state: State = State.STEP, **changes: Any) -> Rollout:
    return replace(
        Rollout("damage-1", "damage", "1.0.0", "1.1.0", CANARY, state=state, step=1), **changes
    )


def panel(moving: Rollout, *metrics: MetricFigures, step: int = 1) -> RolloutPanel:
    look = Assessment(0.0, step, Verdict.UNDECIDED, "not yet", 312, metrics)
    return make_panel(RolloutView(moving, NOON, NOON, assessment=look, slow_s=0.25))


def steps(moving: Rollout) -> str:
    signs = {"done": "✓", "now": "▸", "ahead": " ", "stopped": "✗"}
    return " ".join(f"{signs[one.place]}{one.label}" for one in panel(moving).steps)


@pytest.mark.parametrize(
    ("moving", "shown"),
    [
        (rollout(State.PENDING, step=0), "▸prepare  5 %  50 %  promote"),
        (rollout(), "✓prepare ▸5 %  50 %  promote"),
        (rollout(step=2), "✓prepare ✓5 % ▸50 %  promote"),
        (rollout(State.PAUSED, step=2, paused_in=State.STEP), "✓prepare ✓5 % ▸50 %  promote"),
        (rollout(State.PROMOTING, step=2), "✓prepare ✓5 % ✓50 % ▸promote"),
        (rollout(State.COMPLETED, step=2), "✓prepare ✓5 % ✓50 % ✓promote"),
        (rollout(State.ROLLED_BACK), "✓prepare ✗5 %  50 %  promote"),
        (rollout(State.ROLLING_BACK, step=2), "✓prepare ✓5 % ✗50 %  promote"),
        (rollout(State.ROLLED_BACK, step=0, plan=Plan.shadow(10)), "✓prepare ✗shadow 10 %"),
        (rollout(State.FAILED, step=0), "✗prepare  5 %  50 %  promote"),
        (
            rollout(State.SHADOW, step=0, plan=Plan(steps_percent=(5,), shadow_percent=20)),
            "✓prepare ▸shadow 20 %  5 %  promote",
        ),
        (rollout(State.SHADOW, step=0, plan=Plan.shadow(10)), "✓prepare ▸shadow 10 %"),
    ],
)
def test_how_far_it_has_got(moving: Rollout, shown: str) -> None:
    assert steps(moving) == shown


@pytest.mark.parametrize(
    ("moving", "orders"),
    [
        (rollout(State.PENDING, step=0), ["Pause", "Abort"]),
        (rollout(), ["Pause", "Advance", "Abort"]),
        (rollout(State.SHADOW, step=0), ["Pause", "Advance", "Abort"]),
        (rollout(State.PROMOTING), ["Pause", "Abort"]),
        (rollout(State.PAUSED, paused_in=State.STEP), ["Resume", "Advance", "Abort"]),
        (rollout(State.PAUSED, paused_in=State.PREPARING), ["Resume", "Abort"]),
        (rollout(State.PAUSED, paused_in=State.PROMOTING), ["Resume", "Advance", "Abort"]),
        (rollout(State.ROLLING_BACK), []),
        (rollout(State.COMPLETED), []),
    ],
)
def test_only_the_orders_that_its_state_knows(moving: Rollout, orders: list[str]) -> None:
    assert [button.verb for button in panel(moving).buttons] == orders


def advance_of(moving: Rollout) -> str:
    (found,) = [one for one in panel(moving).buttons if one.verb == "Advance"]
    return found.consequence


def test_what_will_follow_is_said() -> None:
    assert "Step 2 of 2 begins now" in advance_of(rollout())
    assert "1.1.0 gets 50 % of the traffic" in advance_of(rollout())
    assert "1.1.0 is promoted now" in advance_of(rollout(step=2))
    shadow = rollout(State.SHADOW, step=0, plan=Plan.shadow(10))
    assert "The shadow ends here" in advance_of(shadow)
    stuck = rollout(State.PAUSED, paused_in=State.PROMOTING)
    assert "completed without the instances" in advance_of(stuck)
    abort = panel(rollout()).buttons[-1]
    assert "All traffic goes back to 1.0.0 at once" in abort.consequence


def test_rolling_back_is_offered_where_something_is_to_take_back() -> None:
    assert roll_back_button("damage", None) is None
    assert roll_back_button("damage", rollout(State.ROLLED_BACK)) is None
    assert roll_back_button("damage", rollout(State.COMPLETED, is_reversal=True)) is None
    ended = rollout(State.COMPLETED, plan=Plan.shadow(10))
    assert ended.plan.kind is Kind.SHADOW
    assert roll_back_button("damage", ended) is None
    under_way = roll_back_button("damage", rollout())
    assert under_way is not None
    assert "at once; then 1.1.0 is unloaded" in under_way.consequence
    done = roll_back_button("damage", rollout(State.COMPLETED))
    assert done is not None
    assert "1.0.0 is loaded and proved first" in done.consequence


def test_each_test_beside_its_threshold() -> None:
    shown = panel(
        rollout(),
        MetricFigures("errors", Verdict.NOT_WORSE, 0.5, 5.0, 6.0, 4.0, 0.004, 0.003),
        MetricFigures("latency", Verdict.WORSE, 7.0, 5.0, 0.0, 4.0, 0.05, 0.3),
        MetricFigures("confidence", Verdict.UNDECIDED, stable=0.81, target=0.84),
        MetricFigures("query:cost", Verdict.NOT_WORSE, stable=None, target=1.2),
    )
    errors, latency, confidence, query = shown.tests
    assert errors.worse is not None
    assert (errors.worse.share, errors.worse.is_reached) == (0.1, False)
    assert errors.clear is not None
    assert (errors.clear.share, errors.clear.is_reached) == (WIDEST, True)
    # Not as callers saw it: a fallback may have answered them.
    assert "failed itself, before a retry or fallback" in errors.measures
    assert (errors.stable, errors.target) == ("0.4\u202f%", "0.3\u202f%")
    assert latency.worse is not None
    assert latency.worse.is_reached
    assert latency.measures == "share of requests slower than 250\u202fms"
    # What the rollout ignores is shown, and decides nothing.
    assert (confidence.worse, confidence.clear, confidence.target) == (None, None, "0.84")
    assert (query.name, query.measures, query.stable) == (
        "query cost",
        "figure of the query",
        "\u2013",
    )


def test_what_the_rollout_ignores_is_not_called_undecided() -> None:
    plan = Plan(steps_percent=(5, 50), ignored=("confidence",))
    shown = panel(
        rollout(plan=plan),
        MetricFigures("errors", Verdict.UNDECIDED, 0.5, 5.0, stable=0.1, target=0.1),
        MetricFigures("confidence", Verdict.UNDECIDED, stable=0.81, target=0.44),
    )
    assert [(one.name, one.verdict, one.tone) for one in shown.tests] == [
        ("errors", "undecided yet", "idle"),
        ("confidence", "ignored", "idle"),
    ]


def test_evidence_that_is_no_number_has_a_bar_too() -> None:
    assert Bar(-inf, 5.0, False).share == 0.0
    assert Bar(inf, 5.0, True).share == WIDEST


def test_evidence_is_written_as_the_command_line_writes_it() -> None:
    assert Bar(5.973, log(100), False).words == "393 of 100"


def test_a_look_at_another_step_says_nothing_of_this_one() -> None:
    figures = MetricFigures("errors", Verdict.NOT_WORSE, 0.5, 5.0)
    assert panel(rollout(step=2), figures, step=1).tests == ()
    assert panel(rollout(State.ROLLED_BACK, step=2), figures, step=1).tests != ()
