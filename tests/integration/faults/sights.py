"""What an operator sees of the fleet, looked at all the time and kept.

Every moment that a scenario measures (out of rotation, back, mended) is the moment at which
``GET /api/v1/fleet`` first said so: later than the truth by one look at the most.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import httpx

from tests.integration.running import RunningTidegate, wait_until

LOOK_EVERY_S = 0.04
TAKES_REQUESTS = ("healthy", "degraded")
BELIEVED = ("fit", "unprobed")


@dataclass(frozen=True, slots=True)
class Sight:
    """The fleet at one moment: each instance as REST shows it, by name."""

    at_s: float
    instances: dict[str, dict[str, Any]]

    def is_in(self, name: str, engine: str) -> bool:
        """Whether the instance takes requests for the engine like any other."""
        one = self.instances[name]
        return (
            one["state"] == "ready"
            and one["health"] in TAKES_REQUESTS
            and self.fitness(name, engine) in BELIEVED
            and not self.breaker(name, engine)
        )

    def fitness(self, name: str, engine: str) -> str:
        """What is believed of the engine there; "" when it is neither served nor judged."""
        return str(self.instances[name]["engines"].get(engine, {}).get("fitness", ""))

    def breaker(self, name: str, engine: str) -> str:
        """The worst state of the engine's breakers there; "" when all are closed."""
        found = [
            state
            for served, state in self.instances[name]["breakers"].items()
            if served.split()[0] == engine
        ]
        return max(found, default="")  # open, half_open, isolated: alphabetical order will do

    @property
    def in_flight(self) -> int:
        return sum(one["in_flight"] for one in self.instances.values())


@dataclass
class Sights:
    """All sights since the watching began, oldest first."""

    seen: list[Sight] = field(default_factory=list)

    def first(
        self,
        condition: Callable[[Sight], bool],
        *,
        after_s: float,
        what: str,
        timeout_s: float = 60,
    ) -> float:
        """The moment of the first sight after another that was so; waits for it."""

        def found() -> Sight | None:
            later = (sight for sight in list(self.seen) if sight.at_s > after_s)
            return next(filter(condition, later), None)

        sight = wait_until(found, timeout_s=timeout_s, what=what)
        assert sight is not None
        return sight.at_s

    def after(self, moment_s: float) -> list[Sight]:
        return [sight for sight in list(self.seen) if sight.at_s > moment_s]


def times_so(sights: list[Sight], condition: Callable[[Sight], bool]) -> int:
    """How often something came to be so that lasts for many looks each time."""
    states = [condition(sight) for sight in sights]
    return sum(now and not before for before, now in zip([False, *states], states, strict=False))


@contextmanager
def watched(tidegate: RunningTidegate) -> Iterator[Sights]:
    """Looks at the fleet every LOOK_EVERY_S in a thread of its own until the block ends."""
    sights, stop = Sights(), threading.Event()

    def look() -> None:
        with httpx.Client(base_url=tidegate.url, timeout=10) as client:
            while not stop.wait(LOOK_EVERY_S):
                instances = client.get("/api/v1/fleet").json()["instances"]
                sights.seen.append(Sight(time.monotonic(), {one["name"]: one for one in instances}))

    thread = threading.Thread(target=look)
    thread.start()
    try:
        yield sights
    finally:
        stop.set()
        thread.join()
