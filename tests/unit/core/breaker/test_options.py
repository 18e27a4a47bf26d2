"""The defaults are the documented ones, and numbers that make no breaker are refused."""

from __future__ import annotations

from typing import Any

import pytest

from control_plane.core.breaker import BreakerOptions


def test_the_defaults() -> None:
    assert BreakerOptions() == BreakerOptions(
        consecutive_failures=5,
        failure_ratio=0.5,
        slow_ratio=0.8,
        min_calls=20,
        slow_call_s=None,
        window_s=10.0,
        window_buckets=10,
        first_open_s=1.0,
        longest_open_s=60.0,
        max_probes=2,
        probes_to_close=3,
        reset_after_s=60.0,
    )
    assert BreakerOptions().bucket_s == 1.0
    assert BreakerOptions(window_s=3.0, window_buckets=6).bucket_s == 0.5


@pytest.mark.parametrize(
    ("numbers", "refusal"),
    [
        ({"consecutive_failures": 0}, "consecutive_failures must be at least 1"),
        ({"min_calls": 0}, "min_calls must be at least 1"),
        ({"window_buckets": 0}, "window_buckets must be at least 1"),
        ({"max_probes": 0}, "max_probes must be at least 1"),
        ({"probes_to_close": 0}, "probes_to_close must be at least 1"),
        ({"failure_ratio": 0.0}, "failure_ratio must be over 0 and at most 1"),
        ({"failure_ratio": 1.01}, "failure_ratio must be over 0 and at most 1"),
        ({"slow_ratio": 0.0}, "slow_ratio must be over 0 and at most 1"),
        ({"slow_ratio": 1.01}, "slow_ratio must be over 0 and at most 1"),
        ({"window_s": 0.0}, "window_s must be over 0"),
        ({"first_open_s": 0.0}, "first_open_s must be over 0"),
        ({"slow_call_s": 0.0}, "slow_call_s must be over 0 or None"),
        ({"first_open_s": 2.0, "longest_open_s": 1.9}, "longest_open_s must be at least first"),
        ({"reset_after_s": -0.1}, "reset_after_s must not be negative"),
    ],
)
def test_what_makes_no_breaker_is_refused_by_name(numbers: dict[str, Any], refusal: str) -> None:
    with pytest.raises(ValueError, match=f"^{refusal}"):
        BreakerOptions(**numbers)


def test_the_outermost_numbers_are_allowed() -> None:
    BreakerOptions(
        consecutive_failures=1,
        failure_ratio=1.0,
        slow_ratio=1.0,
        min_calls=1,
        slow_call_s=0.1,
        window_s=0.1,
        window_buckets=1,
        first_open_s=0.1,
        longest_open_s=0.1,
        max_probes=1,
        probes_to_close=1,
        reset_after_s=0.0,
    )
