"""Every metric and label that rules and dashboards name is one that there is."""

from __future__ import annotations

import re

import pytest

from control_plane.adapters.metrics.catalogue import REQUEST_DURATION
from control_plane.core.traffic import SUCCESS
from control_plane.core.traffic.histogram import LATENCY_BOUNDS_S
from control_plane.errors import CALLER_MISTAKES, ErrorCode
from tests.unit.deploy.monitoring import Expression, expressions, known

KNOWN = known()
EXPRESSIONS = list(expressions())


def problems_of(expression: Expression) -> list[str]:
    """What of it there is not, in words."""
    found = []
    shared: frozenset[str] | None = None
    for name, matched in expression.selectors():
        if name not in KNOWN:
            found.append(f"{name} is no metric")
            continue
        found += [f"{name} has no label {label}" for label in sorted(matched - KNOWN[name])]
        shared = KNOWN[name] if shared is None else shared & KNOWN[name]
    grouped = expression.groupings("by")
    asked = grouped | expression.groupings("on")
    found += [f"not all have a label {label}" for label in sorted(asked - (shared or frozenset()))]
    shown = set(re.findall(r"\{\{(\w+)\}\}", expression.legend))
    left = grouped or (shared or frozenset())
    found += [f"the legend's {label} is not left" for label in sorted(shown - left)]
    return found


@pytest.mark.parametrize("expression", EXPRESSIONS, ids=lambda each: each.where)
def test_it_names_what_there_is(expression: Expression) -> None:
    assert expression.selectors(), "it names no metric"
    assert problems_of(expression) == []


@pytest.mark.parametrize(
    ("text", "legend", "problem"),
    [
        ("sum(tidegate_request_total)", "", "tidegate_request_total is no metric"),
        ("max(engine:no:such5m)", "", "engine:no:such5m is no metric"),
        (
            'rate(tidegate_requests_total{instance=~"$instance"}[5m])',
            "",
            "tidegate_requests_total has no label instance",
        ),
        ("max by (engine, zone) (tidegate_breaker_state)", "", "not all have a label zone"),
        (
            "max by (engine) (tidegate_breaker_state)",
            "{{instance}}",
            "the legend's instance is not left",
        ),
        ("tidegate_request_duration_seconds", "", "tidegate_request_duration_seconds is no metric"),
    ],
)
def test_what_there_is_not_is_told(text: str, legend: str, problem: str) -> None:
    assert problems_of(Expression("", text, legend)) == [problem]


def test_what_callers_got_wrong_or_called_off_is_left_out_everywhere() -> None:
    nobodys = {str(code) for code in CALLER_MISTAKES | {ErrorCode.CANCELLED}}
    chosen = [
        set(words.split("|")) - {SUCCESS}
        for one in EXPRESSIONS
        for words in re.findall(r'outcome!~"([^"]*)"', one.text)
    ]
    assert len(chosen) > 8
    assert all(each == nobodys for each in chosen)


def test_the_second_of_the_objective_is_the_end_of_a_bucket() -> None:
    # As this control plane writes it, and as a Prometheus from 3.0 on reads it.
    texts = [one.text for one in EXPRESSIONS if f"{REQUEST_DURATION.name}_bucket{{" in one.text]
    ends = {end for text in texts for end in re.findall(r'le=~"([^"]*)"', text)}
    assert ends == {"1|1.0"}
    assert {"1", "1.0"} & {str(bound) for bound in LATENCY_BOUNDS_S}
