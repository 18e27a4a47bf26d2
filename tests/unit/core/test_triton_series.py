"""An instance's counters go on over a restart, what is too much is left out, twins have names."""

from __future__ import annotations

import math

from control_plane.core.triton_metrics import MetricFamily, Sample
from control_plane.core.triton_series import (
    MOST_FAMILIES,
    MOST_SERIES,
    InstanceSeries,
    is_cumulative,
    labels_of,
    served_by,
)
from tests.unit.samples import DAMAGE, VOLUME

DONE = "nv_inference_request_success"


def counter(name: str = DONE, **by_model: float) -> MetricFamily:
    samples = tuple(
        Sample(f"{name}_total", {"model": model, "version": "1"}, value)
        for model, value in by_model.items()
    )
    return MetricFamily(name, "counter", "", samples)


def histogram(model: str, low: float, count: float) -> MetricFamily:
    name, labels = "nv_first_response_ms", {"model": model, "version": "1"}
    samples = (
        Sample(f"{name}_bucket", {**labels, "le": "10"}, low),
        Sample(f"{name}_bucket", {**labels, "le": "+Inf"}, count),
        Sample(f"{name}_count", labels, count),
    )
    return MetricFamily(name, "histogram", "", samples)


def values(series: InstanceSeries) -> list[float]:
    assert series.families is not None
    return [sample.value for family in series.families for sample in family.samples]


def test_a_counter_goes_on_after_each_restart() -> None:
    series = InstanceSeries()
    shown = []
    for value in (5.0, 9.0, 2.0, 3.0, 0.0, 1.0):
        series.take([counter(echo=value)])
        shown += values(series)
    assert shown == [5.0, 9.0, 11.0, 12.0, 12.0, 13.0]


def test_a_model_that_was_loaded_anew_goes_on_and_no_other_moves() -> None:
    series = InstanceSeries()
    series.take([counter(echo=5.0, volume=7.0)])
    series.take([counter(volume=8.0)])
    series.take([counter(echo=1.0, volume=8.0)])
    assert values(series) == [6.0, 8.0]


def test_the_parts_of_a_histogram_begin_anew_together() -> None:
    series = InstanceSeries()
    series.take([histogram("echo", 3.0, 100.0)])
    # The low bucket has not fallen, and yet it was begun anew.
    series.take([histogram("echo", 5.0, 6.0)])
    assert values(series) == [8.0, 106.0, 106.0]


def test_a_gauge_falls_and_a_quantile_too() -> None:
    gauge = MetricFamily("nv_load", "gauge", "", (Sample("nv_load", {}, 9.0),))
    series = InstanceSeries()
    series.take([gauge])
    series.take([MetricFamily("nv_load", "gauge", "", (Sample("nv_load", {}, 2.0),))])
    assert values(series) == [2.0]
    summary = MetricFamily("nv_took", "summary", "", ())
    assert not is_cumulative(summary, Sample("nv_took", {"quantile": "0.5"}, 1.0))
    assert is_cumulative(summary, Sample("nv_took_sum", {}, 1.0))


def test_a_counter_that_is_no_number_is_shown_as_it_is_and_not_reckoned_with() -> None:
    series = InstanceSeries()
    series.take([counter(echo=math.nan)])
    assert all(map(math.isnan, values(series)))
    series.take([counter(echo=3.0)])
    assert values(series) == [3.0]


def test_while_there_is_no_page_nothing_is_shown_and_counters_are_remembered() -> None:
    series = InstanceSeries()
    series.take([counter(echo=5.0)])
    series.lose()
    assert series.families is None
    series.take([counter(echo=1.0)])
    assert values(series) == [6.0]


def test_what_is_too_much_is_left_out_by_whole_families() -> None:
    series = InstanceSeries()
    many = {f"model{number}": 1.0 for number in range(MOST_SERIES)}
    series.take([counter("nv_a", **many), counter("nv_b", one=1.0)])
    assert series.families is not None
    assert [family.name for family in series.families] == ["nv_a"]
    assert series.left_out == 1
    series.take([counter(f"nv_{number}", one=1.0) for number in range(MOST_FAMILIES + 3)])
    assert len(values(series)) == MOST_FAMILIES
    assert series.left_out == 3
    series.take([counter(one=1.0)])
    assert series.left_out == 0


def test_models_that_came_and_went_are_forgotten_once_they_are_many() -> None:
    series = InstanceSeries()
    for page in range(3):
        names = {f"model{page}x{number}": 5.0 for number in range(MOST_SERIES)}
        series.take([counter(**names)])
    series.take([counter(model0x0=1.0, model2x0=1.0)])
    assert values(series) == [1.0, 6.0]


def test_a_twin_is_shown_with_its_engine_and_release_and_a_component_without() -> None:
    served = served_by([DAMAGE, VOLUME])

    def shown(**labels: str) -> dict[str, str]:
        return labels_of(Sample(DONE, labels, 1.0), "triton-0", served)

    assert shown(model="damage--1.0.0", version="1") == {
        "model": "damage--1.0.0",
        "version": "1",
        "instance": "triton-0",
        "engine": "damage",
        "release": "1.0.0",
    }
    assert shown(model="volume", version="4")["release"] == "4.0.0"
    assert "release" not in shown(model="volume", version="3")
    assert shown(model="preprocess", version="1").keys() == {"model", "version", "instance"}
    assert shown(gpu_uuid="GPU-1", instance="x") == {"gpu_uuid": "GPU-1", "instance": "triton-0"}
