"""Whether the answers of a time agree with the weights of that time."""

from __future__ import annotations

from collections.abc import Mapping
from math import erfc, sqrt

LEAST_P = 1e-6
"""Below this chance a split is not called the route's. Steps are few, so it hardly ever errs."""


def chi_square_p(counts: Mapping[str, int], weights_bp: Mapping[str, int]) -> float:
    """Pearson's test of counts by release against two releases' weights.

    A release that has no weight and a count, or all of the weight and not all of the count,
    makes it 0. Returns 1 for no counts at all.
    """
    total = sum(counts.values())
    if any(count for release, count in counts.items() if not weights_bp.get(release)):
        return 0.0
    shares = [share for share in weights_bp.values() if share]
    if not total or len(shares) < 2:
        return 1.0
    assert len(shares) == 2, "one degree of freedom"
    statistic = sum(
        (counts.get(release, 0) - total * share / sum(shares)) ** 2 / (total * share / sum(shares))
        for release, share in weights_bp.items()
        if share
    )
    return erfc(sqrt(statistic / 2))
