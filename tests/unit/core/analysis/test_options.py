"""Numbers that make no analysis are refused, by name."""

from __future__ import annotations

import re

import pytest

from control_plane.core.analysis import AnalysisOptions, Margin, Metric


def test_by_default_all_of_alpha_is_spent_and_no_more() -> None:
    options = AnalysisOptions()
    assert options.alpha == 0.01
    assert sum(options.alpha_shares.values()) == pytest.approx(1)
    assert set(options.alpha_shares) == set(Metric)


def test_nothing_need_be_tolerated_and_one_unit_may_do() -> None:
    options = AnalysisOptions(confidence_tolerance=0.0, least_units=1)
    assert (options.confidence_tolerance, options.least_units) == (0.0, 1)


def test_the_most_that_may_be_risked_and_moved() -> None:
    options = AnalysisOptions(alpha=0.2, confidence_margin=0.5)
    assert (options.alpha, options.confidence_margin) == (0.2, 0.5)


@pytest.mark.parametrize(
    ("stable", "inferior"), [(0.0, 0.01), (0.005, 0.015), (0.02, 0.03), (0.05, 0.075), (0.8, 1.2)]
)
def test_the_wider_margin_holds(stable: float, inferior: float) -> None:
    assert Margin().inferior_from(stable) == pytest.approx(inferior)


@pytest.mark.parametrize(
    ("wrong", "name"),
    [
        ({"absolute": 0.0}, "absolute"),
        ({"absolute": 0.5}, "absolute"),
        ({"ratio": 1.0}, "ratio"),
        ({"ratio": 2.1}, "ratio"),
    ],
)
def test_a_margin_must_be_one(wrong: dict[str, float], name: str) -> None:
    with pytest.raises(ValueError, match=name):
        Margin(**wrong)


SPLIT = "alpha_shares must give errors a share"
MOVED = "confidence_margin must be over confidence_tolerance and at most 0.5"


@pytest.mark.parametrize(
    ("wrong", "complaint"),
    [
        ({"alpha": 0.0}, "alpha must be over 0 and at most 0.2"),
        ({"alpha": 0.21}, "alpha must be over 0 and at most 0.2"),
        ({"alpha_shares": {}}, SPLIT),
        ({"alpha_shares": {Metric.ERRORS: 0.0, Metric.LATENCY: 0.5}}, SPLIT),
        (
            {"alpha_shares": {Metric.ERRORS: 1.1, Metric.LATENCY: -0.1}},
            "alpha_shares must not be negative",
        ),
        (
            {"alpha_shares": {Metric.ERRORS: 0.7, Metric.LATENCY: 0.4}},
            "alpha_shares must sum to at most 1",
        ),
        ({"tolerated_error_ratio": 0.9}, "tolerated_error_ratio must be at least 1"),
        ({"tolerated_slow_ratio": 0.9}, "tolerated_slow_ratio must be at least 1"),
        ({"confidence_tolerance": -0.1}, MOVED),
        ({"confidence_tolerance": 0.1}, MOVED),
        ({"confidence_margin": 0.6}, MOVED),
        ({"least_units": 0}, "least_units must be at least 1"),
    ],
)
def test_options_must_make_an_analysis(wrong: dict[str, object], complaint: str) -> None:
    with pytest.raises(ValueError, match=f"^{re.escape(complaint)}$"):
        AnalysisOptions(**wrong)
