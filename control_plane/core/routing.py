"""Routing: which release a request goes to. Which instance is balancing's question.

The routing table is one immutable value with a revision; whoever holds it can route, and
swapping it is one assignment. A request without a wanted release is split by hash: the
routing key and the route's salt give a point in 0..9999, and the point falls into one of
the releases' weights in their order, so a key that is in a canary stays in it as the
canary's weight grows (the canary's weight counts from the top of the range).
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import blake2b
from itertools import accumulate

from control_plane.core.catalogue import Engine, Release
from control_plane.core.versions import in_order
from control_plane.errors import ControlPlaneError, ErrorCode

ALL_BP = 10_000
"""Weights are basis points: 10,000 is all traffic."""

STABLE, CANARY = "stable", "canary"


@dataclass(frozen=True, slots=True)
class Shadow:
    """A release that gets a copy of some requests, after they were answered.

    share_bp: of the engine's traffic, in basis points.
    """

    release: str
    share_bp: int


@dataclass(frozen=True, slots=True)
class Trial:
    """What a rollout's step is measured by, fixed before the first request that it splits.

    It is a part of the route, so that a request is counted under the step that split it, also
    when it ends in the next one.

    step: from 1. slow_s: the arm was slow if it took longer: stable's p95 from before the step.
    confidence_centre: stable's mean confidence from before the step.
    """

    rollout_id: str
    step: int
    slow_s: float
    confidence_centre: float = 0.5


@dataclass(frozen=True, slots=True)
class Route:
    """One engine's traffic.

    weights_bp: share of each release in basis points, stable first; the sum is 10,000.
    serving: the releases a caller may ask for by name, with or without weight.
    known: every release of the catalogue, to tell "not served now" from "no such release".
    fallback: the release that answers when neither the chosen one nor stable can.
    shadow: the release that is tried on copies of the traffic, if any.
    trial: what the split's requests are measured by, while two releases are compared.
    """

    engine: str
    salt: str
    stable: str
    weights_bp: Mapping[str, int]
    serving: Mapping[str, Release]
    known: frozenset[str]
    canary: str | None = None
    fallback: str | None = None
    shadow: Shadow | None = None
    trial: Trial | None = None

    def __post_init__(self) -> None:
        if sum(self.weights_bp.values()) != ALL_BP or min(self.weights_bp.values()) < 0:
            raise ValueError(f"weights of {self.engine!r} must be >= 0 and sum to {ALL_BP}")
        if not set(self.weights_bp) <= set(self.serving):
            raise ValueError(f"route of {self.engine!r} weighs a release that it does not serve")
        if self.fallback is not None and self.fallback not in self.serving:
            raise ValueError(f"route of {self.engine!r} falls back to what it does not serve")
        if self.shadow is not None and self.shadow.release not in self.serving:
            raise ValueError(f"route of {self.engine!r} shadows what it does not serve")


@dataclass(frozen=True, slots=True)
class RoutingTable:
    """All routes. revision grows with every change."""

    revision: int = 0
    routes: Mapping[str, Route] = field(default_factory=dict)

    def releases(self) -> tuple[Release, ...]:
        """Every release that some route serves."""
        return tuple(
            release for route in self.routes.values() for release in route.serving.values()
        )

    def route(self, engine: str) -> Route:
        """Raises ControlPlaneError(UNKNOWN_ENGINE)."""
        route = self.routes.get(engine)
        if route is None:
            known = ", ".join(sorted(self.routes)) or "none"
            raise ControlPlaneError(
                ErrorCode.UNKNOWN_ENGINE,
                f"unknown model {engine[:80]!r}; engines: {known}",
                field="model_name",
            )
        return route


def all_to_stable(
    engines: Iterable[Engine], revision: int, *, fallbacks: Mapping[str, str] | None = None
) -> RoutingTable:
    """The table in which every engine's stable release takes all of its traffic.

    fallbacks: the release that each engine falls back to, where it has one; it is served too.
    """
    spare = fallbacks or {}
    return RoutingTable(
        revision,
        {
            engine.name: Route(
                engine=engine.name,
                salt=engine.name,
                stable=engine.stable,
                weights_bp={engine.stable: ALL_BP},
                serving={
                    version: engine.releases[version]
                    for version in (engine.stable, spare.get(engine.name, engine.stable))
                },
                known=frozenset(engine.releases),
                fallback=spare.get(engine.name),
            )
            for engine in engines
        },
    )


def is_settled(route: Route) -> bool:
    """Whether nothing is being tried on the engine's traffic: all goes to one release.

    While something is, every request has to reach an instance, because it is counted.
    """
    return (
        len(route.weights_bp) == 1
        and route.canary is None
        and route.shadow is None
        and route.trial is None
    )


def choose_release(route: Route, wanted: str, routing_key: str) -> Release:
    """The release that serves a request.

    wanted: a semantic version, ``stable``, ``canary`` or "" for the route's split.

    Raises ControlPlaneError: UNKNOWN_RELEASE, RELEASE_NOT_READY.
    """
    if wanted:
        return _wanted_release(route, wanted)
    if len(route.weights_bp) == 1:
        return route.serving[next(iter(route.weights_bp))]
    ends = tuple(accumulate(route.weights_bp.values()))
    share = bisect_right(ends, bucket(route.salt, routing_key))
    return route.serving[tuple(route.weights_bp)[share]]


def bucket(salt: str, routing_key: str) -> int:
    """Where a key falls in 0..9999; uniform, and independent between salts."""
    digest = blake2b(routing_key.encode(), key=salt.encode()[:64], digest_size=8).digest()
    return int.from_bytes(digest, "big") % ALL_BP


def _wanted_release(route: Route, wanted: str) -> Release:
    version = wanted
    if wanted == STABLE:
        version = route.stable
    elif wanted == CANARY:
        if route.canary is None:
            raise ControlPlaneError(
                ErrorCode.RELEASE_NOT_READY,
                f"engine {route.engine!r} has no canary now",
                field="model_version",
            )
        version = route.canary
    release = route.serving.get(version)
    if release is not None:
        return release
    if version in route.known:
        raise ControlPlaneError(
            ErrorCode.RELEASE_NOT_READY,
            f"release {version} of engine {route.engine!r} is not served now; "
            f"served: {', '.join(route.serving)}",
            field="model_version",
        )
    raise ControlPlaneError(
        ErrorCode.UNKNOWN_RELEASE,
        f"engine {route.engine!r} has no release {wanted[:80]!r}; "
        f"releases: {', '.join(in_order(route.known))}",
        field="model_version",
    )
