"""One Triton as the fleet knows it, and one call's place on it."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field

from control_plane.core.backoff import Rng
from control_plane.core.balancing import Pool, Reservation
from control_plane.core.loading import Observation
from control_plane.core.outcomes import Verdict
from control_plane.core.triton_load import InstanceLoad
from control_plane.ports import Clock, InferenceCalls

Served = tuple[str, str]
"""An engine and one of its releases."""


def label(served: Served) -> str:
    """What health and mends call it: ``damage 1.0.0``. Each release is judged by itself."""
    return f"{served[0]} {served[1]}"


@dataclass(frozen=True, slots=True)
class Scraped:
    """What an instance last said of its load.

    load: None where it is not to be had; reason: why, for a person. at_s: when it was said;
    until_s: how long it counts if nothing more is heard.
    """

    load: InstanceLoad | None = None
    reason: str = "not scraped yet"
    at_s: float = 0.0
    until_s: float = 0.0


@dataclass(slots=True)
class Instance:
    """How to call it, what it was seen to serve, what is in flight on it.

    weight: its share of the traffic against the others'.
    serving: what was observed there; whether it takes requests is its health's question.
    components: the model versions that were ready there, by the model's name.
    reason: why not all is well there, as the last look found it; for a person.
    is_live: whether it answered the last look.
    observation: what that look saw; None when it had no answer.
    looked_from_s: when the look began that was last taken in.
    work_failure: what was last tried there and failed, for a person; "" once nothing is missing.
    scraped: its load, by its own word.
    in_flight_of: the requests in flight by release.
    answered_at_s, failed_at_s: when each release last answered a request here, or was at fault.
    look_again, probe_again: set by whoever has reason to doubt what was observed or probed.
    """

    name: str
    url: str
    calls: InferenceCalls = field(repr=False)
    weight: float = 1.0
    serving: frozenset[Served] = frozenset()
    components: Mapping[str, frozenset[int]] = field(default_factory=dict)
    reason: str = "not observed yet"
    is_live: bool = False
    observed_at_s: float | None = None
    observation: Observation | None = None
    looked_from_s: float = float("-inf")
    work_failure: str = ""
    scraped: Scraped = Scraped()
    in_flight: int = 0
    in_flight_of: Counter[Served] = field(default_factory=Counter)
    answered_at_s: dict[Served, float] = field(default_factory=dict)
    failed_at_s: dict[Served, float] = field(default_factory=dict)
    look_again: asyncio.Event = field(default_factory=asyncio.Event, repr=False)
    probe_again: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class Place:
    """One call's place on an instance; a context manager that gives it back.

    Leaving without having settled says nothing about the instance: the caller went away.
    """

    __slots__ = (
        "_clock",
        "_is_settled",
        "_pool",
        "_reservation",
        "_rng",
        "_served",
        "instance",
    )

    def __init__(
        self,
        instance: Instance,
        served: Served,
        pool: Pool,
        reservation: Reservation,
        *,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self.instance = instance
        self._served = served
        self._pool = pool
        self._reservation = reservation
        self._clock = clock
        self._rng = rng
        self._is_settled = False
        instance.in_flight += 1
        instance.in_flight_of[served] += 1

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_settled:
            self.settle(Verdict.IGNORED)

    def answered(self) -> None:
        """One of a stream's requests was answered: the instance is busy, not dead."""
        self.instance.answered_at_s[self._served] = self._clock.now_s()

    def settle(self, verdict: Verdict) -> None:
        """Give it back and say how the call ended."""
        now_s = self._clock.now_s()
        latency_s = now_s - self._reservation.started_s
        instance = self.instance
        self._is_settled = True
        instance.in_flight -= 1
        instance.in_flight_of[self._served] -= 1
        if verdict is Verdict.SUCCESS:
            instance.answered_at_s[self._served] = now_s
        elif verdict is Verdict.FAILURE:
            instance.failed_at_s[self._served] = now_s
            instance.probe_again.set()
        self._pool.settle(
            self._reservation, verdict, latency_s=latency_s, now_s=now_s, rng=self._rng
        )
