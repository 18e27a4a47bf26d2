"""All metrics in Prometheus' text format, from sources that each keep their own figures.

A source that cannot be read leaves its series out, and says so in a series of its own; a scrape
never fails for it, and never waits for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol

import structlog
from prometheus_client import generate_latest
from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import (
    DEAD_LETTERS,
    FIGURES_UP,
    JOBS,
    JOBS_WAITING,
    OLDEST_AGE,
    QUEUE_DEPTH,
    QUEUE_UP,
    SENDING,
    UNDELIVERED,
)
from control_plane.adapters.metrics.fresh import Fresh
from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import FINISHED, DeadReason, JobFigures

log = structlog.get_logger(__name__)


class MetricsSource(Protocol):
    """Some of the metrics."""

    async def refresh(self) -> None:
        """Makes the figures new enough. It never raises."""
        ...

    def collect(self) -> Iterator[Metric]: ...


class MetricsText:
    """Several sources as one text."""

    def __init__(self, sources: Sequence[MetricsSource]) -> None:
        self._sources = tuple(sources)

    async def render(self) -> bytes:
        """The text; others have their turn between two metrics, for all take a while together."""
        await asyncio.gather(*(source.refresh() for source in self._sources))
        parts: list[bytes] = []
        for source in self._sources:
            try:
                for metric in source.collect():
                    parts.append(generate_latest(_One(metric)))
                    await asyncio.sleep(0)
            except Exception:  # a mistake in one source must not blind an operator
                log.exception("metrics are missing", source=type(source).__name__)
        return b"".join(parts)


class _One:
    """A metric by itself, as prometheus_client wants it."""

    def __init__(self, metric: Metric) -> None:
        self._metric = metric

    def collect(self) -> Iterator[Metric]:
        yield self._metric


class JobMetrics:
    """What waits, how old it is, and what failed.

    figures: of the job store. depths: of the queue. now_s: a monotonic clock's reading.
    """

    def __init__(
        self,
        figures: Callable[[], Awaitable[JobFigures]],
        depths: Callable[[], Awaitable[Mapping[Priority, int]]],
        now_s: Callable[[], float],
    ) -> None:
        self._figures = Fresh("job figures", figures, now_s)
        self._depths = Fresh("queue depths", depths, now_s)

    async def refresh(self) -> None:
        await asyncio.gather(self._figures.refresh(), self._depths.refresh())

    def collect(self) -> Iterator[Metric]:
        figures, depths = self._figures.value, self._depths.value
        yield FIGURES_UP.of({(): figures is not None})
        yield QUEUE_UP.of({(): depths is not None})
        if depths is not None:
            yield QUEUE_DEPTH.of({(one.value,): depths.get(one, 0) for one in Priority})
        if figures is not None:
            yield from _families(figures)


def _families(figures: JobFigures) -> Iterator[Metric]:
    ages_s, dead = figures.oldest_age_s, figures.dead
    yield OLDEST_AGE.of({(one.value,): ages_s.get(one, 0.0) for one in Priority})
    yield DEAD_LETTERS.of({(one.value,): dead.get(one, 0) for one in DeadReason})
    yield JOBS_WAITING.of({(one.value,): figures.waiting.get(one, 0) for one in Priority})
    unfinished = [one for one in DetectionStatus if one not in FINISHED]
    yield JOBS.of({(one.value,): figures.states.get(one, 0) for one in unfinished})
    yield UNDELIVERED.of({(): figures.undelivered})
    yield SENDING.of({(): figures.sending})
