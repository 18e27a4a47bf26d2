"""What a Prometheus knows of a release."""

from __future__ import annotations

from typing import Protocol


class QueryFailed(Exception):
    """A query was not answered, or not with numbers; the words say why."""


class MetricQueries(Protocol):
    """Asks a Prometheus. Raises QueryFailed."""

    async def query(self, expression: str, *, timeout_s: float) -> tuple[float, ...]:
        """The value now of each series that a PromQL expression yields; NaN is one, too."""
        ...
