"""How long to wait before trying again what failed.

Exponential with full jitter: https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
kept away from zero, so that a failing step is never hammered.
"""

from __future__ import annotations

from typing import Protocol


class Rng(Protocol):
    """What decisions need of ``random.Random``."""

    def random(self) -> float:
        """Uniform in [0, 1)."""
        ...


def backoff_s(failures: int, *, first_s: float, most_s: float, rng: Rng) -> float:
    """The wait after ``failures`` >= 1 failures in a row: half to all of first * 2^(n-1)."""
    # The exponent is bounded so that a long outage cannot overflow it.
    ceiling_s = min(most_s, first_s * 2.0 ** min(failures - 1, 62))
    return ceiling_s * (0.5 + 0.5 * rng.random())
