"""The fleet as last observed, and the picking of an instance for one call.

Loops publish what they see; the gateway reserves. Picking and reserving is one
synchronous step, and a place is settled exactly once, however the call ends.
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b

from control_plane.core.backoff import Rng
from control_plane.core.balancing import Pool, PoolOptions, Reservation
from control_plane.core.breaker import State
from control_plane.core.catalogue import Release
from control_plane.core.outcomes import Verdict
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock, InferenceCalls

Served = tuple[str, str]
"""An engine and one of its releases."""


@dataclass(slots=True)
class Instance:
    """One Triton: how to call it, what it was seen to serve, what is in flight on it.

    weight: its share of the traffic against the others'.
    components: the model versions that were ready there, by the model's name.
    look_again: set by whoever has reason to doubt what was observed.
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
    in_flight: int = 0
    look_again: asyncio.Event = field(default_factory=asyncio.Event, repr=False)


class Place:
    """One call's place on an instance; a context manager that gives it back.

    Leaving without having settled says nothing about the instance: the caller went away.
    """

    __slots__ = (
        "_clock",
        "_is_settled",
        "_is_stream",
        "_pool",
        "_reservation",
        "_rng",
        "instance",
    )

    def __init__(
        self,
        instance: Instance,
        pool: Pool,
        reservation: Reservation,
        *,
        is_stream: bool,
        clock: Clock,
        rng: Rng,
    ) -> None:
        self.instance = instance
        self._is_stream = is_stream
        self._pool = pool
        self._reservation = reservation
        self._clock = clock
        self._rng = rng
        self._is_settled = False
        instance.in_flight += 1

    def __enter__(self) -> Place:
        return self

    def __exit__(self, *_: object) -> None:
        if not self._is_settled:
            self.settle(Verdict.IGNORED)

    def settle(self, verdict: Verdict) -> None:
        """Give it back and say how the call ended.

        How long a stream stays open says nothing of how quick its instance is.
        """
        now_s = self._clock.now_s()
        latency_s = 0.0 if self._is_stream else now_s - self._reservation.started_s
        self._is_settled = True
        self.instance.in_flight -= 1
        self._pool.settle(
            self._reservation, verdict, latency_s=latency_s, now_s=now_s, rng=self._rng
        )


class Fleet:
    """All instances, and for each release a pool of the ones where it was observed ready."""

    def __init__(
        self, instances: Iterable[Instance], *, options: PoolOptions, clock: Clock, rng: Rng
    ) -> None:
        self.instances = tuple(instances)
        self._options = options
        self._clock = clock
        self._rng = rng
        self._by_name = {instance.name: instance for instance in self.instances}
        self._pools: dict[Served, Pool] = {}

    def reserve(
        self,
        release: Release,
        *,
        exclude: Collection[str] = (),
        sequence: str | None = None,
        is_stream: bool = False,
    ) -> Place:
        """A place on an instance where the release is ready.

        exclude: names of instances that this request was sent to before; they are taken only
            if there is no other.
        sequence: the stateful sequence the request belongs to; all of a sequence go to one
            instance, as long as the same instances serve the release.
        is_stream: whether the place is for a stream of many calls.

        Raises ControlPlaneError(RELEASE_NOT_READY) when there is none.
        """
        pool = self._pools.get((release.engine, release.version))
        now_s = self._clock.now_s()
        reservation = None
        if pool is not None:
            others = exclude if sequence is None else self._all_but_home(release, sequence)
            reservation = pool.reserve(now_s, self._rng, others)
            if reservation is None and exclude:
                reservation = pool.reserve(now_s, self._rng)
        if pool is None or reservation is None:
            raise ControlPlaneError(
                ErrorCode.RELEASE_NOT_READY,
                f"release {release.version} of engine {release.engine!r} is ready on no instance",
                retry_after_s=1.0,
            )
        instance = self._by_name[reservation.name]
        return Place(
            instance, pool, reservation, is_stream=is_stream, clock=self._clock, rng=self._rng
        )

    def has_other(self, release: Release, tried: Collection[str]) -> bool:
        """Whether the release is ready on an instance that was not tried."""
        ready = self.ready_on(release.engine, release.version)
        return any(instance.name not in tried for instance in ready)

    def publish(
        self,
        name: str,
        *,
        serving: Collection[Served],
        is_live: bool,
        reason: str,
        now_s: float,
        components: Mapping[str, frozenset[int]] | None = None,
    ) -> bool:
        """Take in what was just seen of an instance. True when what it serves has changed.

        components: the model versions that are ready there; none when left out.
        """
        instance = self._by_name[name]
        now_serving = frozenset(serving)
        has_changed = instance.serving != now_serving or instance.is_live != is_live
        for gone in instance.serving - now_serving:
            self._pools[gone].remove(name)
        for served in now_serving - instance.serving:
            pool = self._pools.setdefault(served, Pool(self._options))
            pool.add(name, now_s, weight=instance.weight)
        instance.serving = now_serving
        instance.components = components or {}
        instance.is_live = is_live
        instance.reason = reason
        instance.observed_at_s = now_s
        return has_changed

    def hint(self, name: str, pending: Mapping[Served, int]) -> None:
        """Take in how many requests were just seen to wait on an instance for each release.

        A release that is left out has none waiting.
        """
        for served in self._by_name[name].serving:
            self._pools[served].update_hint(name, pending.get(served, 0))

    def instance(self, name: str) -> Instance:
        return self._by_name[name]

    def ready_on(self, engine: str, version: str) -> tuple[Instance, ...]:
        pool = self._pools.get((engine, version))
        if pool is None:
            return ()
        return tuple(instance for instance in self.instances if instance.name in pool)

    def holding(self, component: str, version: str) -> tuple[Instance, ...]:
        """Where a component was seen ready; version: an integer's digits, "" for any."""
        return tuple(
            instance
            for instance in self.instances
            if (found := instance.components.get(component))
            and (not version or version in map(str, found))
        )

    def breakers(self, name: str) -> Mapping[Served, State]:
        """The breakers of an instance that are not closed, by engine and release."""
        now_s = self._clock.now_s()
        return {
            served: member.breaker.state
            for served, pool in sorted(self._pools.items())
            for member in pool.statistics(now_s).members
            if member.name == name and member.breaker.state is not State.CLOSED
        }

    def _all_but_home(self, release: Release, sequence: str) -> list[str]:
        """Every instance but the sequence's own: rendezvous hashing (Thaler and Ravishankar)."""
        names = [instance.name for instance in self.ready_on(release.engine, release.version)]

        def score(name: str) -> bytes:
            return blake2b(f"{sequence}\0{name}".encode(), digest_size=8).digest()

        home = max(names, key=score, default=None)
        return [name for name in names if name != home]
