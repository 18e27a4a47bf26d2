from __future__ import annotations

from control_plane.core.tracing import Keep, is_notable, keeps
from tests.unit.core.tracing.making import recording


def test_what_went_well_is_kept_if_it_is_sampled() -> None:
    assert keeps(recording(lasted_s=0.9), slow_s=1.0) is None
    assert keeps(recording(lasted_s=0.9, is_sampled=True), slow_s=1.0) is Keep.SAMPLED


def test_what_was_slow_is_kept() -> None:
    assert keeps(recording(lasted_s=1.0), slow_s=1.0) is Keep.SLOW
    assert keeps(recording(lasted_s=1.0, is_sampled=True), slow_s=1.0) is Keep.SLOW


def test_what_failed_is_kept_for_that() -> None:
    assert keeps(recording(lasted_s=2.0, error="internal"), slow_s=1.0) is Keep.ERROR


def test_what_is_under_way_is_not_slow_yet() -> None:
    assert is_notable(recording(), slow_s=0.0) is None
