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
from prometheus_client.core import GaugeMetricFamily, Metric

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
        yield _gauge(
            "tidegate_job_figures_up", "Whether the job store answers.", self._figures is not None
        )
        yield _gauge("tidegate_queue_up", "Whether the queue answers.", self._depths is not None)
        if self._depths is not None:
            depths = self._depths
            yield _gauge_by(
                "tidegate_queue_depth",
                "Messages that wait in the queue, those for a later time too.",
                "priority",
                {one.value: depths.get(one, 0) for one in Priority},
            )
        if self._figures is not None:
            yield from _families(self._figures)


def _families(figures: JobFigures) -> Iterator[Metric]:
    yield _gauge_by(
        "tidegate_queue_oldest_age_seconds",
        "How long ago the oldest job that is due was accepted.",
        "priority",
        {one.value: figures.oldest_age_s.get(one, 0.0) for one in Priority},
    )
    yield _gauge_by(
        "tidegate_dead_letters",
        "Jobs that failed and were neither replayed nor discarded.",
        "reason",
        {one.value: figures.dead.get(one, 0) for one in DeadReason},
    )
    yield _gauge_by(
        "tidegate_jobs_waiting",
        "Queued jobs, those that wait for their next attempt too.",
        "priority",
        {one.value: figures.waiting.get(one, 0) for one in Priority},
    )
    yield _gauge_by(
        "tidegate_jobs",
        "Jobs that are not finished.",
        "state",
        {one.value: figures.states.get(one, 0) for one in DetectionStatus if one not in FINISHED},
    )
    yield _gauge(
        "tidegate_jobs_undelivered",
        "Results that were given up on their way.",
        figures.undelivered,
    )


def _gauge(name: str, help_text: str, value: float) -> Metric:
    return GaugeMetricFamily(name, help_text, value=float(value))


def _gauge_by(name: str, help_text: str, label: str, values: Mapping[str, float]) -> Metric:
    family = GaugeMetricFamily(name, help_text, labels=[label])
    for of, value in values.items():
        family.add_metric([of], value)
    return family


async def _read(what: str, ask: Callable[[], Awaitable[Figures]]) -> Figures | None:
    try:
        async with asyncio.timeout(TIMEOUT_S):
            return await ask()
    except Exception as error:  # whatever it is, the other series are still to be had
        log.warning("figures are missing", what=what, reason=str(error) or type(error).__name__)
        return None
