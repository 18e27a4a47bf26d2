"""The wait doubles up to its limit, and jitter takes at most half of it."""

from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from control_plane.core.backoff import backoff_s
from tests.unit.core.draws import FixedRandom


@pytest.mark.parametrize(
    ("failures", "draw", "wait_s"),
    [
        (1, 0.0, 0.5),
        (1, 1.0, 1.0),
        (2, 0.0, 1.0),
        (3, 0.5, 3.0),
        (5, 1.0, 16.0),
        (6, 1.0, 30.0),
        (6, 0.0, 15.0),
        (10_000, 1.0, 30.0),
    ],
)
def test_the_wait_after_failures_in_a_row(failures: int, draw: float, wait_s: float) -> None:
    wait = backoff_s(failures, first_s=1.0, most_s=30.0, rng=FixedRandom(draw))
    assert wait == wait_s


def test_a_long_outage_does_not_overflow() -> None:
    wait = backoff_s(10**9, first_s=1.0, most_s=float("inf"), rng=FixedRandom(1.0))
    assert wait == 2.0**62


@given(st.integers(1, 10**6), st.integers())
def test_the_wait_is_between_half_and_all_of_its_ceiling(failures: int, seed: int) -> None:
    ceiling_s = min(30.0, 0.5 * 2.0 ** min(failures - 1, 62))
    wait_s = backoff_s(failures, first_s=0.5, most_s=30.0, rng=Random(seed))
    assert ceiling_s / 2 <= wait_s <= ceiling_s
