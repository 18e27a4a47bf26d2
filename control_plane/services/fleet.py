"""The fleet as last observed, and the picking of an instance for one call.

Loops publish what they see; the gateway reserves. Picking and reserving is one
synchronous step, and a reservation is released exactly once, however the call ends.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field

from control_plane.core.balancing import RoundRobin
from control_plane.core.catalogue import Release
from control_plane.errors import ControlPlaneError, ErrorCode
from control_plane.ports import InferenceCalls

Served = tuple[str, str]
"""An engine and one of its releases."""


@dataclass(slots=True)
class Instance:
    """One Triton: how to call it, what it was seen to serve, what is in flight on it.

    components: the model versions that were ready there, by the model's name.
    """

    name: str
    url: str
    calls: InferenceCalls = field(repr=False)
    serving: frozenset[Served] = frozenset()
    components: Mapping[str, frozenset[int]] = field(default_factory=dict)
    reason: str = "not observed yet"
    is_live: bool = False
    observed_at_s: float | None = None
    in_flight: int = 0


class Reservation:
    """One call's place on an instance; a context manager that gives it back."""

    __slots__ = ("instance",)

    def __init__(self, instance: Instance) -> None:
        self.instance = instance
        instance.in_flight += 1

    def __enter__(self) -> Instance:
        return self.instance

    def __exit__(self, *_: object) -> None:
        self.instance.in_flight -= 1


class Fleet:
    """All instances, and for each release the ones where it was observed ready."""

    def __init__(self, instances: Iterable[Instance]) -> None:
        self.instances = tuple(instances)
        self._by_name = {instance.name: instance for instance in self.instances}
        self._ready: dict[Served, tuple[Instance, ...]] = {}
        self._balancers: dict[Served, RoundRobin] = {}

    def reserve(self, release: Release) -> Reservation:
        """A place on an instance where the release is ready.

        Raises ControlPlaneError(RELEASE_NOT_READY) when there is none.
        """
        served = (release.engine, release.version)
        ready = self._ready.get(served)
        if not ready:
            raise ControlPlaneError(
                ErrorCode.RELEASE_NOT_READY,
                f"release {release.version} of engine {release.engine!r} is ready on no instance",
                retry_after_s=1.0,
            )
        return Reservation(self._balancers[served].pick(ready))

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
        instance.serving = now_serving
        instance.components = components or {}
        instance.is_live = is_live
        instance.reason = reason
        instance.observed_at_s = now_s
        if has_changed:
            self._rebuild()
        return has_changed

    def ready_on(self, engine: str, version: str) -> tuple[Instance, ...]:
        return self._ready.get((engine, version), ())

    def holding(self, component: str, version: str) -> tuple[Instance, ...]:
        """Where a component was seen ready; version: an integer's digits, "" for any."""
        return tuple(
            instance
            for instance in self.instances
            if (found := instance.components.get(component))
            and (not version or version in map(str, found))
        )

    def _rebuild(self) -> None:
        ready: dict[Served, list[Instance]] = {}
        for instance in self.instances:
            for served in instance.serving:
                ready.setdefault(served, []).append(instance)
        self._ready = {served: tuple(instances) for served, instances in ready.items()}
        self._balancers = {
            served: self._balancers.get(served, RoundRobin()) for served in self._ready
        }
