"""What runs now, as values to be shown: the fleet, the engines, whether all is ready."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class InstanceView:
    """One Triton as last observed.

    state: ``ready`` (serves every release wanted of it), ``loading`` (alive, not all
        served yet) or ``unreachable``.
    serving: engine to the releases observed ready there.
    reason: why it is not ready, for a person; empty when it is.
    observed_ago_s: age of the observation; None before the first.
    """

    name: str
    url: str
    state: str
    serving: Mapping[str, tuple[str, ...]]
    in_flight: int
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
