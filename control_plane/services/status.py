"""What runs now, as values to be shown: the fleet, the engines, whether all is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from heapq import nlargest

from control_plane.core.admission import AdmissionStatistics
from control_plane.core.catalogue import Engine, Release
from control_plane.core.health import Change, Fitness
from control_plane.core.routing import Route, RoutingTable
from control_plane.core.versions import in_order
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import Calendar, Clock
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance, label

READY, LOADING, UNREACHABLE = "ready", "loading", "unreachable"
UNPROBED = "unprobed"

WORST_FIRST = (
    Fitness.GIVEN_UP.value,
    Fitness.UNFIT.value,
    Fitness.MENDING.value,
    Fitness.PROVING.value,
    UNPROBED,
    Fitness.FIT.value,
)

SHOWN_CHANGES = 20
"""How many of the fleet's latest changes are shown with it."""


@dataclass(frozen=True, slots=True)
class ChangeView:
    """One change of an instance's health or, with engine, of a release's fitness there.

    engine: the engine and its release, ``damage 1.0.0``.
    """

    at: datetime
    instance: str
    engine: str | None
    was: str
    now: str
    reason: str


@dataclass(frozen=True, slots=True)
class EngineThereView:
    """One engine on one instance.

    fitness: of the worst of its releases there, as its health has it, or ``unprobed``:
        served, and believed without a probe. reason: why it is so.
    """

    fitness: str
    reason: str
    in_flight: int


