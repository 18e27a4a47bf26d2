"""Randomness that a test chooses."""

from __future__ import annotations

from random import Random


class FixedRandom(Random):
    """Draws one number for ever."""

    def __init__(self, value: float) -> None:
        super().__init__(0)
        self.value = value

    def random(self) -> float:
        return self.value


MOST = FixedRandom(1.0)
"""Jitter takes nothing away."""

LEAST = FixedRandom(0.0)
"""Jitter takes away all it may: a half."""
