"""Each rule trips exactly at its number, and only on a call that belongs to it."""

from __future__ import annotations

import pytest

from control_plane.core.breaker.options import BreakerOptions
from control_plane.core.breaker.trip_rule import reason_to_trip
from control_plane.core.breaker.window import Counts

OPTIONS = BreakerOptions(slow_call_s=1.5)


def rule(
    counts: Counts, *, in_a_row: int = 0, is_failure: bool = False, is_slow: bool = False
) -> str | None:
    return reason_to_trip(
        OPTIONS, counts, consecutive_failures=in_a_row, is_failure=is_failure, is_slow=is_slow
    )


@pytest.mark.parametrize(
    ("in_a_row", "reason"),
    [(4, None), (5, "5 failures in a row"), (6, "6 failures in a row")],
)
def test_failures_in_a_row(in_a_row: int, reason: str | None) -> None:
    assert rule(Counts(in_a_row, in_a_row), in_a_row=in_a_row, is_failure=True) == reason


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (Counts(19, 18), None),
        (Counts(20, 9), None),
        (Counts(20, 10), "10 of 20 calls failed in 10 s"),
        (Counts(21, 10), None),
        (Counts(21, 11), "11 of 21 calls failed in 10 s"),
    ],
)
def test_the_share_of_failures(counts: Counts, reason: str | None) -> None:
    assert rule(counts, in_a_row=1, is_failure=True) == reason


@pytest.mark.parametrize(
    ("counts", "reason"),
    [
        (Counts(19, 0, 19), None),
        (Counts(20, 0, 15), None),
        (Counts(20, 0, 16), "16 of 20 calls in 10 s took longer than 1.5 s"),
        (Counts(21, 0, 16), None),
    ],
)
def test_the_share_of_slow_calls(counts: Counts, reason: str | None) -> None:
    assert rule(counts, is_slow=True) == reason


def test_each_share_is_looked_at_only_when_the_call_belongs_to_it() -> None:
    too_much = Counts(20, 20, 20)
    assert rule(too_much, in_a_row=99) is None
    assert rule(Counts(20, 10, 0), is_slow=True) is None
    assert rule(Counts(20, 0, 16), in_a_row=1, is_failure=True) is None


def test_a_failure_that_was_slow_too_can_trip_by_either_share() -> None:
    assert rule(Counts(20, 1, 16), in_a_row=1, is_failure=True, is_slow=True) == (
        "16 of 20 calls in 10 s took longer than 1.5 s"
    )
    assert rule(Counts(20, 10, 1), in_a_row=1, is_failure=True, is_slow=True) == (
        "10 of 20 calls failed in 10 s"
    )
