"""What waits on an instance becomes a hint; what cannot be scraped is no hint, and told once."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

import pytest
from structlog.testing import capture_logs

from control_plane.core.triton_load import DONE, LOOKED_AT, QUEUED
from control_plane.core.triton_metrics import PENDING, MetricFamily, Sample
from control_plane.loops.scrape import InstanceScrape
from control_plane.ports import ScrapeFailed
from control_plane.services.fleet import Fleet
from tests.unit.fakes import FakeClock, FakeInstance
from tests.unit.samples import TABLE, make_fleet

TIMEOUT_S = 3.0
NAME = "triton-0"


@dataclass
class FakeMetrics:
    """A page with these counts, as long as nothing is wrong."""

    pending: dict[str, int] = field(default_factory=dict)
    queued_us: float = 0.0
    done: int = 0
    error: Exception | None = None
    asked: int = 0
    on_scrape: Callable[[], None] = lambda: None

    async def scrape(self, *prefixes: str, timeout_s: float) -> tuple[MetricFamily, ...]:
        assert (prefixes, timeout_s) == (LOOKED_AT, TIMEOUT_S)
        self.asked += 1
        self.on_scrape()
        if self.error is not None:
            raise self.error
        samples = tuple(
            Sample(PENDING, {"model": model, "version": "1"}, count)
            for model, count in self.pending.items()
        )
        labels = {"model": "preprocess", "version": "1"}
        return (
            MetricFamily(PENDING, "gauge", "", samples),
            MetricFamily(QUEUED, "counter", "", (Sample("", labels, self.queued_us),)),
            MetricFamily(DONE, "counter", "", (Sample("", labels, self.done),)),
        )


def make_scrape(fleet: Fleet, metrics: FakeMetrics) -> InstanceScrape:
    return InstanceScrape(
        NAME,
        metrics=metrics,
        fleet=fleet,
        releases=TABLE.releases,
        interval_s=0.0,
        timeout_s=TIMEOUT_S,
        clock=FakeClock(),
    )


def hints(fleet: Fleet, name: str = NAME) -> dict[str, int]:
    """What each engine's pool was told to wait there."""
    return {
        engine: member.waiting_elsewhere
        for (engine, _), pool in fleet._pools.items()
        for member in pool.statistics(0.0).members
        if member.name == name
    }


async def test_what_waits_there_is_hinted_to_each_engine_and_to_no_other_instance() -> None:
    fleet = make_fleet(FakeInstance(), FakeInstance())
    await make_scrape(fleet, FakeMetrics({"preprocess": 2, "damage_detector": 5})).scrape()
    assert hints(fleet) == {"damage": 7, "materials": 2, "volume": 0}
    assert set(hints(fleet, "triton-1").values()) == {0}


async def test_how_long_requests_waited_there_is_hinted_and_shown() -> None:
    fleet = make_fleet(FakeInstance())
    metrics = FakeMetrics()
    scrape = make_scrape(fleet, metrics)
    await scrape.scrape()
    metrics.queued_us, metrics.done = 6e6, 30
    await scrape.scrape()
    told = {
        engine: pool.statistics(0.0).members[0].queue_s
        for (engine, _), pool in fleet._pools.items()
    }
    assert told == {"damage": 0.2, "materials": 0.2, "volume": 0.0}
    scraped = fleet.instance(NAME).scraped
    assert scraped.load is not None
    assert scraped.load.queue_s["damage", "1.0.0"] == 0.2
    assert scraped.until_s == scraped.at_s + TIMEOUT_S


@pytest.mark.parametrize("error", [ScrapeFailed("HTTP status 503"), RuntimeError("a bug")])
async def test_what_cannot_be_scraped_is_no_hint_and_told_when_that_changes(
    error: Exception,
) -> None:
    fleet = make_fleet(FakeInstance())
    metrics = FakeMetrics({"preprocess": 2})
    scrape = make_scrape(fleet, metrics)
    await scrape.scrape()
    metrics.error = error
    with capture_logs() as logs:
        await scrape.scrape()
        assert set(hints(fleet).values()) == {0}
        assert fleet.instance(NAME).scraped.load is None
        assert fleet.instance(NAME).scraped.reason == f"scrape failed: {error}"
        await scrape.scrape()
        metrics.error = None
        await scrape.scrape()
        await scrape.scrape()
    assert hints(fleet)["materials"] == 2
    assert [(line["log_level"], line["event"], line["instance"]) for line in logs] == [
        ("warning", "metrics not scraped", NAME),
        ("info", "metrics scraped again", NAME),
    ]
    assert logs[0]["reason"] == str(error)
    assert logs[0]["exc_info"] is (None if isinstance(error, ScrapeFailed) else error)


async def test_it_goes_on_and_leaves_alone_who_is_away() -> None:
    fleet = make_fleet(FakeInstance())
    metrics = FakeMetrics(error=ScrapeFailed("refused"))
    scraped_thrice = asyncio.Event()

    def leave() -> None:
        if metrics.asked == 3:
            fleet.publish(NAME, serving=(), is_live=False, reason="", now_s=0.0)
            scraped_thrice.set()

    metrics.on_scrape = leave
    running = asyncio.create_task(make_scrape(fleet, metrics).run())
    async with asyncio.timeout(5):
        await scraped_thrice.wait()
    for _ in range(10):
        await asyncio.sleep(0)
    assert metrics.asked == 3
    assert not running.done()
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
