"""How much of the callers' traffic may be spent on finding out who is well again.

A probe is a caller's request, and while its member is still broken that caller pays for a
second try. So is the check on a member that has just failed. One member costs little: its
breaker lets a few through and waits longer each time. But when half of a large fleet comes
due at once, the probes would be all the traffic there is. So probes are an allowance in the
manner of Finagle's retry budget: a share of the first tries, and a floor per second so that a
quiet pool recovers too. It does not pile up.
"""

from __future__ import annotations


class ProbeAllowance:
    """At most one probe in stock; it starts with one."""

    __slots__ = ("_earned_at_s", "_floor_per_s", "_share", "_stock")

    def __init__(self, share: float, floor_per_s: float) -> None:
        self._share = share
        self._floor_per_s = floor_per_s
        self._stock = 1.0
        self._earned_at_s: float | None = None

    def earn(self, now_s: float) -> None:
        """Count a first try, and the time since the one before."""
        before_s = now_s if self._earned_at_s is None else self._earned_at_s
        self._earned_at_s = now_s
        earned = self._share + self._floor_per_s * max(0.0, now_s - before_s)
        self._stock = min(1.0, self._stock + earned)

    def spend(self) -> bool:
        """Take one probe out of stock; False when there is none."""
        # Ten tenths are one, in binary too.
        if self._stock < 1.0 - 1e-9:
            return False
        self._stock -= 1.0
        return True
