"""The numbers of a pool are checked once, and the ejected share leaves room for one."""

from __future__ import annotations

import math

import pytest

from control_plane.core.balancing import LoadOptions, PoolOptions


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("most_ejected_share", -0.01),
        ("most_ejected_share", 1.01),
        ("panic_choices", 0),
        ("bench_trust_s", -0.1),
        ("probe_share", -0.01),
        ("probe_share", 1.01),
        ("probe_floor_per_s", 0.0),
        ("probe_floor_per_s", math.inf),
        ("probe_floor_per_s", math.nan),
    ],
)
def test_numbers_that_make_no_pool_are_refused(field: str, value: float) -> None:
    with pytest.raises(ValueError, match=field):
        PoolOptions(**{field: value})  # type: ignore[arg-type]


def test_the_limits_themselves_are_allowed() -> None:
    PoolOptions(most_ejected_share=0.0, panic_choices=1, probe_share=0.0)
    PoolOptions(most_ejected_share=1.0, probe_share=1.0)


@pytest.mark.parametrize(
    ("share", "members", "most"),
    [
        (0.5, 0, 1),
        (0.5, 1, 1),
        (0.5, 2, 1),
        (0.5, 3, 1),
        (0.5, 4, 2),
        (0.5, 1000, 500),
        (0.0, 1000, 1),
        (1.0, 4, 4),
        (0.29, 100, 29),
    ],
)
def test_how_many_may_be_out(share: float, members: int, most: int) -> None:
    assert PoolOptions(most_ejected_share=share).most_ejected(members) == most


def test_a_decay_may_be_shorter_than_a_second() -> None:
    assert LoadOptions(decay_s=0.5).decay_s == 0.5
