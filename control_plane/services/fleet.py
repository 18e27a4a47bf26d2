"""The fleet as last observed, and the picking of an instance for one call.

Loops publish what they see; the gateway reserves. Picking and reserving is one
synchronous step, and a place is settled exactly once, however the call ends.

    look ──┐
    probe ─┼─► InstanceHealth ─► fit ──────► in the release's pool: takes requests
    drain ─┘         │      └──► standby ──► benched there: asked when nobody else is left
                     └─────────► neither ──► not in the pool
"""

from __future__ import annotations

import asyncio
from collections.abc import Collection, Iterable, Mapping

import structlog

from control_plane.core.backoff import Rng
from control_plane.core.balancing import Pool, PoolOptions, PoolStatistics
from control_plane.core.breaker import State as BreakerState
from control_plane.core.catalogue import Release
from control_plane.core.health import (
    Change,
    HealthOptions,
    InstanceHealth,
    Look,
    ProbeResult,
)
from control_plane.core.triton_load import InstanceLoad
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Clock
from control_plane.services.instance import Instance, Place, Scraped, Served, label

log = structlog.get_logger(__name__)


class Fleet:
    """All instances, and for each release a pool of the ones where it was observed ready.

    options: of the pools; by_engine: exceptions.
    probed: the engines that have a golden input; their releases must prove themselves before
        they take requests on an instance.
    """

    def __init__(
        self,
        instances: Iterable[Instance],
        *,
        options: PoolOptions,
        clock: Clock,
        rng: Rng,
        health: HealthOptions | None = None,
        probed: Collection[str] = (),
        by_engine: Mapping[str, PoolOptions] | None = None,
    ) -> None:
        self.instances = tuple(instances)
        self._options = options
        self._by_engine = by_engine or {}
        self._clock = clock
        self._rng = rng
        self._probed = frozenset(probed)
        self._by_name = {instance.name: instance for instance in self.instances}
        self._health = {
            name: InstanceHealth(name, health or HealthOptions()) for name in self._by_name
        }
        self._pools: dict[Served, Pool] = {}
        self._listeners: list[asyncio.Event] = []
        # What of each instance is in the pools, and whether only as a last resort.
        self._placed: dict[str, dict[Served, bool]] = {name: {} for name in self._by_name}

    def listen(self) -> asyncio.Event:
        """An event that is set whenever something is known of an instance that was not before."""
        event = asyncio.Event()
        self._listeners.append(event)
        return event

    def tell(self) -> None:
        """Something is known of an instance that somebody waits for."""
        for event in self._listeners:
            event.set()

    def reserve(
        self,
        release: Release,
        *,
        tried: Collection[str] = (),
        barred: Collection[str] = (),
        sequence: str | None = None,
        is_stream: bool = False,
    ) -> Place:
        """A place on an instance where the release is ready.

        tried: names of instances that this request was sent to before; they are taken only if
            no other is ready. barred: those that must not be asked again, for they are full.
        sequence: the stateful sequence the request belongs to; all of a sequence go to one
            instance, as long as the same instances serve the release.
        is_stream: whether the place is for a stream of many calls.

        Raises ControlPlaneError(RELEASE_NOT_READY) when there is none, or only instances that
        look dead and were asked a moment ago.
        """
        pool = self._pools.get((release.engine, release.version))
        reservation = None
        if pool is not None:
            reservation = pool.reserve(
                self._clock.now_s(),
                self._rng,
                barred,
                tried=tried,
                sequence=sequence,
                is_stream=is_stream,
            )
        if pool is None or reservation is None:
            raise ControlPlaneError(
                ErrorCode.RELEASE_NOT_READY,
                f"release {release.version} of engine {release.engine!r} is ready on no instance",
                retry_after_s=1.0,
            )
        return Place(
            self._by_name[reservation.name],
            (release.engine, release.version),
            pool,
            reservation,
            clock=self._clock,
            rng=self._rng,
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
        is_ready: bool = True,
        is_answering: bool = True,
    ) -> bool:
        """Take in what was just seen of an instance. True when something has changed by it.

        serving, components: the releases and the model versions that are ready there.
        is_live: False when the connection was refused.
        is_ready: what it says of itself.
        is_answering: False when it hangs; then what it was last seen to serve is kept, as a
            last resort.
        """
        instance = self._by_name[name]
        before = instance.serving, instance.is_live
        if is_answering or not is_live:
            instance.serving = frozenset(serving)
            instance.components = components or {}
        instance.is_live = is_live and is_answering
        instance.reason = reason
        instance.observed_at_s = now_s
        look = Look(
            is_live=is_live,
            is_ready=is_ready and is_answering,
            serving=frozenset(map(label, instance.serving)),
            probed=frozenset(label(one) for one in instance.serving if one[0] in self._probed),
            is_answering=is_answering,
            failure=reason,
        )
        changes = self._health[name].looked(look, now_s)
        self._file(instance, changes)
        has_changed = before != (instance.serving, instance.is_live)
        if has_changed:
            instance.probe_again.set()
        return has_changed or bool(changes)

    def probed(self, name: str, served: Served, result: ProbeResult, reason: str) -> None:
        """Take in how a probe of a release on an instance ended."""
        now_s = self._clock.now_s()
        changes = self._health[name].probed(label(served), result, reason, now_s)
        self._file(self._by_name[name], changes)

    def found_dead(self, name: str, served: Served, reason: str) -> None:
        """Take in that a request met a dead process of a release there: as sure as a probe.

        Where there is no golden input, the breaker has the word.
        """
        self.probed(name, served, ProbeResult.DEAD, reason)

    def drain(self, name: str, reason: str) -> None:
        """Send nothing new to it. Raises IllegalEvent, as the three below do."""
        changes = self._health[name].drain(reason, self._clock.now_s())
        self._file(self._by_name[name], changes)

    def undrain(self, name: str, reason: str) -> None:
        """Let looks and probes judge it again."""
        changes = self._health[name].undrain(reason, self._clock.now_s())
        self._file(self._by_name[name], changes)
        self._by_name[name].look_again.set()

    def isolate(self, name: str, reason: str) -> None:
        """Put it aside: nothing is sent, loaded or mended there until ``heal``."""
        changes = self._health[name].isolate(reason, self._clock.now_s())
        self._file(self._by_name[name], changes)

    def heal(self, name: str, reason: str) -> None:
        """Believe that it is well until shown otherwise: its health and breakers begin anew."""
        changes = self._health[name].heal(reason, self._clock.now_s())
        instance = self._by_name[name]
        for served in self._placed.pop(name):
            self._pools[served].remove(name)
        self._placed[name] = {}
        self._file(instance, changes)
        instance.look_again.set()
        instance.probe_again.set()

    def take_out(self, name: str, served: str, reason: str) -> None:
        """A mend of a release, by its label, begins there.

        Raises IllegalEvent, as the three below do.
        """
        changes = self._health[name].take_out(served, reason, self._clock.now_s())
        self._file(self._by_name[name], changes)

    def bring_back(self, name: str, served: str, reason: str) -> None:
        """It was mended and has proved it."""
        changes = self._health[name].mended(served, reason, self._clock.now_s())
        self._file(self._by_name[name], changes)
        self._by_name[name].look_again.set()

    def mend_failed(self, name: str, served: str, reason: str, *, is_wrong: bool = False) -> None:
        """It stays out, for now. is_wrong: because it answered wrongly after it was loaded anew."""
        now_s = self._clock.now_s()
        changes = self._health[name].mend_failed(served, reason, now_s, is_wrong=is_wrong)
        self._file(self._by_name[name], changes)

    def give_up(self, name: str, served: str, reason: str) -> None:
        """Nobody tries to mend it any more, until ``heal`` or a restart."""
        changes = self._health[name].give_up(served, reason, self._clock.now_s())
        self._file(self._by_name[name], changes)

    def hint(
        self,
        name: str,
        pending: Mapping[Served, int],
        queue_s: Mapping[Served, float] | None = None,
    ) -> None:
        """Take in how many requests were just seen to wait on an instance for each release.

        queue_s: how long such requests have waited there lately. A release that is left out
        has none waiting.
        """
        for served in self._placed[name]:
            lately_s = queue_s.get(served, 0.0) if queue_s else 0.0
            self._pools[served].update_hint(name, pending.get(served, 0), lately_s)

    def loaded(self, name: str, load: InstanceLoad, *, now_s: float, until_s: float) -> None:
        """Take in what an instance says of its load. until_s: how long it is believed."""
        self._by_name[name].scraped = Scraped(load, "", now_s, until_s)
        self.hint(name, load.waiting, load.queue_s)

    def load_lost(self, name: str, reason: str) -> None:
        """Nothing is known of an instance's load any more, and nothing hinted."""
        self._by_name[name].scraped = Scraped(None, reason)
        self.hint(name, {})

    def instance(self, name: str) -> Instance:
        """Raises KeyError."""
        return self._by_name[name]

    def health(self, name: str) -> InstanceHealth:
        """To be read; what changes it goes through the fleet. Raises KeyError."""
        return self._health[name]

    def ready_on(self, engine: str, version: str) -> tuple[Instance, ...]:
        """Where the release takes requests; not where it is a last resort only."""
        served = (engine, version)
        return tuple(one for one in self.instances if self._placed[one.name].get(served) is False)

    def pool(self, engine: str, version: str) -> PoolStatistics | None:
        """What balancing has come to over a release's instances; None if it never had any."""
        pool = self._pools.get((engine, version))
        return None if pool is None else pool.statistics(self._clock.now_s())

    def last_resorts(self, engine: str, version: str) -> tuple[Instance, ...]:
        """Where the release is asked only when no instance is left where it takes requests."""
        served = (engine, version)
        return tuple(one for one in self.instances if self._placed[one.name].get(served))

    def fit_elsewhere(self, served: str, name: str) -> int:
        """On how many other instances a release, by its label, may take requests."""
        return sum(
            served in health.fit_engines for other, health in self._health.items() if other != name
        )

    def holding(self, component: str, version: str) -> tuple[Instance, ...]:
        """Where a component was seen ready; version: an integer's digits, "" for any."""
        return tuple(
            instance
            for instance in self.instances
            if (found := instance.components.get(component))
            and (not version or version in map(str, found))
        )

    def breakers(self, name: str) -> Mapping[Served, BreakerState]:
        """The breakers of an instance that are not closed, by engine and release."""
        return {
            served: state
            for served in sorted(self._placed[name])
            if (state := self._pools[served].breaker_state(name)) is not BreakerState.CLOSED
        }

    def is_suspect(self, name: str, served: Served) -> bool:
        """Whether traffic speaks against a release there: its breaker is not closed."""
        if served not in self._placed[name]:
            return False
        return self._pools[served].breaker_state(name) is not BreakerState.CLOSED

    def _file(self, instance: Instance, changes: Collection[Change]) -> None:
        """Put what an instance serves where its health says. The only place where it moves."""
        health, name, now_s = self._health[instance.name], instance.name, self._clock.now_s()
        fit, standby = health.fit_engines, health.standby_engines
        wanted = {
            served: label(served) in standby
            for served in instance.serving
            if label(served) in fit or label(served) in standby
        }
        has_changed = bool(changes) or wanted != self._placed[name]
        for gone in self._placed[name].keys() - wanted.keys():
            self._pools[gone].remove(name)
        for served, is_standby in wanted.items():
            pool = self._pools.get(served)
            if pool is None:
                options = self._by_engine.get(served[0], self._options)
                pool = self._pools[served] = Pool(options)
            pool.add(name, now_s, weight=instance.weight)
            if is_standby:
                pool.bench(name, now_s)
            else:
                pool.unbench(name, now_s)
        self._placed[name] = wanted
        for change in changes:
            _report(name, change)
        if has_changed:
            self.tell()


def _report(name: str, change: Change) -> None:
    """One line for each change; a warning where an operator may want to look."""
    is_better = change.to_state.value in ("healthy", "fit", "unknown", "proving")
    write = log.info if is_better else log.warning
    write(
        "health changed",
        instance=name,
        engine=change.engine,
        was=change.from_state.value,
        now=change.to_state.value,
        reason=change.reason,
    )
