"""Evidence as people read it: what a stake of 1 has become, written from its logarithm."""

from __future__ import annotations

from math import exp, inf, log

LARGEST_WRITTEN_OUT = 1e5


def write_stake(logarithm: float) -> str:
    """Of an e-value, by its natural logarithm; either may be infinite."""
    if logarithm == inf:
        return "∞"
    if logarithm >= log(LARGEST_WRITTEN_OUT):
        return f"10^{logarithm / log(10):.0f}"
    value = exp(logarithm)
    if value < 0.01:
        return "<0.01"
    return f"{value:.2f}" if value < 0.995 else f"{value:.1f}" if value < 10 else f"{value:.0f}"
