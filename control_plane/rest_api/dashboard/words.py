"""Figures in few characters, for people: what templates write them with.

A figure that is not there is a dash; nothing is ever shown as 0 that was not counted.
"""

from __future__ import annotations

from datetime import UTC, datetime
from math import isfinite

NOTHING = "\u2013"
THIN = "\u202f"
"""A narrow space that does not break: between a figure and its unit."""

MINUTE_S, HOUR_S, DAY_S = 60, 3600, 86_400


def count(value: float | None) -> str:
    return NOTHING if value is None else f"{value:,.0f}".replace(",", THIN)


def counted(value: int, thing: str) -> str:
    """``1 job``, ``2 jobs``."""
    return f"{count(value)}{THIN}{thing if value == 1 else f'{thing}s'}"


def rate(per_s: float | None) -> str:
    """Of something a second; the unit is written beside it."""
    if per_s is None:
        return NOTHING
    if 0 < per_s < 0.01:
        return "<0.01"
    if per_s < 10:
        return f"{per_s:.2f}".rstrip("0").rstrip(".") if per_s else "0"
    return count(per_s) if per_s >= 100 else f"{per_s:.1f}"


def milliseconds(value: float | None) -> str:
    if value is None:
        return NOTHING
    if value >= 10_000:
        return f"{value / 1000:.1f}{THIN}s"
    if value >= 1000:
        return f"{value / 1000:.2f}{THIN}s"
    return f"{value:.0f}{THIN}ms" if value >= 100 else f"{value:.1f}{THIN}ms"


def percent(share: float | None) -> str:
    """share: 0 to 1."""
    if share is None:
        return NOTHING
    value = 100 * share
    if value == 0:
        return f"0{THIN}%"
    if value < 0.1:
        return f"<0.1{THIN}%"
    text = f"{value:.1f}".removesuffix(".0")
    return f"{text if value < 99.9 or value >= 100 else '99.9'}{THIN}%"


def basis_points(value: int) -> str:
    return percent(value / 10_000)


def span(seconds: float | None) -> str:
    """A length of time, in its two largest units at most."""
    if seconds is None:
        return NOTHING
    if seconds < 1:
        return f"{seconds * 1000:.0f}{THIN}ms"
    if seconds < MINUTE_S:
        return f"{seconds:.0f}{THIN}s"
    if seconds < HOUR_S:
        return _two(seconds, MINUTE_S, "min", 1, "s")
    if seconds < DAY_S:
        return _two(seconds, HOUR_S, "h", MINUTE_S, "min")
    return _two(seconds, DAY_S, "d", HOUR_S, "h")


def size(octets: float | None) -> str:
    """Bytes, by powers of 1024."""
    if octets is None:
        return NOTHING
    value, units = float(octets), ["B", "KiB", "MiB", "GiB", "TiB"]
    while value >= 1024 and len(units) > 1:
        value /= 1024
        units.pop(0)
    return f"{value:.0f}{THIN}{units[0]}" if value >= 100 else f"{value:.3g}{THIN}{units[0]}"


def decimal(value: float | None, digits: int = 2) -> str:
    # "z": what is rounded to nothing has no sign.
    return NOTHING if value is None or not isfinite(value) else f"{value:z.{digits}f}"


def clock(at: datetime) -> str:
    """As it is shown where no script makes "3 min ago" of it."""
    return at.astimezone(UTC).strftime("%Y-%m-%d %H:%M:%S UTC")


def from_epoch(at_s: float) -> datetime:
    return datetime.fromtimestamp(at_s, UTC)


def _two(seconds: float, large_s: int, large: str, small_s: int, small: str) -> str:
    whole, rest = divmod(int(seconds), large_s)
    rest //= small_s
    return f"{whole}{THIN}{large}" + (f" {rest}{THIN}{small}" if rest else "")