@dataclass(frozen=True, slots=True)
class LoadView:
    """What an instance says of its load; None for what it does not say.

    scraped_ago_s: the age of it. queue_ms: the mean time in the queue between the last two
    scrapes, by engine and release ("damage 1.0.0"), of those that are served and had requests.
    """

    scraped_ago_s: float
    pending: int
    queue_ms: Mapping[str, float]
    gpu_utilization: float | None
    gpu_memory_used_bytes: int | None
    gpu_memory_total_bytes: int | None
    cpu_utilization: float | None
    cpu_memory_used_bytes: int | None
    cpu_memory_total_bytes: int | None


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One Triton as last observed, and what is believed of it.

    state: ``ready`` (serves every release wanted of it), ``loading`` (alive, not all
        served yet) or ``unreachable``.
    serving: engine to the releases observed ready there.
    breakers: engine and release ("damage 1.0.0") to its breaker's state, where not closed.
    reason: why it is not ready, for a person; empty when it is.
    observed_ago_s: age of the observation; None before the first.
    health, health_reason: whether it takes requests, and why.
    health_since: None before the first change, or when the history does not reach back to it.
    engines: those that are served or judged there.
    load: None where it is not known, with the reason; load_reason: "" where it is.
    """

    name: str
    url: str
    state: str
    serving: Mapping[str, tuple[str, ...]]
    in_flight: int
    breakers: Mapping[str, str]
    reason: str
    observed_ago_s: float | None
    health: str
    health_reason: str
    health_since: datetime | None
    engines: Mapping[str, EngineThereView]
    last_change: ChangeView | None
    load: LoadView | None = None
    load_reason: str = "not scraped yet"


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """One release: its pins (component to integer version), share and where it is ready.

    ejected, benched: how many of its instances breakers and health checks keep out.
    is_panicking: whether so many are out that requests go to them all the same.
    panics: how many requests did so since the start.
    is_canary: whether it is the target of a rollout and has a share of the traffic.
    shadow_bp: the share of the traffic that is copied to it, in basis points.
    is_serving: whether a caller may ask for it by name now.
    """

    release: str
    pins: Mapping[str, int]
    is_stable: bool
    weight_bp: int
    ready_on: tuple[str, ...]
    ejected: int = 0
    benched: int = 0
    is_panicking: bool = False
    panics: int = 0
    is_canary: bool = False
    shadow_bp: int = 0
    is_serving: bool = False


@dataclass(frozen=True, slots=True)
class EngineView:
    """One engine. kind: ``ensemble`` or ``model``. is_ready: stable is served somewhere.

    admission: the bound on its requests in flight, and what was admitted and shed so far.
    retry_budget_remaining: how many tries could be made again now.
    """

    name: str
    kind: str
    stable: str
    is_ready: bool
    releases: tuple[ReleaseView, ...]
    admission: AdmissionStatistics
    retry_budget_remaining: float


class Status:
    """Answers what runs now, from the catalogue, the routes and the fleet's observations."""

    def __init__(
        self,
        *,
        engines: Mapping[str, Engine],
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        admission: Callable[[str], AdmissionStatistics],
        retry_budget: Callable[[str], float],
        clock: Clock,
        calendar: Calendar,
    ) -> None:
        self._engines = engines
        self._fleet = fleet
        self._table = table
        self._admission = admission
        self._retry_budget = retry_budget
        self._clock = clock
        self._calendar = calendar
        self._is_stopping = False
        self._was_whole = False

    def announce_stop(self) -> None:
        """From now on nothing is ready, whatever the fleet serves."""
        self._is_stopping = True

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    def engines(self) -> tuple[EngineView, ...]:
        routes = self._table().routes
        # One that is new in the catalogue has no route for a moment.
        return tuple(
            self._engine_view(engine) for engine in self._engines.values() if engine.name in routes
        )

    def instances(self) -> tuple[InstanceView, ...]:
        return tuple(self._instance_view(instance) for instance in self._fleet.instances)

    def instance(self, name: str) -> InstanceView:
        """Raises ControlPlaneError(NOT_FOUND)."""
        check_instance(self._fleet, name)
        return self._instance_view(self._fleet.instance(name))

    def history(self, name: str) -> tuple[ChangeView, ...]:
        """What changed on an instance, the latest first. Raises as ``instance`` does."""
        check_instance(self._fleet, name)
        changes = reversed(self._fleet.health(name).history)
        return tuple(self._change_view(name, change) for change in changes)

    def changes(self, limit: int) -> tuple[ChangeView, ...]:
        """The latest changes in the whole fleet, the latest first."""
        found = (
            (change.at_s, position, instance.name, change)
            for instance in self._fleet.instances
            for position, change in enumerate(self._fleet.health(instance.name).history)
        )
        latest = nlargest(limit, found, key=lambda one: one[:2])
        return tuple(self._change_view(name, change) for _, _, name, change in latest)

    def is_ready(self) -> bool:
        """Whether requests are to be sent to this process.

        At first once every engine's stable release is ready somewhere; from then on while that
        of any engine is, and never when the process is about to stop. What all processes in
        front of one fleet have lost alike is no reason to send their callers away: the other
        engines answer.
        """
        ready = [
            bool(self._fleet.ready_on(route.engine, route.stable))
            for route in self._table().routes.values()
        ]
        self._was_whole = self._was_whole or all(ready)
        return self._was_whole and any(ready) and not self._is_stopping

    def _engine_view(self, engine: Engine) -> EngineView:
        route = self._table().route(engine.name)
        return EngineView(
            name=engine.name,
            kind=engine.kind,
            stable=route.stable,
            is_ready=bool(self._fleet.ready_on(engine.name, route.stable)),
            admission=self._admission(engine.name),
            retry_budget_remaining=self._retry_budget(engine.name),
            releases=tuple(
                self._release_view(engine.releases[version], route)
                for version in in_order(engine.releases)
            ),
        )

    def _release_view(self, release: Release, route: Route) -> ReleaseView:
        ready_on = self._fleet.ready_on(release.engine, release.version)
        shadow = route.shadow
        view = ReleaseView(
            release=release.version,
            pins=release.pins,
            is_stable=release.version == route.stable,
            weight_bp=route.weights_bp.get(release.version, 0),
            ready_on=tuple(instance.name for instance in ready_on),
            is_canary=release.version == route.canary,
            shadow_bp=shadow.share_bp if shadow and shadow.release == release.version else 0,
            is_serving=release.version in route.serving,
        )
        pool = self._fleet.pool(release.engine, release.version)
        if pool is None:
            return view
        return replace(
            view,
            ejected=pool.ejected,
            benched=pool.benched,
            is_panicking=pool.is_overruling or (bool(pool.members) and not pool.in_rotation),
            panics=pool.panics,
        )

    def _instance_view(self, instance: Instance) -> InstanceView:
        serving: dict[str, tuple[str, ...]] = {}
        for engine, version in sorted(instance.serving):
            serving[engine] = (*serving.get(engine, ()), version)
        seen_s = instance.observed_at_s
        health = self._fleet.health(instance.name)
        changed = [change for change in health.history if change.engine is None]
        load = self._load_view(instance)
        return InstanceView(
            name=instance.name,
            url=instance.url,
            state=self._state(instance),
            serving=serving,
            in_flight=instance.in_flight,
            breakers={
                f"{engine} {version}": state.value
                for (engine, version), state in self._fleet.breakers(instance.name).items()
            },
            reason=instance.reason,
            observed_ago_s=None if seen_s is None else round(self._clock.now_s() - seen_s, 3),
            health=health.state.value,
            health_reason=health.reason,
            health_since=self._calendar.utc(changed[-1].at_s) if changed else None,
            engines=self._engines_on(instance),
            last_change=(
                self._change_view(instance.name, health.history[-1]) if health.history else None
            ),
            load=load,
            load_reason="" if load else instance.scraped.reason or "not scraped any more",
        )

    def _load_view(self, instance: Instance) -> LoadView | None:
        scraped = instance.scraped
        load, now_s = scraped.load, self._clock.now_s()
        if load is None or now_s > scraped.until_s:
            return None
        return LoadView(
            scraped_ago_s=round(now_s - scraped.at_s, 3),
            pending=load.pending,
            queue_ms={
                label(served): round(1000 * queue_s, 3)
                for served, queue_s in sorted(load.queue_s.items())
                if served in instance.serving
            },
            gpu_utilization=load.gpu_utilization,
            gpu_memory_used_bytes=load.gpu_memory_used_bytes,
            gpu_memory_total_bytes=load.gpu_memory_total_bytes,
            cpu_utilization=load.cpu_utilization,
            cpu_memory_used_bytes=load.cpu_memory_used_bytes,
            cpu_memory_total_bytes=load.cpu_memory_total_bytes,
        )

    def _engines_on(self, instance: Instance) -> dict[str, EngineThereView]:
        health = self._fleet.health(instance.name)
        found: dict[str, EngineThereView] = {}
        for engine in self._engines.values():
            there = []
            for version in engine.releases:
                served = engine.name, version
                fitness = health.fitness(label(served))
                if fitness is not None or served in instance.serving:
                    word = fitness.value if fitness else UNPROBED
                    there.append(
                        (WORST_FIRST.index(word), word, health.fitness_reason(label(served)))
                    )
            if there:
                _, word, reason = min(there)
                in_flight = sum(
                    count for one, count in instance.in_flight_of.items() if one[0] == engine.name
                )
                found[engine.name] = EngineThereView(word, reason, in_flight)
        return found

    def _change_view(self, name: str, change: Change) -> ChangeView:
        return ChangeView(
            at=self._calendar.utc(change.at_s),
            instance=name,
            engine=change.engine,
            was=change.from_state.value,
            now=change.to_state.value,
            reason=change.reason,
        )

    def _state(self, instance: Instance) -> str:
        if not instance.is_live:
            return UNREACHABLE
        wanted = {
            (route.engine, version)
            for route in self._table().routes.values()
            for version in route.weights_bp
        }
        return READY if wanted <= instance.serving else LOADING


def check_instance(fleet: Fleet, name: str) -> None:
    """Raises ControlPlaneError(NOT_FOUND) for a name that no instance has, with those that do."""
    names = [instance.name for instance in fleet.instances]
    if name not in names:
        raise ControlPlaneError(
            ErrorCode.NOT_FOUND,
            f"unknown instance {name[:80]!r}; known: {', '.join(names) or 'none'}",
            field="instance",
        )
