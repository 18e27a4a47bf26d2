"""Metrics that are read where they are kept, at the moment of the scrape."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping

import structlog
from prometheus_client.core import Metric

from control_plane.adapters.metrics.family import Family, Values

log = structlog.get_logger(__name__)

Readers = Mapping[Family, Callable[[], Values]]


class Readings:
    """A source of ``MetricsText``: of each family, who reads its values.

    One that cannot be read is missing, and the log says so; the others are there.
    """

    def __init__(self, readers: Readers) -> None:
        self._readers = readers

    async def refresh(self) -> None:
        """They are always new."""

    def collect(self) -> Iterator[Metric]:
        for family, read in self._readers.items():
            try:
                metric = family.of(read())
            except Exception:  # a mistake in one of them must not blind an operator
                log.exception("a metric is missing", metric=family.name)
                continue
            yield metric
