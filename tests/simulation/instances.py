"""A simulated Triton: slots, a queue, a service time, and the ways it can go wrong."""

from __future__ import annotations

import heapq
import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum
from random import Random

from control_plane.core.outcomes import Ending


class Mode(StrEnum):
    """HEALTHY also covers slow: it answers. DEAD refuses at once. HUNG says nothing."""

    HEALTHY = "healthy"
    DEAD = "dead"
    HUNG = "hung"


@dataclass(frozen=True, slots=True)
class InstanceModel:
    """What an instance is like when nothing is wrong.

    median_s, sigma: of the lognormal service time, without queueing.
    slots: calls that are worked on at the same time.
    weight: what the pool is told.
    """

    median_s: float = 0.02
    sigma: float = 0.5
    slots: int = 4
    weight: float = 1.0

    @property
    def capacity_per_s(self) -> float:
        return self.slots / (self.median_s * math.exp(self.sigma**2 / 2))


@dataclass(frozen=True, slots=True)
class Answer:
    """How and when a call will end if nothing happens; ending None: nothing ever comes."""

    at_s: float
    ending: Ending | None


REFUSED_AFTER_S = 0.001
NEVER = Answer(math.inf, None)


class SimulatedInstance:
    """First in, first out. A call whose caller went away is worked on all the same, as
    Triton does with what it has begun."""

    def __init__(self, name: str, model: InstanceModel) -> None:
        self.name = name
        self.mode = Mode.HEALTHY
        self._model = model
        self._slowdown = 1.0
        self._mu = math.log(model.median_s)
        self._free_at_s = [0.0] * model.slots
        self._waits_s: list[tuple[float, float]] = []
        self._scraped_s: dict[int, float] = {}

    def take(self, now_s: float, rng: Random) -> Answer:
        """A call comes in."""
        # Drawn in every mode, so that a fault does not change what comes after it.
        service_s = rng.lognormvariate(self._mu, self._model.sigma) * self._slowdown
        if self.mode is Mode.DEAD:
            return Answer(now_s + REFUSED_AFTER_S, Ending.UNREACHABLE)
        if self.mode is Mode.HUNG:
            return NEVER
        begins_at_s = max(now_s, self._free_at_s[0])
        self._waits_s.append((begins_at_s, begins_at_s - now_s))
        ends_at_s = begins_at_s + service_s
        heapq.heapreplace(self._free_at_s, ends_at_s)
        return Answer(ends_at_s, Ending.SUCCESS)

    def scrape(self, by: int, now_s: float) -> tuple[int, float]:
        """As Triton says it: how many calls wait now, and the mean time that those waited
        which were begun since the last scrape by the same gateway; 0 if none was."""
        since_s, self._scraped_s[by] = self._scraped_s.get(by, 0.0), now_s
        oldest_s = min(self._scraped_s.values())
        self._waits_s = [one for one in self._waits_s if one[0] > oldest_s - 10.0]
        begun = [wait_s for at_s, wait_s in self._waits_s if since_s < at_s <= now_s]
        waiting = sum(at_s > now_s for at_s, _ in self._waits_s)
        return waiting, sum(begun) / len(begun) if begun else 0.0

    def slow_down(self, factor: float) -> None:
        """Calls that come in from now on take so many times as long."""
        self._slowdown = factor

    def become(self, mode: Mode, now_s: float) -> Answer | None:
        """What the calls in flight end with instead, if the change touches them."""
        before, self.mode = self.mode, mode
        if mode is before:
            return None
        self._free_at_s = [now_s] * self._model.slots
        if mode is Mode.HUNG:
            return NEVER
        # A process that is killed, or killed to be started again, takes its calls with it.
        return Answer(now_s, Ending.UNREACHABLE)


def alike(count: int, model: InstanceModel | None = None) -> dict[str, InstanceModel]:
    """A fleet of so many of the same."""
    return {f"triton-{number}": model or InstanceModel() for number in range(count)}


def flaps(every_s: float, *, from_s: float, until_s: float) -> Iterator[tuple[float, Mode]]:
    """Dead and back, again and again; back at the end."""
    at_s, is_dead = from_s, True
    while at_s < until_s:
        yield at_s, Mode.DEAD if is_dead else Mode.HEALTHY
        at_s, is_dead = at_s + every_s, not is_dead
    yield until_s, Mode.HEALTHY
