"""The composition root's own decisions: what ends the process, and what is refused at the start."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Callable
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from structlog.testing import capture_logs

from control_plane.adapters.model_repository import ModelRepository
from control_plane.adapters.stores import Bounds
from control_plane.bootstrap.checks import metrics_urls, read_fallbacks
from control_plane.bootstrap.life import reports_of
from control_plane.bootstrap.life import run_loops as run_all_loops
from control_plane.bootstrap.options import (
    gateway_options,
    http_limits,
    measuring_options,
    pool_options,
    pool_options_by_engine,
    probe_times,
    rest_limits,
    shadow_options,
    store_bounds,
)
from control_plane.bootstrap.wiring import wired
from control_plane.core.admission import AdmissionOptions
from control_plane.core.concurrency_limit import LimitOptions
from control_plane.errors import ConfigurationError
from control_plane.rest_api.server import HttpLimits
from control_plane.services.measuring import MeasuringOptions
from control_plane.services.shadowing import ShadowOptions
from control_plane.settings import Settings


class FakeFleet:
    """Embedded Tritons whose supervisions end by a bug, ``count`` of them."""

    def __init__(self, count: int, *, stays: bool) -> None:
        self.count = count
        self.stays = stays

    async def ended(self) -> AsyncGenerator[tuple[str, BaseException | None], None]:
        for index in range(self.count):
            yield f"triton-{index}", RuntimeError("a bug")
        if self.stays:
            await asyncio.Event().wait()


async def report(_is_ready: bool) -> None:
    """Nobody listens."""


class Endless:
    """A loop that is never over."""

    async def run(self) -> None:
        await asyncio.Event().wait()


def a_plane() -> Any:
    return SimpleNamespace(
        status=SimpleNamespace(is_ready=lambda: True), grpc=SimpleNamespace(report=report)
    )


async def run_loops(fleet: Any, stop: asyncio.Event) -> None:
    async with asyncio.timeout(10):
        await run_all_loops([Endless()], stop.wait(), *reports_of(a_plane(), fleet))


async def test_an_embedded_triton_nobody_looks_after_is_told_and_the_others_go_on() -> None:
    stop = asyncio.Event()
    with capture_logs() as logs:
        running = asyncio.create_task(run_loops(FakeFleet(1, stays=True), stop))
        for _ in range(10):
            await asyncio.sleep(0)
        assert not running.done()
        stop.set()
        await running
    (line,) = [line for line in logs if line["log_level"] == "error"]
    assert line["instance"] == "triton-0"
    assert str(line["exc_info"]) == "a bug"


async def test_when_nobody_looks_after_any_embedded_triton_the_process_ends() -> None:
    with pytest.RaisesGroup(pytest.RaisesExc(RuntimeError, match="no embedded Triton")):
        await run_loops(FakeFleet(2, stays=False), asyncio.Event())


async def test_without_embedded_tritons_the_loops_run_until_the_stop() -> None:
    stop = asyncio.Event()
    stop.set()
    await run_loops(None, stop)


@pytest.fixture
def settings(tmp_path: Path) -> Callable[..., Settings]:
    """Settings whose repository holds one engine, ``echo``."""
    model = tmp_path / "models" / "echo"
    (model / "1").mkdir(parents=True)
    (model / "config.pbtxt").write_text('backend: "python"')
    return partial(Settings, model_repository=model.parent, state_dir=tmp_path / "state")


async def complaint_of(settings: Settings, *, with_tritons: bool = True) -> ConfigurationError:
    with pytest.raises(ConfigurationError) as complaint:
        async with wired(settings, with_tritons=with_tritons):
            raise AssertionError("it was wired")
    return complaint.value


def instances(*names: str) -> list[dict[str, str]]:
    return [{"name": name, "grpc_url": "gpu:8001"} for name in names]


async def test_an_instance_called_as_an_embedded_triton_is_refused(
    settings: Callable[..., Settings],
) -> None:
    complaint = await complaint_of(settings(instances=instances("gpu", "triton-1")))
    assert complaint.field == "instances.1.name"
    assert "'triton-1'" in complaint.message


async def test_an_instance_may_be_called_so_where_no_embedded_triton_is(
    settings: Callable[..., Settings],
) -> None:
    called = settings(instances=instances("triton-0", "triton-2"))
    async with wired(called, with_tritons=False) as plane:
        assert len(plane.instances.watches) == 2
    called = settings(instances=instances("triton-2"))
    async with wired(called, with_tritons=True) as plane:
        assert len(plane.instances.watches) == 3


async def test_metrics_are_scraped_where_the_settings_say_and_of_every_embedded_triton(
    settings: Callable[..., Settings],
) -> None:
    named = [{**instances("gpu")[0], "metrics_url": "http://gpu:8002/metrics"}, *instances("cpu")]
    given = settings(instances=named, embedded={"base_port": 7000})
    assert metrics_urls(given, with_tritons=False) == {"gpu": "http://gpu:8002/metrics"}
    assert metrics_urls(given, with_tritons=True) == {
        "gpu": "http://gpu:8002/metrics",
        "triton-0": "http://127.0.0.1:7002/metrics",
        "triton-1": "http://127.0.0.1:7012/metrics",
    }
    async with wired(given, with_tritons=True) as plane:
        assert len(plane.instances.scrapes) == 3


async def test_a_deadline_for_an_engine_that_is_not_there_is_refused(
    settings: Callable[..., Settings],
) -> None:
    complaint = await complaint_of(settings(requests={"engines": {"eccho": {"timeout_s": 1}}}))
    assert complaint.field == "requests.engines.eccho"
    assert complaint.message.endswith("which has: echo")


async def test_a_fallback_that_the_engine_does_not_have_is_refused(
    settings: Callable[..., Settings],
) -> None:
    complaint = await complaint_of(settings(requests={"engines": {"echo": {"fallback": "9.9.9"}}}))
    assert complaint.field == "requests.engines.echo.fallback"
    assert complaint.message.endswith("is '9.9.9', which is no release of 'echo'; it has: 1.0.0")


async def test_a_fallback_is_served(settings: Callable[..., Settings]) -> None:
    told = settings(requests={"engines": {"echo": {"fallback": "1.0.0"}}}, instances=instances("a"))
    async with wired(told, with_tritons=False) as plane:
        assert plane.grpc is not None
    engines = ModelRepository.read(told.model_repository).engines
    assert read_fallbacks(told, engines) == {"echo": "1.0.0"}
    assert gateway_options(told).times.by_engine == {}


def test_an_engines_times_are_as_the_settings_say() -> None:
    engines = {"damage": {"timeout_s": 3, "hedge_after_s": 0.2}, "volume": {}}
    options = gateway_options(Settings(requests={"engines": engines}))
    assert options.times.by_engine == {"damage": 3.0}
    assert options.times.hedge_after_s == {"damage": 0.2}


def test_what_is_slow_is_measured_by_the_time_of_a_try_of_each_engine() -> None:
    engines = {"depth": {"timeout_s": 30}, "quick": {"timeout_s": 1}, "damage": {}}
    told = Settings(requests={"engines": engines})
    assert pool_options(told).load.fault_counts_as_s == 2.5
    found = {name: one.load.fault_counts_as_s for name, one in pool_options_by_engine(told).items()}
    assert found == {"depth": 15.0, "quick": 0.5, "damage": 2.5}
    times = probe_times(told)
    assert [times.timeout_of_s(name) for name in ("depth", "quick", "damage", "other")] == [
        15.0,
        2.5,
        2.5,
        2.5,
    ]
    assert probe_times(Settings(requests={"engine_timeout_s": 8})).timeout_s == 4.0


def test_breakers_trip_on_slow_calls_as_the_settings_say_or_as_the_time_of_a_try_does() -> None:
    engines = {"depth": {"timeout_s": 30}}
    told = Settings(requests={"engines": engines})
    assert pool_options(told).breaker.slow_call_s == 2.0
    assert pool_options_by_engine(told)["depth"].breaker.slow_call_s == 12.0
    told = Settings(breakers={"slow_call_s": 0.7, "slow_ratio": 0.6}, requests={"engines": engines})
    for breaker in (pool_options(told).breaker, pool_options_by_engine(told)["depth"].breaker):
        assert (breaker.slow_call_s, breaker.slow_ratio) == (0.7, 0.6)


def test_admission_is_as_the_settings_say() -> None:
    assert gateway_options(Settings()).admission == AdmissionOptions()
    told = {
        "min_limit": 2,
        "max_limit": 9,
        "initial_limit": 3,
        "tolerance": 1.2,
        "patience_s": 0.1,
        "normal_percent": 80,
        "low_percent": 60,
    }
    assert gateway_options(Settings(admission=told)).admission == AdmissionOptions(
        LimitOptions(initial=3, min_limit=2, max_limit=9, tolerance=1.2, patience_s=0.1),
        low_percent=60,
        normal_percent=80,
    )


def test_counting_and_copying_are_bounded_as_they_are_by_themselves() -> None:
    assert measuring_options(Settings()) == MeasuringOptions()
    assert shadow_options(Settings()) == ShadowOptions()
    told = Settings(analysis={"max_keys": 5_000, "shadow": {"concurrency": 9}})
    assert measuring_options(told).tally.max_keys == 5_000
    assert store_bounds(Settings()) == Bounds()
    assert store_bounds(told).keyed_units == 20_000
    assert shadow_options(told).concurrency == 9


def test_the_bounds_of_http_are_those_of_the_settings() -> None:
    given = Settings(http={"max_requests": 7, "max_connections": 8, "body_timeout_s": 9})
    assert http_limits(given) == HttpLimits(max_requests=7, max_connections=8)
    assert rest_limits(given).body_timeout_s == 9.0
