"""The instances' own metrics: with whose they are, and missing, and said so, where they must be."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass, field

from structlog.testing import capture_logs

from control_plane.adapters.metrics.tritons import TIMEOUT_S, TritonSeries
from control_plane.core.triton_metrics import MetricFamily, Sample
from control_plane.ports import ScrapeFailed
from tests.unit.adapters.metrics.reading import series
from tests.unit.samples import DAMAGE

DONE = "nv_inference_request_success"


def done(value: float, model: str = "damage--1.0.0") -> MetricFamily:
    labels = {"model": model, "version": "1"}
    return MetricFamily(DONE, "counter", "Done.", (Sample(f"{DONE}_total", labels, value),))


@dataclass
class Page:
    """An instance's page, as long as nothing is wrong."""

    families: tuple[MetricFamily, ...] = (done(5.0),)
    error: Exception | None = None
    asked: int = 0

    async def scrape(self, *prefixes: str, timeout_s: float) -> tuple[MetricFamily, ...]:
        assert (prefixes, timeout_s) == (("nv_",), TIMEOUT_S)
        self.asked += 1
        if self.error is not None:
            raise self.error
        return self.families


@dataclass
class Site:
    pages: dict[str, Page] = field(default_factory=lambda: {"a": Page(), "b": Page()})
    away: set[str] = field(default_factory=set)
    now_s: float = 0.0

    def __post_init__(self) -> None:
        self.source = TritonSeries(
            self.pages,
            is_live=lambda name: name not in self.away,
            releases=lambda: [DAMAGE],
            now_s=lambda: self.now_s,
        )

    async def later(self) -> dict[str, float]:
        self.now_s += 10.0
        return await series(self.source)


def shown(instance: str) -> str:
    name = "tidegate_triton_inference_request_success_total"
    return f"{name} damage {instance} damage--1.0.0 1.0.0 1"


async def test_each_instance_is_shown_with_its_name_and_the_release_of_a_twin() -> None:
    site = Site()
    site.pages["b"].families = (done(7.0), done(1.0, "preprocess"))
    found = await series(site.source)
    assert found == {
        "tidegate_triton_scrape_up a": 1,
        "tidegate_triton_scrape_up b": 1,
        "tidegate_triton_series_left_out a": 0,
        "tidegate_triton_series_left_out b": 0,
        shown("a"): 5,
        shown("b"): 7,
        "tidegate_triton_inference_request_success_total b preprocess 1": 1,
    }


async def test_one_that_cannot_be_scraped_is_missing_and_the_others_are_not() -> None:
    site = Site()
    for error in (ScrapeFailed("HTTP status 503"), RuntimeError("a bug")):
        site.pages["a"].error = error
        with capture_logs() as logs:
            found = await site.later()
        assert found["tidegate_triton_scrape_up a"] == 0
        assert found["tidegate_triton_scrape_up b"] == 1
        assert shown("a") not in found
        assert found[shown("b")] == 5
        assert len(logs) == isinstance(error, RuntimeError)


async def test_one_that_was_restarted_goes_on_counting_and_is_not_asked_while_it_is_away() -> None:
    site = Site()
    assert (await site.later())[shown("a")] == 5
    site.away.add("a")
    assert (await site.later())["tidegate_triton_scrape_up a"] == 0
    assert site.pages["a"].asked == 1
    site.away.clear()
    site.pages["a"].families = (done(1.0),)
    assert (await site.later())[shown("a")] == 6


async def test_many_scrapes_ask_each_instance_once_in_a_while() -> None:
    site = Site()
    await asyncio.gather(*(series(site.source) for _ in range(4)))
    assert site.pages["a"].asked == 1
    await site.later()
    assert site.pages["a"].asked == 2


async def test_what_is_something_else_on_another_instance_is_shown_of_the_first() -> None:
    site = Site()
    labels = {"model": "damage--1.0.0", "version": "1"}
    site.pages["b"].families = (MetricFamily(DONE, "gauge", "", (Sample(DONE, labels, 1.0),)),)
    found = await series(site.source)
    assert [name for name in found if name.startswith("tidegate_triton_inf")] == [shown("a")]
