from __future__ import annotations

import json
from pathlib import Path

import pytest

from control_plane.bootstrap.tracing import make_tracing, open_spans, triton_arguments
from control_plane.errors import ConfigurationError
from control_plane.services.tracing import NOT_TRACED, Tracing
from control_plane.settings import Settings, flatten, load_settings


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def load(**environ: str) -> Settings:
    names = {f"TIDEGATE_TRACING__{name.upper()}": value for name, value in environ.items()}
    return load_settings(None, {}, names).settings


def test_requests_are_recorded_and_sent_nowhere_unless_it_is_said() -> None:
    tracing = load().tracing
    assert (tracing.enabled, tracing.sample_ratio, tracing.propagation) == (True, 0.01, "w3c")
    assert not tracing.is_exported


@pytest.mark.parametrize(
    "endpoint", ["http://collector:4317", "https://[::1]:4318/v1/traces", "http://127.0.0.1:1"]
)
def test_an_endpoint_is_taken(endpoint: str) -> None:
    settings = load(endpoint=endpoint, triton_endpoint=endpoint)
    assert settings.tracing.is_exported
    assert settings.tracing.endpoint == settings.tracing.triton_endpoint == endpoint


@pytest.mark.parametrize("name", ["endpoint", "triton_endpoint"])
@pytest.mark.parametrize(
    "endpoint", ["collector:4317", "http://ada:pw@collector", "http://", "ftp://a", "http://a?b=c"]
)
def test_what_is_no_endpoint_is_refused(name: str, endpoint: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        load(**{name: endpoint})
    assert refused.value.field == f"tracing.{name}"
    assert "pw" not in refused.value.message


def test_headers_are_secrets() -> None:
    settings = load(headers=json.dumps({"authorization": "Bearer hunter2"}))
    shown = flatten(settings)
    assert settings.tracing.headers["authorization"].get_secret_value() == "Bearer hunter2"
    assert "hunter2" not in repr(settings) + repr(shown)


@pytest.mark.parametrize("headers", [{"Upper": "a"}, {"": "a"}, {"a b": "a"}, {"a": "b\nc: d"}])
def test_what_is_no_header_is_refused(headers: dict[str, str]) -> None:
    with pytest.raises(ConfigurationError):
        load(headers=json.dumps(headers))


@pytest.mark.parametrize(
    ("name", "value"), [("sample_ratio", "1.1"), ("slow_s", "0"), ("propagation", "b3")]
)
def test_what_is_out_of_bounds_is_refused(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError):
        load(**{name: value})


def test_what_is_switched_off_is_not_there() -> None:
    assert make_tracing(load(enabled="false"), None) is NOT_TRACED
    assert isinstance(make_tracing(load(), None), Tracing)


async def test_where_nothing_is_exported_nothing_is_opened() -> None:
    off = load(enabled="false", endpoint="http://collector:4317")
    for settings in (load(), off):
        assert await open_spans(settings, None) is None  # type: ignore[arg-type]


def test_an_embedded_triton_sends_its_own_spans_where_it_is_said() -> None:
    url = "http://collector:4318/v1/traces"
    arguments = triton_arguments(load(triton_endpoint=url))
    assert f"--trace-config=opentelemetry,url={url}" in arguments
    assert triton_arguments(load()) == ()
    assert triton_arguments(load(triton_endpoint=url, enabled="false")) == ()
