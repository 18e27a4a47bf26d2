"""An instance's load from its pages: what it does not say is unknown, and counters may fall."""

from __future__ import annotations

import math

import pytest

from control_plane.core.triton_load import DONE, QUEUED, InstanceLoad, LoadMeter
from control_plane.core.triton_metrics import PENDING, MetricFamily, Sample
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

RELEASES = (DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME)
Counts = dict[tuple[str, int], float]


def by_component(name: str, counts: Counts) -> MetricFamily:
    samples = tuple(
        Sample(name, {"model": model, "version": str(version)}, value)
        for (model, version), value in counts.items()
    )
    return MetricFamily(name, "gauge", "", samples)


def gauges(name: str, *values: float) -> MetricFamily:
    samples = (Sample(name, {"gpu_uuid": str(n)}, value) for n, value in enumerate(values))
    return MetricFamily(name, "gauge", "", tuple(samples))


def page(queued_us: Counts, done: Counts) -> list[MetricFamily]:
    return [by_component(QUEUED, queued_us), by_component(DONE, done)]


def read(meter: LoadMeter, *families: MetricFamily) -> InstanceLoad:
    return meter.read(families, RELEASES)


def test_an_empty_page_says_nothing() -> None:
    assert read(LoadMeter()) == InstanceLoad(
        waiting={(one.engine, one.version): 0 for one in RELEASES}
    )


def test_what_waits_is_counted_in_all_and_for_each_release() -> None:
    load = read(
        LoadMeter(), by_component(PENDING, {("preprocess", 1): 3, ("damage_detector", 2): 4})
    )
    assert load.pending == 7
    assert load.waiting == {
        ("damage", "1.0.0"): 3,
        ("damage", "1.1.0"): 7,
        ("materials", "1.0.0"): 3,
        ("volume", "4.0.0"): 0,
    }


def test_a_release_waits_in_the_queue_of_each_of_its_components() -> None:
    meter = LoadMeter()
    first = page(
        {("preprocess", 1): 9e6, ("damage_detector", 1): 5e6},
        {("preprocess", 1): 100, ("damage_detector", 1): 50},
    )
    assert read(meter, *first).queue_s == {}
    then = page(
        {("preprocess", 1): 10e6, ("damage_detector", 1): 5.5e6},
        {("preprocess", 1): 110, ("damage_detector", 1): 52},
    )
    assert read(meter, *then).queue_s == {
        ("damage", "1.0.0"): pytest.approx(0.1 + 0.25),
        # Of its detector nothing is known, and of the queue before it something.
        ("damage", "1.1.0"): pytest.approx(0.1),
        ("materials", "1.0.0"): pytest.approx(0.1),
    }
    assert read(meter, *then).queue_s == {}, "without a request there is no mean"


def test_a_counter_that_fell_began_at_nothing() -> None:
    meter = LoadMeter()
    volume = ("volume", 4)
    read(meter, *page({volume: 9e6}, {volume: 100}))
    begun = read(meter, *page({volume: 1e6}, {volume: 4}))
    assert begun.queue_s == {("volume", "4.0.0"): 0.25}
    # It has waited more in fewer requests than before, and only the one of the two has fallen.
    again = read(meter, *page({volume: 2e6}, {volume: 2}))
    assert again.queue_s == {("volume", "4.0.0"): 1.0}
    read(meter, *page({}, {}))
    assert read(meter, *page({volume: 3e6}, {volume: 3})).queue_s == {}, "gone in between"


def test_a_component_with_one_of_the_two_counters_has_no_queue_time() -> None:
    meter = LoadMeter()
    volume = ("volume", 4)
    read(meter, by_component(QUEUED, {volume: 1e6}))
    assert read(meter, *page({volume: 2e6}, {volume: 9})).queue_s == {}


def test_gpus_and_the_machine() -> None:
    load = read(
        LoadMeter(),
        gauges("nv_gpu_utilization", 0.25, 0.75),
        gauges("nv_gpu_memory_used_bytes", 10.0, 30.0),
        gauges("nv_gpu_memory_total_bytes", 100.0, 100.0),
        gauges("nv_cpu_utilization", 0.125),
        gauges("nv_cpu_memory_used_bytes", 5.0),
        gauges("nv_cpu_memory_total_bytes", 50.0),
    )
    assert (load.gpu_utilization, load.cpu_utilization) == (0.5, 0.125)
    assert (load.gpu_memory_used_bytes, load.gpu_memory_total_bytes) == (40, 200)
    assert (load.cpu_memory_used_bytes, load.cpu_memory_total_bytes) == (5, 50)


@pytest.mark.parametrize("value", [math.nan, math.inf, -1.0])
def test_what_is_no_number_is_not_known(value: float) -> None:
    assert read(LoadMeter(), gauges("nv_gpu_utilization", value)).gpu_utilization is None
    assert read(LoadMeter(), gauges("nv_gpu_utilization", 7.0)).gpu_utilization == 1.0
