"""What runs now, as values to be shown: the fleet, the engines, whether all is ready."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from control_plane.core.catalogue import Engine
from control_plane.core.routing import RoutingTable
from control_plane.ports import Clock
from control_plane.services.fleet import Fleet
from control_plane.services.instance import Instance

READY, LOADING, UNREACHABLE = "ready", "loading", "unreachable"


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One Triton as last observed.

    state: ``ready`` (serves every release wanted of it), ``loading`` (alive, not all
        served yet) or ``unreachable``.
    serving: engine to the releases observed ready there.
    breakers: engine and release ("damage 1.0.0") to its breaker's state, where not closed.
    reason: why it is not ready, for a person; empty when it is.
    observed_ago_s: age of the observation; None before the first.
    """

    name: str
    url: str
    state: str
    serving: Mapping[str, tuple[str, ...]]
    in_flight: int
    breakers: Mapping[str, str]
    reason: str
    observed_ago_s: float | None


@dataclass(frozen=True, slots=True)
class ReleaseView:
    """One release: its pins (component to integer version), share and where it is ready."""

    release: str
    pins: Mapping[str, int]
    is_stable: bool
    weight_bp: int
    ready_on: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class EngineView:
    """One engine. kind: ``ensemble`` or ``model``. is_ready: stable is served somewhere."""

    name: str
    kind: str
    stable: str
    is_ready: bool
    releases: tuple[ReleaseView, ...]


class Status:
    """Answers what runs now, from the catalogue, the routes and the fleet's observations."""

    def __init__(
        self,
        *,
        engines: Mapping[str, Engine],
        fleet: Fleet,
        table: Callable[[], RoutingTable],
        clock: Clock,
    ) -> None:
        self._engines = engines
        self._fleet = fleet
        self._table = table
        self._clock = clock
        self._is_stopping = False

    def announce_stop(self) -> None:
        """From now on nothing is ready, whatever the fleet serves."""
        self._is_stopping = True

    @property
    def is_stopping(self) -> bool:
        return self._is_stopping

    def engines(self) -> tuple[EngineView, ...]:
        return tuple(self._engine_view(engine) for engine in self._engines.values())

    def instances(self) -> tuple[InstanceView, ...]:
        return tuple(self._instance_view(instance) for instance in self._fleet.instances)

    def is_ready(self) -> bool:
        """Whether every engine's stable release is ready on at least one instance.

        Never when the process is about to stop.
        """
        return not self._is_stopping and all(
            self._fleet.ready_on(route.engine, route.stable)
            for route in self._table().routes.values()
        )

    def _engine_view(self, engine: Engine) -> EngineView:
        route = self._table().route(engine.name)
        return EngineView(
            name=engine.name,
            kind=engine.kind,
            stable=route.stable,
            is_ready=bool(self._fleet.ready_on(engine.name, route.stable)),
            releases=tuple(
                ReleaseView(
                    release=release.version,
                    pins=release.pins,
                    is_stable=release.version == route.stable,
                    weight_bp=route.weights_bp.get(release.version, 0),
                    ready_on=tuple(
                        instance.name
                        for instance in self._fleet.ready_on(engine.name, release.version)
                    ),
                )
                for release in engine.releases.values()
            ),
        )

    def _instance_view(self, instance: Instance) -> InstanceView:
        serving: dict[str, tuple[str, ...]] = {}
        for engine, version in sorted(instance.serving):
            serving[engine] = (*serving.get(engine, ()), version)
        seen_s = instance.observed_at_s
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
