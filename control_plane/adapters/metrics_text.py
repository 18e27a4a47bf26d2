"""All metrics in Prometheus' text format, from sources that each keep their own figures.

A source that cannot be read leaves its series out, and says so in a series of its own; a scrape
never fails for it, and never waits for long.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeVar

import structlog
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import (
    DEAD_LETTERS,
    FIGURES_UP,
    JOBS,
    JOBS_WAITING,
    OLDEST_AGE,
    QUEUE_DEPTH,
    QUEUE_UP,
    UNDELIVERED,
)
from control_plane.core.detections import DetectionStatus, Priority
from control_plane.core.jobs import FINISHED, DeadReason, JobFigures

log = structlog.get_logger(__name__)

MAX_AGE_S = 2.0
TIMEOUT_S = 2.0

Figures = TypeVar("Figures")


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
        self._registry = CollectorRegistry(auto_describe=False)
        for source in sources:
            self._registry.register(source)

    async def render(self) -> bytes:
        await asyncio.gather(*(source.refresh() for source in self._sources))
        return generate_latest(self._registry)


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
        self._read_figures = figures
        self._read_depths = depths
        self._now_s = now_s
        self._figures: JobFigures | None = None
        self._depths: Mapping[Priority, int] | None = None
        self._read_at_s: float | None = None
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        """Asks at most once in MAX_AGE_S, however many scrapes come."""
        async with self._refreshing:
            now_s = self._now_s()
            if self._read_at_s is not None and now_s - self._read_at_s < MAX_AGE_S:
                return
            self._figures, self._depths = await asyncio.gather(
                _read("job figures", self._read_figures), _read("queue depths", self._read_depths)
            )
            self._read_at_s = now_s

    def collect(self) -> Iterator[Metric]:
        yield FIGURES_UP.of({(): self._figures is not None})
        yield QUEUE_UP.of({(): self._depths is not None})
        if self._depths is not None:
            depths = self._depths
            yield QUEUE_DEPTH.of({(one.value,): depths.get(one, 0) for one in Priority})
        if self._figures is not None:
            yield from _families(self._figures)


def _families(figures: JobFigures) -> Iterator[Metric]:
    ages_s, dead = figures.oldest_age_s, figures.dead
    yield OLDEST_AGE.of({(one.value,): ages_s.get(one, 0.0) for one in Priority})
    yield DEAD_LETTERS.of({(one.value,): dead.get(one, 0) for one in DeadReason})
    yield JOBS_WAITING.of({(one.value,): figures.waiting.get(one, 0) for one in Priority})
    unfinished = [one for one in DetectionStatus if one not in FINISHED]
    yield JOBS.of({(one.value,): figures.states.get(one, 0) for one in unfinished})
    yield UNDELIVERED.of({(): figures.undelivered})


async def _read(what: str, ask: Callable[[], Awaitable[Figures]]) -> Figures | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await ask()
    except Exception as error:  # whatever it is, the other series are still to be had
        log.warning("figures are missing", what=what, reason=str(error) or type(error).__name__)
        return None
