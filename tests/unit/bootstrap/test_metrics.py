"""A wired control plane exposes every promised metric, and each that it exposes is written down."""

from __future__ import annotations

from pathlib import Path

from prometheus_client.parser import text_string_to_metric_families

from control_plane.adapters.metrics.catalogue import FAMILIES
from control_plane.bootstrap.wiring import wired
from control_plane.settings import Settings

PROMISED = {
    "tidegate_requests_total": {"engine", "release", "outcome"},
    "tidegate_request_duration_seconds": {"engine", "release"},
    "tidegate_engine_call_duration_seconds": {"engine", "release", "instance"},
    "tidegate_attempts_total": {"engine", "outcome"},
    "tidegate_retry_budget_remaining": {"engine"},
    "tidegate_breaker_state": {"instance", "engine"},
    "tidegate_instance_health": {"instance"},
    "tidegate_route_weight": {"engine", "release"},
    "tidegate_rollout_state": {"engine", "state"},
    "tidegate_rollout_evidence": {"engine", "test"},
    "tidegate_confidence": {"engine", "release"},
    "tidegate_queue_depth": {"priority"},
    "tidegate_queue_oldest_age_seconds": {"priority"},
    "tidegate_dead_letters": {"reason"},
}
"""Names that people's dashboards and alerts rest on: they may be added to, and not changed."""


async def exposed(tmp_path: Path) -> str:
    model = tmp_path / "models" / "echo"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('backend: "python"')
    settings = Settings(
        model_repository=model.parent,
        state_dir=tmp_path / "state",
        instances=[{"name": "gpu", "grpc_url": "127.0.0.1:9"}],  # type: ignore[list-item]
    )
    async with wired(settings, with_tritons=False) as plane:
        return (await plane.metrics.render()).decode()


def name_of(family_name: str, kind: str) -> str:
    """As it is exposed: the parser takes a counter's ending off."""
    return f"{family_name}_total" if kind == "counter" else family_name


async def test_what_is_promised_is_exposed_and_what_is_exposed_is_in_the_catalogue(
    tmp_path: Path,
) -> None:
    families = list(text_string_to_metric_families(await exposed(tmp_path)))
    found = {name_of(one.name, one.type) for one in families if one.name.startswith("tidegate_")}
    assert set(PROMISED) - found == set()
    assert found == {family.name for family in FAMILIES}
    assert any(one.name == "process_cpu_seconds" for one in families)
    # Nothing is read in vain: none of the readers fails, and the configured instance is there.
    samples = {one.name: one.samples for one in families}
    assert [one.labels for one in samples["tidegate_instance_health"]] == [{"instance": "gpu"}]
    assert [one.labels["engine"] for one in samples["tidegate_route_weight"]] == ["echo"]
    assert [one.value for one in samples["tidegate_store_away"]] == [0]


def test_the_promised_labels_are_those_of_the_catalogue() -> None:
    labels = {family.name: set(family.labels) for family in FAMILIES}
    assert {name: labels[name] for name in PROMISED} == PROMISED
