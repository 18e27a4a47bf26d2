"""How long an instance takes to answer, as one number that rises at once and falls slowly.

Peak-EWMA, from Finagle (``loadbalancer/PeakEwma.scala``), which tower took over: an answer
slower than the mean so far replaces it; a faster one is averaged in with the weight
``1 - exp(-age / decay)``, age being the time since the answer before it, so that unevenly
spaced answers are weighed by time and not by count (Eckner, "Algorithms for unevenly spaced
time series", 2012). While nothing is heard the number decays towards zero, and so an instance
that was slow once is asked again after a while.

Two departures from Finagle:

- A failure counts as at least the try's timeout, however fast it came. Otherwise an instance
  that fails in a millisecond looks like the fastest of all and draws the traffic of the fleet.
  The penalty is kept apart from the latencies and the next success takes it away: it proves
  that the instance answers. One stray failure must not starve an instance for the better part
  of a minute and overload its neighbours; one that keeps failing is the breaker's to eject.
- A call that brought no answer and no fault (cancelled, out of its caller's time, refused for
  want of room, the caller's own mistake) would have lasted *at least* that long. It may raise
  the number and never lowers it. Of an instance that has not answered yet it says nothing at
  all of how quick it is, and so it weighs as a fault does, until the first answer: a newcomer
  that refuses in half a millisecond is not the fastest of all.

A look is what a pick pays for, so everything is kept as a *level*: the logarithm of a latency
plus the moment over the decay time. A latency that fades has the same level for ever, two
fading ones compare by their levels, and to look is one exponential.
"""

from __future__ import annotations

import math

# A latency has a logarithm only if it is not zero; nothing answers within a microsecond.
_LEAST_S = 1e-6


def cost_s(level: float, now_s: float, decay_s: float) -> float:
    """The latency to expect now of one that has that level."""
    return math.exp(level - now_s / decay_s)


class PeakEwma:
    """The latency of one instance, in seconds. Looking at it changes nothing."""

    __slots__ = ("_decay_s", "_heard_at_s", "_mean_level", "_mean_s", "last_s", "level")

    def __init__(self, decay_s: float) -> None:
        """decay_s: the time in which what was heard last keeps a weight of 1/e."""
        if decay_s <= 0:
            raise ValueError(f"decay_s must be positive, not {decay_s}")
        self._decay_s = decay_s
        self._mean_s = 0.0
        self._heard_at_s = 0.0
        self._mean_level: float | None = None
        # Of the mean, or of a fault that has not been made good and weighs more; None when
        # nothing has been heard. And what that was in seconds, before it faded. To be read.
        self.level: float | None = None
        self.last_s = 0.0

    def cost_s(self, now_s: float) -> float | None:
        """The latency to expect now; None when nothing has been heard."""
        return None if self.level is None else cost_s(self.level, now_s, self._decay_s)

    @property
    def has_answered(self) -> bool:
        """Whether an answer was heard; before, there is no mean to average with."""
        return self._mean_level is not None

    def succeeded(self, latency_s: float, now_s: float) -> None:
        """Take in the latency of an answer."""
        latency_s = max(latency_s, _LEAST_S)
        if self._mean_level is None or latency_s >= self._mean_s:
            self._mean_s = latency_s
        else:
            kept = math.exp(-max(0.0, now_s - self._heard_at_s) / self._decay_s)
            self._mean_s = self._mean_s * kept + latency_s * (1.0 - kept)
        self._heard_at_s = now_s
        self.last_s = self._mean_s
        self.level = self._mean_level = self._level_of(self._mean_s, now_s)

    def failed(self, latency_s: float, now_s: float, *, at_least_s: float) -> None:
        """Take in a fault of the instance, as if it had taken no less than ``at_least_s``."""
        counted_s = max(latency_s, at_least_s, _LEAST_S)
        level = self._level_of(counted_s, now_s)
        if self.level is None or level > self.level:
            self.last_s = counted_s
            self.level = level

    def given_up(self, latency_s: float, now_s: float, *, at_least_s: float) -> None:
        """Take in a call without an answer, by no fault: it would have taken at least this long.

        at_least_s: what it counts as, as in ``failed``, if none has been answered yet.
        """
        if self._mean_level is None:
            self.failed(latency_s, now_s, at_least_s=at_least_s)
            return
        latency_s = max(latency_s, _LEAST_S)
        level = self._level_of(latency_s, now_s)
        if self.level is None or level > self.level:
            self._mean_s = self.last_s = latency_s
            self._heard_at_s = now_s
            self.level = self._mean_level = level

    def _level_of(self, latency_s: float, now_s: float) -> float:
        return math.log(latency_s) + now_s / self._decay_s
