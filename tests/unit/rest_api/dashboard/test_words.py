"""Figures as they are written: short, and never a 0 for what was not counted."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone

import pytest

from control_plane.rest_api.dashboard import words

THIN = words.THIN


@pytest.mark.parametrize(
    ("write", "value", "text"),
    [
        (words.count, None, "\u2013"),
        (words.count, 0, "0"),
        (words.count, 12_345, f"12{THIN}345"),
        (words.rate, None, "\u2013"),
        (words.rate, 0, "0"),
        (words.rate, 0.004, "<0.01"),
        (words.rate, 0.5, "0.5"),
        (words.rate, 9.876, "9.88"),
        (words.rate, 42.25, "42.2"),
        (words.rate, 1234.5, f"1{THIN}234"),
        (words.milliseconds, None, "\u2013"),
        (words.milliseconds, 4.21, f"4.2{THIN}ms"),
        (words.milliseconds, 250.4, f"250{THIN}ms"),
        (words.milliseconds, 1240, f"1.24{THIN}s"),
        (words.milliseconds, 31_000, f"31.0{THIN}s"),
        (words.percent, None, "\u2013"),
        (words.percent, 0, f"0{THIN}%"),
        (words.percent, 0.0004, f"<0.1{THIN}%"),
        (words.percent, 0.125, f"12.5{THIN}%"),
        (words.percent, 0.9999, f"99.9{THIN}%"),
        (words.percent, 1, f"100{THIN}%"),
        (words.basis_points, 250, f"2.5{THIN}%"),
        (words.span, None, "\u2013"),
        (words.span, 0.25, f"250{THIN}ms"),
        (words.span, 42, f"42{THIN}s"),
        (words.span, 60, f"1{THIN}min"),
        (words.span, 95, f"1{THIN}min 35{THIN}s"),
        (words.span, 3 * 3600 + 61, f"3{THIN}h 1{THIN}min"),
        (words.span, 50 * 3600, f"2{THIN}d 2{THIN}h"),
        (words.size, None, "\u2013"),
        (words.size, 900, f"900{THIN}B"),
        (words.size, 1536, f"1.5{THIN}KiB"),
        (words.size, 80 * 2**30, f"80{THIN}GiB"),
        (words.size, 5000 * 2**40, f"5000{THIN}TiB"),
        (words.decimal, None, "\u2013"),
        (words.decimal, float("inf"), "\u2013"),
        (words.decimal, 0.8125, "0.81"),
        (words.decimal, -0.001, "0.00"),
    ],
)
def test_a_figure_is_written(write: object, value: object, text: str) -> None:
    assert callable(write)
    assert write(value) == text


def test_one_thing_and_more() -> None:
    assert words.counted(1, "job") == f"1{THIN}job"
    assert words.counted(2000, "job") == f"2{THIN}000{THIN}jobs"


def test_a_moment_is_shown_in_utc() -> None:
    at = datetime(2025, 1, 31, 13, tzinfo=timezone(timedelta(hours=1)))
    assert words.clock(at) == "2025-01-31 12:00:00 UTC"
    assert words.from_epoch(at.timestamp()) == datetime(2025, 1, 31, 12, tzinfo=UTC)
