"""The settings of the analysis: the analysis' own defaults, and what is told of a wrong one."""

from __future__ import annotations

from pathlib import Path

import pytest

from control_plane.core.analysis import AnalysisOptions, Margin, Metric
from control_plane.core.gates import Condition, Gate
from control_plane.errors import ConfigurationError
from control_plane.settings import (
    AnalysisSettings,
    analysis_by_engine,
    analysis_options,
    flatten,
    gates_of,
)
from control_plane.settings.sources import load_settings


@pytest.fixture(autouse=True)
def _somewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(text: str) -> AnalysisSettings:
    Path("given.yaml").write_text(text)
    return load_settings(Path("given.yaml"), {}, {}).settings.analysis


def test_the_defaults_are_those_of_the_analysis() -> None:
    assert analysis_options(AnalysisSettings()) == AnalysisOptions()
    assert gates_of(AnalysisSettings()) == ()


def test_what_is_set_reaches_the_analysis() -> None:
    settings = load(
        """
        analysis:
          alpha: 0.05
          alpha_shares: {errors: 0.5, latency: 0, confidence: 0.3, sample_ratio: 0.2}
          tolerated_error_ratio: 1.1
          tolerated_slow_ratio: 2
          error_margin: {absolute: 0.05}
          slow_margin: {absolute: 0.02, ratio: 1.25}
          confidence_tolerance: 0.1
          confidence_margin: 0.2
          least_units: 10
        """
    )
    assert analysis_options(settings) == AnalysisOptions(
        alpha=0.05,
        alpha_shares={
            Metric.ERRORS: 0.5,
            Metric.LATENCY: 0.0,
            Metric.CONFIDENCE: 0.3,
            Metric.SAMPLE_RATIO: 0.2,
        },
        tolerated_error_ratio=1.1,
        tolerated_slow_ratio=2.0,
        error_margin=Margin(0.05, 1.5),
        slow_margin=Margin(0.02, 1.25),
        confidence_tolerance=0.1,
        confidence_margin=0.2,
        least_units=10,
    )


def test_an_engine_may_be_judged_otherwise() -> None:
    settings = load(
        """
        analysis:
          least_units: 10
          engines:
            damage: {confidence: false}
            materials: {confidence_tolerance: 0.2, confidence_margin: 0.3}
        """
    )
    assert analysis_by_engine(AnalysisSettings()) == {}
    found = analysis_by_engine(settings)
    assert set(found) == {"damage", "materials"}
    assert found["damage"].alpha_shares[Metric.CONFIDENCE] == 0
    assert found["damage"].alpha_shares[Metric.ERRORS] == 0.75
    assert found["damage"].least_units == found["materials"].least_units == 10
    assert found["materials"].alpha_shares[Metric.CONFIDENCE] == 0.1
    assert found["materials"].confidence_tolerance == 0.2
    assert found["materials"].confidence_margin == 0.3


def test_queries_become_gates() -> None:
    settings = load(
        """
        analysis:
          prometheus:
            url: https://prometheus.example:9090
            token: hunter2
            queries:
              - {name: reviews, query: 'rate(x{release="{release}"}[5m])', condition: result < 0.5}
              - {name: b, query: y, condition: result >= 1, interval_s: 5, failures: 1}
        """
    )
    assert gates_of(settings) == (
        Gate("reviews", 'rate(x{release="{release}"}[5m])', Condition("<", 0.5)),
        Gate("b", "y", Condition(">=", 1.0), 5.0, 1),
    )
    assert "hunter2" not in str(flatten(settings))


@pytest.mark.parametrize(
    ("text", "field", "said"),
    [
        ("alpha: 0", "alpha", "should be greater than 0, not 0"),
        ("alpha: 0.3", "alpha", "less than or equal to 0.2"),
        ("alpha_shares: {errors: 0}", "alpha_shares.errors", "should be greater than 0"),
        ("alpha_shares: {errors: 0.9}", "alpha_shares", "should sum to at most 1, not 1.15"),
        ("alpha_shares: {latency: -0.1}", "alpha_shares.latency", "greater than or equal to 0"),
        ("error_margin: {absolute: 0}", "error_margin.absolute", "should be greater than 0"),
        ("slow_margin: {ratio: 3}", "slow_margin.ratio", "less than or equal to 2"),
        ("tolerated_error_ratio: 0.9", "tolerated_error_ratio", "greater than or equal to 1"),
        (
            "confidence_tolerance: 0.1",
            "confidence_margin",
            "should be over analysis.confidence_tolerance, 0.1",
        ),
        (
            "engines: {damage: {confidence_tolerance: 0.2}}",
            "engines.damage.confidence_margin",
            "should be over its confidence_tolerance, 0.2",
        ),
        ("least_units: 0", "least_units", "greater than or equal to 1"),
        ("prometheus: {url: 'prometheus:9090'}", "prometheus.url", "should be http://host:port"),
        ("prometheus: {url: 'http://u:p@h'}", "prometheus.url", "without credentials or query"),
        ("prometheus: {url: 'http://h:99999'}", "prometheus.url", "should be http://host:port"),
        ("prometheus: {url: 'http://'}", "prometheus.url", "should be http://host:port"),
        (
            "prometheus: {queries: [{name: a, query: x, condition: result < 1}]}",
            "prometheus.url",
            "should be set: there are 1 queries, and no Prometheus to ask",
        ),
        (
            "prometheus: {url: 'http://h', queries: [{name: a, query: x, condition: x < 1}]}",
            "prometheus.queries[0].condition",
            "should be a condition: 'x < 1' is no condition; write `result < 0.05`",
        ),
        (
            "prometheus: {url: 'http://h', queries: [{name: a, query: x}]}",
            "prometheus.queries[0].condition",
            "is missing",
        ),
        (
            "prometheus: {url: 'http://h', queries: [{name: a, query: x, condition: result < 1}, "
            "{name: a, query: y, condition: result < 1}]}",
            "prometheus.queries",
            "names two queries 'a'",
        ),
    ],
)
def test_what_is_wrong_is_told_with_field_and_limit(text: str, field: str, said: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(f"analysis: {{{text}}}")
    assert refused.value.field == f"analysis.{field}"
    assert said in refused.value.message
    assert f"analysis.{field}" in refused.value.message
