"""Evidence is written in as many figures as can be read."""

from __future__ import annotations

from math import inf

import pytest

from control_plane.core.stakes import write_stake


@pytest.mark.parametrize(
    ("logarithm", "written"),
    [
        (-inf, "<0.01"),
        (-9.0, "<0.01"),
        (-1.0, "0.37"),
        (-0.001, "1.0"),
        (0.0, "1.0"),
        (1.25, "3.5"),
        (5.973, "393"),
        (23.1, "10^10"),
        (800.0, "10^347"),
        (inf, "∞"),
    ],
)
def test_a_stake_is_written_short(logarithm: float, written: str) -> None:
    assert write_stake(logarithm) == written
