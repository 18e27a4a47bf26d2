"""How long something is, as it is typed: 90s, 10m, 2h, 7d."""

from __future__ import annotations

import re

UNITS_S = {"s": 1, "m": 60, "min": 60, "h": 3600, "d": 86_400}
DURATION = re.compile(r"(\d{1,9})\s*(s|m|min|h|d)", re.ASCII)


def seconds_of(text: str) -> int | None:
    """None for what is no duration."""
    matched = DURATION.fullmatch(text.strip())
    return None if matched is None else int(matched[1]) * UNITS_S[matched[2]]
