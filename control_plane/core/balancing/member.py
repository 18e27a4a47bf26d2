"""One instance as a pool sees it: what it is worth and what it carries.

The load metric of all policies that look at load: Finagle's peak-EWMA x (in flight + 1),
with what others are known to have waiting there added, divided by the member's weight.
While something is known to wait there the latency does not fade: silence means that nobody
asks, not that an instance which is known to be full has become quick. And however faded, it is
no less than what requests there, whoever sent them, have just waited in a queue: a number that
is news only where this pool has asked little lately, for the answers to its own calls have
their queueing in them. It is bounded by what a fault counts as.

All that is hinted counts until a call is answered there: the answer is younger, and has in it
what the others' calls cost. Gateways that went by one another's calls until the next hint would
all turn away from an instance at once, and back (Mitzenmacher, "How useful is old information?",
2000).

A member that was just added, or whose breaker has just closed, is worth a tenth at first and its
whole weight ten seconds later: Envoy's slow start with aggression 1, where the factor is
max(least, time since start / window).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from control_plane.core.balancing.ewma import PeakEwma, cost_s
from control_plane.core.breaker import Breaker

# A member that has never answered is asked at once when idle, and then left alone until it
# has answered. Finagle's penalty; more than any latency x calls in flight.
_UNHEARD_S = 1e9


@dataclass(frozen=True, slots=True)
class LoadOptions:
    """How latencies are remembered and members are warmed up. Times in seconds.

    decay_s: the mean lifetime of a latency in the peak-EWMA.
    fault_counts_as_s: a failed call counts as at least this long; the try's timeout. So does
        any other that brings no answer, as long as the member has not answered one.
    slow_start_s: how long a member that came back is held below its weight; 0 for not at all.
    slow_start_least: the share of its weight that it starts with.
    """

    decay_s: float = 10.0
    fault_counts_as_s: float = 5.0
    slow_start_s: float = 10.0
    slow_start_least: float = 0.1

    def __post_init__(self) -> None:
        if self.decay_s <= 0:
            raise ValueError(f"decay_s must be positive, not {self.decay_s}")
        if self.fault_counts_as_s < 0:
            raise ValueError(f"fault_counts_as_s must not be negative: {self.fault_counts_as_s}")
        if self.slow_start_s < 0:
            raise ValueError(f"slow_start_s must not be negative: {self.slow_start_s}")
        if not 0 < self.slow_start_least <= 1:
            raise ValueError(f"slow_start_least must be in (0, 1], not {self.slow_start_least}")


class Member:
    """An instance in a pool. Its breaker is the pool's to ask; nobody else settles it.

    The level of its latency is copied here: of a large pool a pick finds nothing in the
    processor's cache, and so each object that it need not look at counts.
    """

    __slots__ = (
        "_answered_at_s",
        "_latency",
        "_level",
        "_options",
        "_queue_s",
        "_waiting_elsewhere",
        "_warm_since_s",
        "breaker",
        "in_flight",
        "is_benched",
        "name",
        "picks",
        "streams",
        "weight",
    )

    def __init__(
        self, name: str, *, weight: float, breaker: Breaker, options: LoadOptions, now_s: float
    ) -> None:
        self.name = name
        self.reweigh(weight)
        self.breaker = breaker
        # All that is out there, and how much of it are streams, whose ends say nothing.
        self.in_flight = 0
        self.streams = 0
        self._answered_at_s = -math.inf
        self.picks = 0
        self.is_benched = False
        self._options = options
        self._waiting_elsewhere = 0
        self._queue_s = 0.0
        self.start_afresh(now_s)

    def __repr__(self) -> str:
        return f"<Member {self.name} {self.breaker.state} in_flight={self.in_flight}>"

    def reweigh(self, weight: float) -> None:
        """Take a new weight. Raises ValueError, and keeps the old one, if it is none."""
        if not 0 < weight < math.inf:
            raise ValueError(f"a weight must be positive and finite, not {weight}")
        self.weight = weight

    def start_afresh(self, now_s: float) -> None:
        """Forget the latencies of before and begin the slow start."""
        self._latency = PeakEwma(self._options.decay_s)
        self._level = self._latency.level
        self._warm_since_s = now_s

    def worth(self, now_s: float) -> float:
        """The member's weight, scaled by its slow start."""
        return self.weight * self.warmth(now_s)

    def warmth(self, now_s: float) -> float:
        """How far the slow start has come: from slow_start_least to 1."""
        window_s = self._options.slow_start_s
        age_s = max(0.0, now_s - self._warm_since_s)
        if age_s >= window_s:
            return 1.0
        return max(self._options.slow_start_least, age_s / window_s)

    def load(self, now_s: float) -> float:
        """What one more call would wait for, in seconds per unit of worth."""
        if self._level is None:
            return _UNHEARD_S * self.awaited
        if self._waiting_elsewhere:
            latency_s = self._latency.last_s
        else:
            latency_s = cost_s(self._level, now_s, self._options.decay_s)
        latency_s = max(latency_s, self._queue_s)
        return latency_s * (self.in_flight + 1 + self._waiting_elsewhere) / self.worth(now_s)

    def hint(self, pending: int, queue_s: float = 0.0) -> None:
        """Take in Triton's own pending count, of which our calls in flight are not news.

        queue_s: how long requests have waited there lately; 0 where nothing is known.
        """
        self._waiting_elsewhere = max(0, pending - self.in_flight)
        self._queue_s = min(max(0.0, queue_s), self._options.fault_counts_as_s)

    @property
    def awaited(self) -> int:
        """Calls that are out there and whose ends will tell how it is."""
        return self.in_flight - self.streams

    def has_answered_since(self, since_s: float) -> bool:
        """Whether a call was answered there at that time or later, benched or not."""
        return self._answered_at_s >= since_s

    @property
    def has_answered(self) -> bool:
        """Whether it has answered a call since it was added or came back."""
        return self._latency.has_answered

    @property
    def waiting_elsewhere(self) -> int:
        """Calls that wait there beside ours, as last hinted."""
        return self._waiting_elsewhere

    @property
    def queue_s(self) -> float:
        """How long requests have waited there lately, as last hinted."""
        return self._queue_s

    def latency_s(self, now_s: float) -> float | None:
        """The latency to expect now; None when nothing has been heard."""
        return self._latency.cost_s(now_s)

    def succeeded(self, latency_s: float, now_s: float) -> None:
        self._answered_at_s = now_s
        self._waiting_elsewhere, self._queue_s = 0, 0.0
        self._latency.succeeded(latency_s, now_s)
        self._level = self._latency.level

    def failed(self, latency_s: float, now_s: float) -> None:
        self._latency.failed(latency_s, now_s, at_least_s=self._options.fault_counts_as_s)
        self._level = self._latency.level

    def given_up(self, latency_s: float, now_s: float) -> None:
        self._latency.given_up(latency_s, now_s, at_least_s=self._options.fault_counts_as_s)
        self._level = self._latency.level
