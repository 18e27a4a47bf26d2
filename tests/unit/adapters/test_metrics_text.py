"""Metrics as text: figures that are new enough, and series that are missing when they must be."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator, Mapping

from prometheus_client.core import Metric
from prometheus_client.parser import text_string_to_metric_families
from structlog.testing import capture_logs

from control_plane.adapters.metrics.catalogue import FIGURES_UP, QUEUE_UP
from control_plane.adapters.metrics_text import JobMetrics, MetricsText
from control_plane.core.detections import Priority
from control_plane.core.jobs import JobFigures
from control_plane.ports import StoreUnavailable
from tests.unit.fake_jobs import DEPTHS, FIGURES
from tests.unit.virtual_time import run_virtually


class Source:
    """A job store and a queue that can be away."""

    def __init__(self) -> None:
        self.asked = 0
        self.store_error: Exception | None = None
        self.queue_error: Exception | None = None
        self.now_s = 0.0
        self.delay_s = 0.0

    async def figures(self) -> JobFigures:
        self.asked += 1
        await asyncio.sleep(self.delay_s)
        if self.store_error is not None:
            raise self.store_error
        return FIGURES

    async def depths(self) -> Mapping[Priority, int]:
        if self.queue_error is not None:
            raise self.queue_error
        return DEPTHS

    def text(self) -> MetricsText:
        return MetricsText([JobMetrics(self.figures, self.depths, lambda: self.now_s)])


async def series(text: MetricsText) -> dict[str, float]:
    raw = (await text.render()).decode()
    return {
        " ".join([sample.name, *sample.labels.values()]): sample.value
        for family in text_string_to_metric_families(raw)
        for sample in family.samples
    }


async def test_jobs_are_counted() -> None:
    assert await series(Source().text()) == {
        "tidegate_job_figures_up": 1,
        "tidegate_queue_up": 1,
        "tidegate_queue_depth high": 1,
        "tidegate_queue_depth normal": 0,
        "tidegate_queue_depth low": 39,
        "tidegate_queue_oldest_age_seconds high": 0,
        "tidegate_queue_oldest_age_seconds normal": 0,
        "tidegate_queue_oldest_age_seconds low": 12.5,
        "tidegate_dead_letters unprocessable": 0,
        "tidegate_dead_letters failed": 2,
        "tidegate_jobs_waiting high": 1,
        "tidegate_jobs_waiting normal": 0,
        "tidegate_jobs_waiting low": 40,
        "tidegate_jobs queued": 41,
        "tidegate_jobs processing": 0,
        "tidegate_jobs_undelivered": 1,
        "tidegate_jobs_sending": 3,
    }


async def test_a_store_that_is_away_takes_its_series_with_it() -> None:
    source = Source()
    source.store_error = StoreUnavailable("away")
    found = await series(source.text())
    assert found.pop("tidegate_job_figures_up") == 0
    assert found.pop("tidegate_queue_up") == 1
    assert {name.partition(" ")[0] for name in found} == {"tidegate_queue_depth"}


async def test_a_queue_that_is_away_takes_its_series_with_it() -> None:
    source = Source()
    source.queue_error = RuntimeError()
    found = await series(source.text())
    assert found["tidegate_queue_up"] == 0
    assert found["tidegate_job_figures_up"] == 1
    assert "tidegate_queue_depth high" not in found


async def test_many_scrapes_ask_once_while_the_figures_are_new() -> None:
    source = Source()
    text = source.text()
    await asyncio.gather(*(text.render() for _ in range(5)))
    assert source.asked == 1
    source.now_s = 1.9
    await text.render()
    assert source.asked == 1
    source.now_s = 2.0
    source.store_error = StoreUnavailable("away")
    assert (await series(text))["tidegate_job_figures_up"] == 0
    assert source.asked == 2


def test_a_store_that_does_not_answer_is_not_waited_for() -> None:
    source = Source()
    source.delay_s = 3600
    assert run_virtually(series(source.text()))["tidegate_job_figures_up"] == 0


async def test_a_source_with_a_mistake_costs_the_others_nothing() -> None:
    class Broken:
        async def refresh(self) -> None:
            """Nothing is read before it is asked for."""

        def collect(self) -> Iterator[Metric]:
            yield QUEUE_UP.of({(): 1})
            raise KeyError("triton-9")

    class Good(Broken):
        def collect(self) -> Iterator[Metric]:
            yield FIGURES_UP.of({(): 1})

    with capture_logs() as logs:
        found = await series(MetricsText([Broken(), Good()]))
    assert found == {"tidegate_queue_up": 1, "tidegate_job_figures_up": 1}
    assert [(line["event"], line["source"]) for line in logs] == [("metrics are missing", "Broken")]
