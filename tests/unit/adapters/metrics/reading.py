"""The series of a text, as tests compare them."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

from control_plane.adapters.metrics_text import MetricsSource, MetricsText


async def series(*sources: MetricsSource) -> dict[str, float]:
    """By the name and the values of the labels, in the order of the labels' names."""
    raw = (await MetricsText(sources).render()).decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(raw)
        for sample in family.samples
    }
