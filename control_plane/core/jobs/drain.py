"""Which priority the next message is taken from: a weighted drain, with ageing.

Stride scheduling (Waldspurger and Weihl, 1995): taking from a queue moves it on by one over its
weight, and the queue that has come the least far is next. So of messages that all wait, shares
are as the weights, 8:3:1 by default, in every short run of them. A queue that was empty comes
back without a claim to what it did not use, and until then it is asked for one message at a time:
what is taken in its place would otherwise not be shared by weight.

Ageing: the weight of a queue grows with the age of its oldest message, up to the greatest weight
there is. So low is slow, never starves, and never comes before high.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.core.detections import Priority

DEFAULT_WEIGHTS: Mapping[Priority, int] = {
    Priority.HIGH: 8,
    Priority.NORMAL: 3,
    Priority.LOW: 1,
}


@dataclass(frozen=True, slots=True)
class DrainOptions:
    """weights: shares of what is taken. ageing_s: the age that doubles a weight."""

    weights: Mapping[Priority, int] = field(default_factory=lambda: DEFAULT_WEIGHTS)
    ageing_s: float = 300.0


class Drain:
    """How far each queue has come, and which were empty when they were last asked."""

    def __init__(self, options: DrainOptions) -> None:
        self._options = options
        self._passes = dict.fromkeys(Priority, 0.0)
        self._strides = dict.fromkeys(Priority, 1.0)
        self._empty: frozenset[Priority] = frozenset()

    def share(self, limit: int, ages_s: Mapping[Priority, float]) -> dict[Priority, int]:
        """How many of the next ``limit`` messages are to be of each priority.

        ages_s: of the oldest message, by priority; what is missing has none.
        """
        for priority in Priority:
            self._strides[priority] = 1.0 / self._weight(priority, ages_s.get(priority, 0.0))
        passes = dict(self._passes)
        wanted = dict.fromkeys(Priority, 0)
        for _ in range(limit):
            asked = [one for one in Priority if not wanted[one] or one not in self._empty]
            # Of two that have come as far the more urgent: min takes the first.
            first = min(asked or Priority, key=passes.__getitem__)
            passes[first] += self._strides[first]
            wanted[first] += 1
        return wanted

    def took(self, taken: Mapping[Priority, int], *, wanted: Mapping[Priority, int]) -> None:
        """What was taken of what ``share`` wanted. One that had less than wanted was empty."""
        for priority, count in taken.items():
            self._passes[priority] += count * self._strides[priority]
        short = {one for one in Priority if taken.get(one, 0) < wanted.get(one, 0)}
        # Only what gave something, and all of what it was asked for, is known to have more.
        more = {one for one in Priority if taken.get(one, 0)} - short
        self._empty = (self._empty | short) - more
        # At least where the last of those stands; with none, nobody has a claim on another.
        level = min((self._passes[one] for one in more), default=max(self._passes.values()))
        for priority in short:
            self._passes[priority] = max(self._passes[priority], level)
        least = min(self._passes.values())
        # Only differences matter; numbers that grow for ever would lose them.
        self._passes = {one: value - least for one, value in self._passes.items()}

    def _weight(self, priority: Priority, age_s: float) -> float:
        weights = self._options.weights
        aged = weights[priority] * (1.0 + max(0.0, age_s) / self._options.ageing_s)
        return max(weights[priority], min(aged, max(weights.values())))
