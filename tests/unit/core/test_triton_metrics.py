"""What waits for a release, from what a Triton says waits for each component."""

from __future__ import annotations

import math

import pytest

from control_plane.core.triton_metrics import (
    MOST_PENDING,
    PENDING,
    MetricFamily,
    Sample,
    pending_by_component,
    pending_for,
)
from tests.unit.samples import DAMAGE, DAMAGE_NEXT, MATERIALS, VOLUME

PAGE = {("preprocess", 1): 3, ("damage_detector", 1): 4, ("damage_detector", 2): 8}


def family(*samples: tuple[dict[str, str], float], name: str = PENDING) -> MetricFamily:
    return MetricFamily(name, "gauge", "", tuple(Sample(name, *sample) for sample in samples))


def test_each_component_has_its_count() -> None:
    counts = family(
        ({"model": "preprocess", "version": "1"}, 3.0),
        ({"model": "damage_detector", "version": "2"}, 0.0),
    )
    other = family(({"model": "volume", "version": "4"}, 9.0), name="nv_inference_count")
    assert pending_by_component([other, counts]) == {
        ("preprocess", 1): 3,
        ("damage_detector", 2): 0,
    }


@pytest.mark.parametrize(
    ("labels", "value"),
    [
        ({"version": "1"}, 1.0),
        ({"model": "", "version": "1"}, 1.0),
        ({"model": "m"}, 1.0),
        ({"model": "m", "version": ""}, 1.0),
        ({"model": "m", "version": "-1"}, 1.0),
        ({"model": "m", "version": "²"}, 1.0),
        ({"model": "m", "version": "9" * 19}, 1.0),
        ({"model": "m", "version": "1"}, math.nan),
        ({"model": "m", "version": "1"}, math.inf),
    ],
)
def test_what_is_no_count_of_a_component_is_left_out(labels: dict[str, str], value: float) -> None:
    assert pending_by_component([family((labels, value))]) == {}


@pytest.mark.parametrize(("value", "taken"), [(-1.0, 0), (1e18, MOST_PENDING)])
def test_a_count_that_cannot_be_is_bounded(value: float, taken: int) -> None:
    counts = family(({"model": "m", "version": "1"}, value))
    assert pending_by_component([counts]) == {("m", 1): taken}


def test_a_release_waits_for_all_it_pins_and_for_no_other_version() -> None:
    assert pending_for(DAMAGE, PAGE) == 7
    assert pending_for(DAMAGE_NEXT, PAGE) == 11


def test_a_shared_component_counts_for_every_engine() -> None:
    assert pending_for(MATERIALS, PAGE) == 3
    assert pending_for(VOLUME, PAGE) == 0
