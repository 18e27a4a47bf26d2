"""What the instances measure of themselves, shown on as ``tidegate_triton_*``.

They are asked when somebody scrapes, all at once and for a short while; nobody asks while nobody
wants to know. Of one that does not answer the series are missing, and it is said.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog
from prometheus_client.core import Metric

from control_plane.adapters.metrics.catalogue import SCRAPE_LEFT_OUT, SCRAPE_UP
from control_plane.adapters.metrics.fresh import MAX_AGE_S
from control_plane.core.catalogue import Release
from control_plane.core.triton_metrics import MetricFamily
from control_plane.core.triton_series import PREFIX, InstanceSeries, labels_of, served_by
from control_plane.ports import InstanceMetrics, ScrapeFailed

log = structlog.get_logger(__name__)

SHOWN = "tidegate_triton_"
TIMEOUT_S = 1.0


@dataclass(frozen=True, slots=True)
class _Page:
    metrics: InstanceMetrics
    series: InstanceSeries = field(default_factory=InstanceSeries)


class TritonSeries:
    """A source of ``MetricsText``.

    pages: of each instance by its name. is_live: whether an instance answers at all; one that
    does not is not asked. releases: those that may be on an instance.
    now_s: a monotonic clock's reading.
    """

    def __init__(
        self,
        pages: Mapping[str, InstanceMetrics],
        *,
        is_live: Callable[[str], bool],
        releases: Callable[[], Iterable[Release]],
        now_s: Callable[[], float],
    ) -> None:
        self._pages = {name: _Page(metrics) for name, metrics in pages.items()}
        self._is_live = is_live
        self._releases = releases
        self._now_s = now_s
        self._asked_s: float | None = None
        self._refreshing = asyncio.Lock()

    async def refresh(self) -> None:
        async with self._refreshing:
            now_s = self._now_s()
            if self._asked_s is not None and now_s - self._asked_s < MAX_AGE_S:
                return
            await asyncio.gather(*(self._ask(name, page) for name, page in self._pages.items()))
            self._asked_s = now_s

    def collect(self) -> Iterator[Metric]:
        series = {name: page.series for name, page in self._pages.items()}
        yield SCRAPE_UP.of({(name,): one.families is not None for name, one in series.items()})
        yield SCRAPE_LEFT_OUT.of(
            {(name,): one.left_out for name, one in series.items() if one.families is not None}
        )
        served = served_by(self._releases())
        by_name: dict[str, list[tuple[str, MetricFamily]]] = {}
        for name, one in series.items():
            for family in one.families or ():
                by_name.setdefault(family.name, []).append((name, family))
        for found in by_name.values():
            yield _metric_of(found, served)

    async def _ask(self, name: str, page: _Page) -> None:
        if not self._is_live(name):
            page.series.lose()
            return
        try:
            page.series.take(await page.metrics.scrape(PREFIX, timeout_s=TIMEOUT_S))
        except ScrapeFailed:  # the loop that scrapes it for balancing says so in the log
            page.series.lose()
        except Exception:  # one instance's oddity must not cost the others' metrics
            page.series.lose()
            log.exception("metrics not scraped", instance=name)


def _metric_of(
    found: Sequence[tuple[str, MetricFamily]], served: Mapping[tuple[str, str], Release]
) -> Metric:
    """One metric of all instances. found: by the instance's name."""
    first = found[0][1]
    metric = Metric(_shown(first.name), first.help, first.kind)
    for instance, family in found:
        # Of two versions of Triton that differ in what a name is, one is shown.
        for sample in family.samples if family.kind == first.kind else ():
            metric.add_sample(
                _shown(sample.name), labels_of(sample, instance, served), sample.value
            )
    return metric


def _shown(name: str) -> str:
    return SHOWN + name.removeprefix(PREFIX)
