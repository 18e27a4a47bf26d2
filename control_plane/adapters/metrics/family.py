"""What a metric is called and means, and its values as prometheus_client exposes them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from itertools import accumulate

from prometheus_client.core import (
    CounterMetricFamily,
    GaugeMetricFamily,
    HistogramMetricFamily,
    Metric,
)

from control_plane.core.traffic import Distribution

Values = Mapping[tuple[str, ...], float]
"""By the values of the labels, in their order."""


class Kind(StrEnum):
    """As Prometheus has it."""

    COUNTER = "counter"
    GAUGE = "gauge"
    HISTOGRAM = "histogram"


@dataclass(frozen=True, slots=True)
class Family:
    """One metric. name: as it is exposed; a counter's ends in ``_total``. help: one line."""

    name: str
    kind: Kind
    help: str
    labels: tuple[str, ...] = ()

    def of(self, values: Values) -> Metric:
        """A counter or a gauge with these values."""
        make = CounterMetricFamily if self.kind is Kind.COUNTER else GaugeMetricFamily
        family = make(self.name, self.help, labels=self.labels)
        for labels, value in values.items():
            family.add_metric(labels, float(value))
        return family

    def distributed(self, values: Mapping[tuple[str, ...], Distribution]) -> Metric:
        """A histogram with these buckets."""
        family = HistogramMetricFamily(self.name, self.help, labels=self.labels)
        for labels, value in values.items():
            edges = [*map(str, value.bounds), "+Inf"]
            buckets = list(zip(edges, accumulate(value.counts), strict=True))
            family.add_metric(labels, buckets, value.total)
        return family
