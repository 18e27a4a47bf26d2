"""The profile ``tracing`` of docker-compose.yml, and the collector's configuration."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from control_plane.settings import Settings
from control_plane.settings.tracing import TracingSettings
from tests.unit.deploy.compose_file import ROOT, Service, env_file, flags, mounts, settings_of

OTEL = ROOT / "deploy" / "otel"
# What the collector's contrib distribution has, as far as it could be of use here.
KNOWN: Mapping[str, frozenset[str]] = {
    "receivers": frozenset({"otlp", "jaeger", "zipkin"}),
    "processors": frozenset(
        {"attributes", "batch", "filter", "memory_limiter", "resource", "tail_sampling"}
    ),
    "exporters": frozenset({"otlp", "otlphttp", "awsxray", "debug", "file"}),
}
POLICIES = frozenset({"status_code", "latency", "probabilistic", "always_sample", "rate_limiting"})


def merged(*names: str) -> dict[str, Any]:
    """As the collector lays one file over another: mappings are merged, lists are replaced."""
    whole: dict[str, Any] = {}
    for name in names:
        _lay_over(whole, yaml.safe_load((OTEL / name).read_text()))
    return whole


def _lay_over(below: dict[str, Any], above: Mapping[str, Any]) -> None:
    for key, value in above.items():
        if isinstance(value, dict) and isinstance(below.get(key), dict):
            _lay_over(below[key], value)
        else:
            below[key] = value


FILES = [("collector.yaml",), ("collector.yaml", "collector.xray.yaml")]


@pytest.mark.parametrize("files", FILES, ids=["jaeger", "xray"])
def test_the_pipeline_names_what_there_is(files: tuple[str, ...]) -> None:
    whole = merged(*files)
    assert set(whole) == {"receivers", "processors", "exporters", "service"}
    (pipeline,) = whole["service"]["pipelines"].values()
    for kind, known in KNOWN.items():
        assert set(pipeline[kind]) <= set(whole[kind]), kind
        assert {name.partition("/")[0] for name in whole[kind]} <= known, kind


def test_it_keeps_what_failed_what_was_slow_and_a_share_of_the_rest() -> None:
    whole = merged("collector.yaml")
    assert whole["service"]["pipelines"]["traces"]["processors"] == [
        "memory_limiter",
        "tail_sampling",
        "batch",
    ]
    policies = {one["type"]: one for one in whole["processors"]["tail_sampling"]["policies"]}
    assert set(policies) == {"status_code", "latency", "probabilistic"}
    assert set(policies) <= POLICIES
    # Each has the options of its type, under its type's name.
    assert all(kind in one for kind, one in policies.items())
    assert policies["status_code"]["status_code"]["status_codes"] == ["ERROR"]
    slow_ms = TracingSettings().slow_s * 1000
    assert policies["latency"]["latency"]["threshold_ms"] == slow_ms
    assert 0 < policies["probabilistic"]["probabilistic"]["sampling_percentage"] < 100


def test_xray_takes_the_place_of_jaeger() -> None:
    exporters = merged(*FILES[1])["service"]["pipelines"]["traces"]["exporters"]

    assert exporters == ["awsxray"]


def test_with_tracing_all_that_is_ours_sends_to_the_collector(
    services: dict[str, Service],
) -> None:
    collector = services["collector"]
    assert ROOT / mounts(collector)["/etc/otel"]["source"] == OTEL
    assert flags(collector) == {"--config": "/etc/otel/collector.yaml"}
    listening = merged("collector.yaml")["receivers"]["otlp"]["protocols"]["grpc"]["endpoint"]
    for name in ("tidegate", "tidegate-2", "worker"):
        tracing = settings_of(services[name], env_file("tracing.env")).tracing
        endpoint = urlsplit(tracing.endpoint)
        assert (endpoint.hostname, tracing.protocol) == ("collector", "grpc")
        assert str(endpoint.port) == listening.rpartition(":")[2]
        # The collector decides, and has to see all of a trace for that.
        assert tracing.sample_ratio == 1
        assert set(collector["networks"]) & set(services[name]["networks"])


def test_the_collector_finds_jaeger(services: dict[str, Service]) -> None:
    host, _, port = merged("collector.yaml")["exporters"]["otlp/jaeger"]["endpoint"].partition(":")
    assert host in services
    assert port == "4317"
    assert set(services["collector"]["networks"]) & set(services[host]["networks"])


def test_without_the_profile_nothing_is_sent(settings: Settings) -> None:
    assert not settings.tracing.is_exported
