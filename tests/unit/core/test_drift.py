"""Drift: 0 for the same, large for another shape, silent with few samples, steady by chance."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.drift import (
    LARGE,
    LEAST_SAMPLES,
    REFERENCE_SAMPLES,
    Against,
    Drift,
    Reference,
    ReferenceSample,
    drifts,
    stability_index,
)
from control_plane.core.traffic import CONFIDENCE_BOUNDS, Distribution

SURE = (0, 0, 0, 0, 0, 0, 0, 50, 100, 150, 0)
UNSURE = (0, 0, 0, 100, 100, 50, 50, 0, 0, 0, 0)
HISTOGRAMS = st.lists(st.integers(0, 10_000), min_size=11, max_size=11)


def seen(counts: tuple[int, ...]) -> Distribution:
    return Distribution(CONFIDENCE_BOUNDS, counts, 0.0)


@given(HISTOGRAMS, HISTOGRAMS)
def test_it_is_a_distance_of_two_shapes(one: list[int], other: list[int]) -> None:
    assert stability_index(one, one) == 0.0
    assert stability_index(one, other) >= 0.0
    assert stability_index(one, other) == pytest.approx(stability_index(other, one))


def test_it_is_as_it_is_defined() -> None:
    # Two buckets with something, 3 : 1 against 1 : 3; smoothing hardly counts.
    ours, theirs = [750_000, 250_000] + [0] * 9, [250_000, 750_000] + [0] * 9
    assert stability_index(ours, theirs) == pytest.approx(1.0986, abs=0.001)
    assert stability_index(SURE, [2 * count for count in SURE]) < 0.01
    assert stability_index(SURE, UNSURE) > 10 * LARGE


def test_chance_alone_is_seldom_taken_for_a_large_drift() -> None:
    rng = Random(11)
    weights = [1.0] * 10

    def drawn() -> list[int]:
        counts = [0] * 11
        for bucket in rng.choices(range(10), weights, k=LEAST_SAMPLES):
            counts[bucket] += 1
        return counts

    large = sum(stability_index(drawn(), drawn()) > LARGE for _ in range(1000))
    assert large <= 5


def test_a_canary_is_compared_with_stable_and_stable_with_its_reference() -> None:
    found = drifts({"1.0.0": seen(SURE), "1.1.0": seen(UNSURE)}, "1.0.0", Reference("1.0.0", SURE))
    assert found["1.0.0"] == Drift(0.0, 300, Against.REFERENCE, 300)
    assert found["1.1.0"] == Drift(
        pytest.approx(stability_index(UNSURE, SURE)), 300, Against.STABLE, 300
    )


@pytest.mark.parametrize(
    "reference", [None, Reference("0.9.0", SURE), Reference("1.0.0", SURE[:-1])]
)
def test_without_a_reference_of_its_own_stable_has_no_drift(reference: Reference | None) -> None:
    assert drifts({"1.0.0": seen(SURE)}, "1.0.0", reference)["1.0.0"].index is None


@pytest.mark.parametrize("few", [(LEAST_SAMPLES - 1, LEAST_SAMPLES), (LEAST_SAMPLES, 249)])
def test_with_few_samples_on_either_side_nothing_is_said(few: tuple[int, int]) -> None:
    stable, canary = (seen((count, *[0] * 10)) for count in few)
    assert drifts({"1.0.0": stable, "1.1.0": canary}, "1.0.0", None)["1.1.0"].index is None
    enough = seen((LEAST_SAMPLES, *[0] * 10))
    assert drifts({"1.0.0": enough, "1.1.0": enough}, "1.0.0", None)["1.1.0"].index == 0.0


def test_a_canary_beside_no_stable_has_no_drift() -> None:
    assert drifts({"1.1.0": seen(SURE)}, "1.0.0", None) == {
        "1.1.0": Drift(None, 300, Against.STABLE, 0)
    }


def test_a_sample_is_full_once_and_takes_no_more() -> None:
    sample = ReferenceSample("1.0.0")
    for _ in range(REFERENCE_SAMPLES):
        assert not sample.is_full
        sample.add(3)
    assert sample.is_full
    sample.add(4)
    assert sample.frozen() == Reference("1.0.0", (0, 0, 0, REFERENCE_SAMPLES, *[0] * 7))
