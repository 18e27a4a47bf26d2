"""Values as they are exposed, and a catalogue that Prometheus would take."""

from __future__ import annotations

import re

from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import FAMILIES
from control_plane.adapters.metrics.family import Family, Kind
from control_plane.core.traffic import Distribution


def lines(metric: Metric) -> list[str]:
    class Source:
        def collect(self) -> list[Metric]:
            return [metric]

    registry = CollectorRegistry(auto_describe=False)
    registry.register(Source())
    return generate_latest(registry).decode().splitlines()


def test_a_counter_and_a_gauge() -> None:
    counter = Family("tidegate_seen_total", Kind.COUNTER, "Seen.", ("of",))
    assert lines(counter.of({("a",): 3})) == [
        "# HELP tidegate_seen_total Seen.",
        "# TYPE tidegate_seen_total counter",
        'tidegate_seen_total{of="a"} 3.0',
    ]
    gauge = Family("tidegate_now", Kind.GAUGE, "Now.")
    assert lines(gauge.of({(): True}))[1:] == ["# TYPE tidegate_now gauge", "tidegate_now 1.0"]


def test_a_histogram_adds_its_buckets_up() -> None:
    family = Family("tidegate_took_seconds", Kind.HISTOGRAM, "Took.", ("of",))
    found = lines(family.distributed({("a",): Distribution((0.1, 1.0), (2, 0, 1), 5.5)}))
    assert found[1:] == [
        "# TYPE tidegate_took_seconds histogram",
        'tidegate_took_seconds_bucket{le="0.1",of="a"} 2.0',
        'tidegate_took_seconds_bucket{le="1.0",of="a"} 2.0',
        'tidegate_took_seconds_bucket{le="+Inf",of="a"} 3.0',
        'tidegate_took_seconds_count{of="a"} 3.0',
        'tidegate_took_seconds_sum{of="a"} 5.5',
    ]


def test_every_name_is_one_of_prometheus_and_there_once() -> None:
    names = [family.name for family in FAMILIES]
    assert len(names) == len(set(names))
    for family in FAMILIES:
        assert re.fullmatch(r"tidegate_[a-z_]+[a-z]", family.name)
        assert family.name.endswith("_total") == (family.kind is Kind.COUNTER)
        assert "\n" not in family.help
